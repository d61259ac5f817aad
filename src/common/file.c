/* SPDX-License-Identifier: MIT
 *
 * file.c - makes files, tells what became of them, and ends them.
 *
 * A premap__file is made here, given to the registry, and from then on reached only through a pin. The thread that drops the
 * last one destroys it (premap__file_destroy), which may be a worker.
 */
#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Create */

int premap__plan_make(premap__plan **made, const premap_options *options) {
  premap_options read;
  int code = premap__options_read(&read, options);
  if (code != 0)
    return code;
  premap__plan *plan = malloc(sizeof *plan); /* see premap__file_make */
  if (plan == NULL)
    return PREMAP_ENOMEM;
  *plan = (premap__plan){.directory = PREMAP__NO_FILE};
  if ((read.flags & PREMAP_BENEATH) != 0)
    code = premap__os_duplicate_directory(read.beneath, &plan->directory).code;
  if (code != 0) {
    free(plan);
    return code;
  }
  atomic_init(&plan->references, 1);
  plan->loader = read.loader != NULL ? read.loader : &premap__default_loader;
  premap__loader_retain(plan->loader);
  plan->pause_us = read.pause_us;
  plan->mode = (uint8_t)read.mode;
  plan->prefault = (uint8_t)read.prefault;
  plan->backing_asked = (uint8_t)read.backing;
  plan->advice = (uint8_t)read.advice;
  plan->flags = read.flags;
  plan->priority = (int8_t)read.priority;
  plan->deadline_ns = read.deadline_ms * UINT64_C(1000000);
  plan->chunk_size = read.chunk_size != 0 ? read.chunk_size : PREMAP_CHUNK_SIZE_DEFAULT;
  plan->chunks_may_grow = read.chunk_size == 0 && read.prefault == PREMAP_PREFAULT_POPULATE && read.pause_us == 0;
  plan->offset = read.offset;
  plan->length = read.length;
  plan->callback = read.callback;
  plan->queue = read.queue;
  plan->user_data = read.user_data;
  if (plan->queue != NULL)
    premap__completion_retain(plan->queue);
  *made = plan;
  return 0;
}

static void close_directory(premap__plan *plan) {
  if (plan->directory == PREMAP__NO_FILE)
    return; /* and no write: nobody counts the loads then */
  premap__os_close(plan->directory);
  plan->directory = PREMAP__NO_FILE;
}

bool premap__plan_keep_directory(premap__plan *plan) {
  size_t loads = atomic_load_explicit(&plan->loads, memory_order_relaxed);
  while (loads > 0)
    if (atomic_compare_exchange_weak_explicit(&plan->loads, &loads, loads + 1, memory_order_relaxed, memory_order_relaxed))
      return true;
  return false;
}

void premap__plan_let_directory_go(premap__plan *plan) {
  if (atomic_fetch_sub_explicit(&plan->loads, 1, memory_order_acq_rel) == 1)
    close_directory(plan);
}

void premap__plan_release(premap__plan *plan) {
  if (atomic_fetch_sub_explicit(&plan->references, 1, memory_order_acq_rel) > 1)
    return;
  close_directory(plan);
  if (plan->queue != NULL)
    premap__completion_release(plan->queue);
  premap__loader_release(plan->loader);
  premap__group_release(plan->group);
  free(plan);
}

int premap__file_make(premap__file **made, const char *name, premap__plan *plan) {
  size_t length = name != NULL ? strlen(name) : 0;
  if (length == 0 || length > UINT16_MAX)
    return length == 0 ? PREMAP_EINVAL : PREMAP_ENAMETOOLONG;
  /* Not calloc: glibc's (before 2.41) takes nothing from the thread's own store of what was freed. */
  premap__file *file = malloc(sizeof *file + length + 1);
  if (file == NULL)
    return PREMAP_ENOMEM;
  memset(file, 0, sizeof *file);
  int code = premap__note_make(&file->note, plan);
  if (code != 0) {
    free(file);
    return code;
  }
  memcpy(file->path, name, length + 1);
  file->plan = plan;
  file->is_known_regular = (plan->flags & PREMAP_KNOWN_REGULAR) != 0;
  file->descriptor = PREMAP__NO_FILE;
  file->deadline_ns = plan->deadline_ns;
  atomic_init(&file->priority, plan->priority);
  file->needs_plan = plan->directory != PREMAP__NO_FILE;
  if (file->needs_plan)
    atomic_fetch_add_explicit(&plan->loads, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
  code = premap__registry_insert(file);
  if (code != 0)
    premap__file_destroy(file);
  else
    *made = file;
  return code;
}

/* Ends the caller's part in making it. */
static premap_file hand_out(premap__file *file, premap__plan *plan) {
  premap_file handle = file->handle;
  premap__registry_unpin(file);
  premap__plan_release(plan);
  return handle;
}

premap_file premap_create(const char *path, const premap_options *options) {
  premap__plan *plan;
  int code = premap__plan_make(&plan, options);
  if (code != 0)
    return code;
  premap__file *file;
  code = premap__file_make(&file, path, plan);
  if (code == 0)
    return hand_out(file, plan);
  premap__plan_release(plan);
  return code;
}

int premap_start(premap_file handle) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  code = premap__loader_submit(file, &(premap__patience){.deadline_ns = UINT64_MAX});
  premap__registry_unpin(file);
  return code;
}

static premap_file start_or_close(premap_file handle) {
  if (handle < 0)
    return handle;
  int code = premap_start(handle);
  if (code == 0)
    return handle;
  premap_close(handle);
  return code;
}

premap_file premap_open(const char *path, const premap_options *options) {
  return start_or_close(premap_create(path, options));
}

/* The plan is new, so nobody else has it. */
static int duplicate(intptr_t descriptor, premap__plan *plan, premap__file **made) {
  premap__os_file own;
  int code = premap__os_duplicate(descriptor, plan->mode == PREMAP_READ_WRITE, &own).code;
  if (code != 0)
    return code;
  plan->from_descriptor = true;
  char name[40];
  (void)snprintf(name, sizeof name, "descriptor %lld", (long long)descriptor); /* fits */
  code = premap__file_make(made, name, plan);
  if (code == 0)
    (*made)->descriptor = own;
  else
    premap__os_close(own);
  return code;
}

premap_file premap_open_fd(intptr_t descriptor, const premap_options *options) {
  premap__plan *plan;
  premap_options read;
  int code = premap__options_read(&read, options);
  if (code == 0 && (read.flags & (PREMAP_BENEATH | PREMAP_NOFOLLOW)) != 0)
    code = PREMAP_EINVAL;
  if (code == 0)
    code = premap__plan_make(&plan, options);
  if (code != 0)
    return code;
  premap__file *file;
  code = duplicate(descriptor, plan, &file);
  if (code == 0)
    return start_or_close(hand_out(file, plan));
  premap__plan_release(plan);
  return code;
}

premap_file premap_load(const char *path, const premap_options *options, premap_region *region) {
  premap_file handle = premap_create(path, options);
  if (handle < 0)
    return handle;
  int result = premap_wait(handle, -1, region);
  if (result >= 0)
    return handle;
  premap_close(handle);
  return result;
}

premap__os_how premap__file_how(const premap__file *file) {
  return (premap__os_how){.path = file->path,
                          .beneath = file->plan->directory,
                          .nofollow = (file->plan->flags & PREMAP_NOFOLLOW) != 0,
                          .is_known_regular = file->is_known_regular};
}

premap__status premap__file_open(const premap__file *file, premap__os_file *opened, premap__os_identity *identity) {
  premap__os_how how = premap__file_how(file);
  how.writable = file->plan->mode == PREMAP_READ_WRITE;
  return premap__os_open(&how, opened, identity);
}

premap__status premap__file_reopen(const premap__file *file, premap__os_file *opened, premap__os_identity *identity) {
  if (file->plan->from_descriptor || (file->plan->flags & PREMAP_BENEATH) != 0)
    return (premap__status){PREMAP_ENOTSUP, 0};
  premap__os_how how = premap__file_how(file);
  return premap__os_open(&how, opened, identity);
}

/* ---- End */

int premap_retain(premap_file handle) {
  return premap__registry_retain(handle);
}

int premap__file_release(premap_file handle, premap__file **last) {
  int code = premap__registry_release(handle, last);
  if (*last != NULL) {
    premap__file_cancel(*last);
    premap__group_forget(*last);
  }
  return code;
}

int premap_close(premap_file handle) {
  premap__file *last;
  int code = premap__file_release(handle, &last);
  if (last != NULL)
    premap__registry_unpin(last);
  return code;
}

int premap_cancel(premap_file handle) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap__file_cancel(file);
  premap__registry_unpin(file);
  return 0;
}

void premap__file_cancel(premap__file *file) {
  if (premap__publish(file, PREMAP__PENDING, PREMAP__CANCELLED)) {
    premap__loader_withdraw(file);
    /* No worker ever had it, and none can get it any more: its descriptors are this thread's to give back. */
    premap__file_close_descriptor(file);
    premap__file_end_load(file);
  } else if (premap__publish(file, PREMAP__LOADING, PREMAP__CANCELLED)) {
    /* Its worker sees it at the next chunk and cleans up; if it has none at present, that is done here. */
    if (premap__loader_withdraw(file))
      premap__worker_abandon(file);
    else
      premap__loader_wake();
  }
}

void premap__file_close_descriptor(premap__file *file) {
  premap__os_file descriptor = file->descriptor;
  if (descriptor == PREMAP__NO_FILE)
    return;
  /* First, so that the child of a fork that comes in between does not close what has the number by then. */
  file->descriptor = PREMAP__NO_FILE;
  premap__os_close(descriptor);
  premap__loader_freed(PREMAP__DESCRIPTORS);
}

void premap__file_end_load(premap__file *file) {
  if (!file->needs_plan)
    return;
  file->needs_plan = false;
  premap__plan_let_directory_go(file->plan);
}

void premap__file_destroy(premap__file *file) {
  premap__worker_drop_region(file);
  premap__file_close_descriptor(file);
  premap__file_end_load(file);
  premap__note_free(file->note);
  premap__plan_release(file->plan);
  free(file);
}

/* ---- Progress and times */

void premap__file_set_total(premap__file *file, uint64_t total) {
  uint64_t before = atomic_exchange_explicit(&file->total, total, memory_order_relaxed);
  if (file->plan->group != NULL)
    premap__group_measured(file->plan->group, before, total);
}

void premap__file_add_done(premap__file *file, uint64_t bytes) {
  atomic_fetch_add_explicit(&file->done, bytes, memory_order_relaxed);
  if (file->plan->group != NULL)
    premap__group_brought_in(file->plan->group, bytes);
}

void premap__span_end(_Atomic uint64_t *span, uint64_t now_ns) {
  uint64_t began = atomic_load_explicit(span, memory_order_relaxed);
  if (began == 0 || (began & PREMAP__MEASURED) != 0)
    return;
  uint64_t length_ns = now_ns > began ? now_ns - began : 0; /* the clock was read before the lock was had */
  atomic_store_explicit(span, PREMAP__MEASURED | length_ns, memory_order_relaxed);
}

/* ---- Look */

int premap__file_code(const premap__file *file, premap__state state) {
  if (state == PREMAP__CANCELLED)
    return PREMAP_ECANCELED;
  return state == PREMAP__FAILED ? file->code : 0;
}

int premap__file_result(const premap__file *file, premap__state state, premap_region *region) {
  if (state != PREMAP__READY)
    return premap__file_code(file, state);
  if (region != NULL)
    *region = (premap_region){file->data, premap__file_is_cache_only(file) ? 0 : premap__file_size(file)};
  return file->partial ? PREMAP_PARTIAL : 0;
}

int premap_error(premap_file handle) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  code = premap__file_code(file, premap__registry_state(file));
  premap__registry_unpin(file);
  return code;
}

int premap_region_of(premap_file handle, premap_region *region) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap__state state = premap__registry_state(file);
  code = state < PREMAP__READY ? PREMAP_EAGAIN : premap__file_result(file, state, region);
  premap__registry_unpin(file);
  return code < 0 ? code : 0;
}

int premap_path(premap_file handle, char *buffer, size_t capacity) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  size_t length = strlen(file->path);
  if (buffer != NULL && capacity > 0) {
    size_t kept = length < capacity ? length : capacity - 1;
    memcpy(buffer, file->path, kept);
    buffer[kept] = '\0';
  }
  premap__registry_unpin(file);
  return (int)length;
}

int premap_progress(premap_file handle, uint64_t *done, uint64_t *total) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  if (done != NULL)
    *done = atomic_load_explicit(&file->done, memory_order_relaxed);
  if (total != NULL)
    *total = atomic_load_explicit(&file->total, memory_order_relaxed);
  premap__registry_unpin(file);
  return 0;
}

/* 0: it has not ended, or never began. */
static uint64_t span_of(const _Atomic uint64_t *span) {
  uint64_t value = atomic_load_explicit(span, memory_order_relaxed);
  return (value & PREMAP__MEASURED) != 0 ? value & ~PREMAP__MEASURED : 0;
}

static void describe_finished(const premap__file *file, premap_file_info *info) {
  info->os_error = file->os_error;
  info->step = file->step;
  info->error_offset = file->error_offset;
  info->file_size = file->identity.size;
  info->offset = file->plan->offset;
  info->length = file->code == 0 ? premap__file_size(file) : 0;
  bool is_present = file->strategy != PREMAP__STRATEGY_NONE && file->strategy != PREMAP__STRATEGY_ADVISE;
  info->present = is_present && file->code == 0 ? atomic_load_explicit(&file->done, memory_order_relaxed) : 0;
  info->assisted = file->assisted;
  info->partial = file->partial;
  bool is_here = file->code != 0 || !premap__file_is_cache_only(file);
  info->backing = is_here ? file->backing : PREMAP_BACKING_AUTO;
  info->strategy = premap__strategy_name(file->strategy, file->touched);
  info->reason = premap__reason_text(file->reason);
}

int premap_info(premap_file handle, premap_file_info *info) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap_file_info full = PREMAP_FILE_INFO_INIT;
  premap__state state = premap__registry_state(file);
  full.state = state == PREMAP__CANCELLED ? PREMAP_FAILED : (uint32_t)state;
  full.error = premap__file_code(file, state);
  full.strategy = premap__strategy_name(PREMAP__STRATEGY_NONE, false);
  full.reason = premap__reason_text(PREMAP__REASON_NONE);
  if (state == PREMAP__READY || state == PREMAP__FAILED)
    describe_finished(file, &full);
  full.queue_ns = span_of(&file->queue_span);
  full.load_ns = span_of(&file->load_span);
  premap__registry_unpin(file);
  if (info == NULL || info->size < sizeof info->size)
    return PREMAP_EINVAL;
  premap__copy_sized(info, info->size, &full, sizeof full);
  return 0;
}

const char *premap_version(void) {
  return PREMAP_VERSION;
}

/* SPDX-License-Identifier: MIT
 *
 * file.c - makes files, tells what became of them, and ends them.
 *
 * A premap__file is made here, given to the registry, and from then on reached only through a pin. The thread that drops the
 * last one destroys it (premap__file_destroy), which may be a worker.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Create */

static premap_file make(const char *name, size_t length, const premap_options *options, premap__os_file descriptor,
                        premap__os_file directory) {
  premap__file *file = calloc(1, sizeof *file + length + 1);
  if (file == NULL)
    return PREMAP_ENOMEM;
  memcpy(file->path, name, length);
  file->pause_us = options->pause_us;
  file->chunk_size = options->chunk_size;
  file->offset = options->offset;
  file->length = options->length;
  file->mode = (uint8_t)options->mode;
  file->prefault = (uint8_t)options->prefault;
  file->backing_asked = (uint8_t)options->backing;
  file->advice = (uint8_t)options->advice;
  file->flags = (uint8_t)options->flags;
  file->from_descriptor = descriptor != PREMAP__NO_FILE;
  file->descriptor = descriptor;
  file->directory = directory;
  premap_file handle = premap__registry_insert(file);
  if (handle < 0)
    free(file);
  return handle;
}

premap_file premap_create(const char *path, const premap_options *options) {
  premap_options read;
  int code = premap__options_read(&read, options);
  if (code != 0)
    return code;
  if (path == NULL || path[0] == '\0')
    return PREMAP_EINVAL;
  size_t length = strlen(path);
  if (length > UINT16_MAX)
    return PREMAP_ENAMETOOLONG;
  premap__os_file directory = PREMAP__NO_FILE;
  if ((read.flags & PREMAP_BENEATH) != 0)
    code = premap__os_duplicate_directory(read.beneath, &directory).code;
  if (code != 0)
    return code;
  premap_file handle = make(path, length, &read, PREMAP__NO_FILE, directory);
  if (handle < 0 && directory != PREMAP__NO_FILE)
    premap__os_close(directory);
  return handle;
}

int premap_start(premap_file handle) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  code = premap__loader_submit(file);
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

premap_file premap_open_fd(intptr_t descriptor, const premap_options *options) {
  premap_options read;
  int code = premap__options_read(&read, options);
  if (code == 0 && (read.flags & (PREMAP_BENEATH | PREMAP_NOFOLLOW)) != 0)
    code = PREMAP_EINVAL;
  if (code != 0)
    return code;
  premap__os_file own = PREMAP__NO_FILE;
  code = premap__os_duplicate(descriptor, read.mode == PREMAP_READ_WRITE, &own).code;
  if (code != 0)
    return code;
  char name[40];
  int length = snprintf(name, sizeof name, "descriptor %lld", (long long)descriptor);
  premap_file handle = make(name, (size_t)length, &read, own, PREMAP__NO_FILE);
  if (handle < 0)
    premap__os_close(own);
  return start_or_close(handle);
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

premap__status premap__file_open(const premap__file *file, bool writable, premap__os_file *opened,
                                 premap__os_identity *identity) {
  bool directory_is_gone = (file->flags & PREMAP_BENEATH) != 0 && file->directory == PREMAP__NO_FILE;
  if (file->from_descriptor || directory_is_gone)
    return (premap__status){PREMAP_ENOTSUP, 0};
  premap__os_how how = {
      .path = file->path, .beneath = file->directory, .writable = writable, .nofollow = (file->flags & PREMAP_NOFOLLOW) != 0};
  return premap__os_open(&how, opened, identity);
}

/* ---- End */

int premap_retain(premap_file handle) {
  return premap__registry_retain(handle);
}

int premap_close(premap_file handle) {
  premap__file *last;
  int code = premap__registry_release(handle, &last);
  if (last != NULL) {
    premap__file_cancel(last);
    premap__registry_unpin(last);
  }
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
    premap__file_close_directory(file);
  } else {
    premap__publish(file, PREMAP__LOADING, PREMAP__CANCELLED); /* its worker sees it at the next chunk and cleans up */
  }
}

void premap__file_close_descriptor(premap__file *file) {
  if (file->descriptor != PREMAP__NO_FILE)
    premap__os_close(file->descriptor);
  file->descriptor = PREMAP__NO_FILE;
}

void premap__file_close_directory(premap__file *file) {
  if (file->directory != PREMAP__NO_FILE)
    premap__os_close(file->directory);
  file->directory = PREMAP__NO_FILE;
}

void premap__file_destroy(premap__file *file) {
  premap__worker_drop_region(file);
  premap__file_close_descriptor(file);
  premap__file_close_directory(file);
  free(file);
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
    *region = file->region;
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

/* From one time to the next; 0 when either has not come, or the next was taken without the first. */
static uint64_t span_ns(const _Atomic uint64_t *from, const _Atomic uint64_t *to) {
  uint64_t first = atomic_load_explicit(from, memory_order_relaxed);
  uint64_t second = atomic_load_explicit(to, memory_order_relaxed);
  return first != 0 && second > first ? second - first : 0;
}

static void describe_finished(const premap__file *file, premap_file_info *info) {
  info->os_error = file->os_error;
  info->step = file->step;
  info->error_offset = file->error_offset;
  info->file_size = file->identity.size;
  info->offset = file->offset;
  info->length = file->region.size;
  bool is_present = file->strategy != PREMAP__STRATEGY_NONE && file->strategy != PREMAP__STRATEGY_ADVISE;
  info->present = is_present && file->code == 0 ? atomic_load_explicit(&file->done, memory_order_relaxed) : 0;
  info->partial = file->partial;
  info->backing = file->backing;
  info->strategy = premap__strategy_name(file->strategy);
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
  full.strategy = premap__strategy_name(PREMAP__STRATEGY_NONE);
  full.reason = premap__reason_text(PREMAP__REASON_NONE);
  if (state == PREMAP__READY || state == PREMAP__FAILED)
    describe_finished(file, &full);
  full.queue_ns = span_ns(&file->started_ns, &file->claimed_ns);
  full.load_ns = span_ns(&file->claimed_ns, &file->finished_ns);
  premap__registry_unpin(file);
  if (info == NULL || info->size < sizeof info->size)
    return PREMAP_EINVAL;
  /* A newer caller's structure may be larger: what this library does not know is zero. */
  size_t size = info->size;
  if (size > sizeof full)
    memset((char *)info + sizeof full, 0, size - sizeof full);
  full.size = size;
  memcpy(info, &full, size < sizeof full ? size : sizeof full);
  return 0;
}

const char *premap_version(void) {
  return PREMAP_VERSION;
}

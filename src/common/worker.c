/* SPDX-License-Identifier: MIT
 *
 * worker.c - one load, from open to READY or FAILED.
 *
 * The thread that moved a file from PENDING to LOADING runs this: a pool thread, or one that waits for the file. Until it
 * publishes the end the file's result is its own to write; a canceller only takes the state away, which is seen between chunks.
 * Each step sets file->step first, so that a failure knows where it was.
 */
#include "limits.h"

#include <stdlib.h>
#include <string.h>

enum { UNSIZED_FIRST = 64 << 10 };
static const premap__status well = {0, 0};

/* What an empty file's region points to. */
static _Alignas(64) unsigned char nothing[64];

bool premap__worker_is_wanted(const premap__file *file) {
  return premap__registry_state(file) == PREMAP__LOADING;
}

static premap__status failure(int code) {
  return (premap__status){code, 0};
}

static void set_empty(premap__file *file, uint8_t reason) {
  file->data = nothing;
  file->strategy = PREMAP__STRATEGY_NONE;
  file->reason = reason;
}

/* ---- Copying */

static void set_block(premap__file *file, const premap__block *block) {
  file->block = block->kind;
  file->data = block->data;
  file->base_before = (uint32_t)((unsigned char *)block->data - (unsigned char *)block->base);
  file->base_size = block->base_size; /* last: the child of a fork that comes in between has nothing to free */
}

static bool allocate(premap__file *file, size_t size) {
  premap__block block;
  if (!premap__block_allocate(file->plan, size, &block))
    return false;
  set_block(file, &block);
  return true;
}

/* The file ended before its size. If it is shorter now it was truncated; if not, its size is not that of its data, as in sysfs,
 * and what came is all there is. */
static premap__status ended_early(premap__file *file) {
  premap__os_identity now;
  premap__status status = premap__os_identify(file->descriptor, &now);
  if (status.code == 0 && now.size < file->identity.size) {
    file->error_offset = file->plan->offset + atomic_load_explicit(&file->done, memory_order_relaxed);
    return failure(PREMAP_ECHANGED);
  }
  return status;
}

/* What the system reads ahead would be in flight too. A descriptor of the caller's is left as it is. */
static void bound_read_ahead(const premap__file *file) {
  if (premap__loader_is_bounded(file) && !file->plan->from_descriptor &&
      file->identity.size - file->plan->offset > PREMAP__PACED_PIECE)
    premap__os_read_file_as_asked(file->descriptor);
}

static premap__status fill(premap__file *file) {
  size_t size = premap__file_size(file);
  size_t done = (size_t)atomic_load_explicit(&file->done, memory_order_relaxed);
  if (done == 0)
    bound_read_ahead(file);
  while (done < size) {
    if (!premap__worker_is_wanted(file))
      return failure(PREMAP_ECANCELED);
    size_t want = size - done < file->plan->chunk_size ? size - done : (size_t)file->plan->chunk_size;
    size_t granted = want, got = 0;
    premap__flight flight;
    premap__status status = premap__loader_begin_chunk(file, &granted, false, &flight);
    if (status.code == PREMAP_EAGAIN)
      status = premap__loader_wait_for_flights(file, want, false);
    if (status.code != 0)
      return status;
    if (granted == 0)
      continue;
    status = premap__os_read(file->descriptor, (unsigned char *)file->data + done, granted, file->plan->offset + done, &got);
    premap__loader_end_chunk(&flight);
    done += got;
    premap__file_add_done(file, got);
    if (status.code != 0) {
      file->error_offset = file->plan->offset + done;
      return status;
    }
    if (got == 0) {
      premap__file_set_total(file, done);
      return ended_early(file);
    }
    if (done < size && premap__loader_interrupts(file))
      return failure(PREMAP__INTERRUPTED);
  }
  return well;
}

/* Only says so: getting the memory and filling it may have to wait, or be interrupted. */
static premap__status copy(premap__file *file, uint8_t reason) {
  file->step = PREMAP_STEP_READ;
  file->backing = PREMAP_BACKING_COPIED;
  file->strategy = PREMAP__STRATEGY_READ;
  file->reason = reason;
  file->phase = PREMAP__PHASE_ALLOCATE;
  return well;
}

/* Granted already, or now, or when others have given some back. */
static premap__status get_memory(premap__file *file) {
  bool waits = (file->plan->flags & PREMAP_WAIT_FOR_MEMORY) != 0;
  premap__frees seen = premap__loader_frees(PREMAP__MEMORY);
  for (; file->held == 0 && !premap__budget_copy(file, premap__file_size(file)); seen = premap__loader_frees(PREMAP__MEMORY)) {
    if (premap__deferred_give_back(file, seen))
      continue;
    premap__lack lack = waits ? premap__loader_lacks(file, seen) : PREMAP__LACK_LASTS;
    if (lack == PREMAP__LACK_LATER)
      return failure(PREMAP__INTERRUPTED);
    if (lack == PREMAP__LACK_LASTS) {
      file->reason = PREMAP__REASON_BUDGET;
      return failure(PREMAP_ENOMEM);
    }
  }
  if (!allocate(file, premap__file_size(file)))
    return failure(PREMAP_ENOMEM);
  file->phase = PREMAP__PHASE_COPY;
  return well;
}

static bool would_wait(const premap__file *file) {
  return file->plan->from_descriptor && premap__os_would_wait(file->descriptor);
}

/* Reads to the end, at most limit bytes, into a block that grows: *block is the caller's to free, also on an error. */
static premap__status read_to_end(premap__file *file, uint64_t limit, unsigned char **block, size_t *size) {
  size_t capacity = 0;
  size_t got = 1;
  *size = 0;
  while (got > 0 && *size < limit) {
    if (!premap__worker_is_wanted(file))
      return failure(PREMAP_ECANCELED);
    if (*size == capacity) {
      capacity = capacity == 0 ? UNSIZED_FIRST : capacity * 2;
      unsigned char *larger = realloc(*block, capacity);
      if (larger == NULL)
        return failure(PREMAP_ENOMEM);
      *block = larger;
    }
    if (would_wait(file))
      return failure(PREMAP_EAGAIN);
    premap__status status = premap__os_read(file->descriptor, *block + *size, capacity - *size, file->plan->offset + *size,
                                            &got);
    if (status.code != 0) {
      file->error_offset = file->plan->offset + *size;
      return status;
    }
    *size += got;
    premap__file_add_done(file, got);
  }
  return well;
}

static premap__status keep(premap__file *file, const unsigned char *block, size_t size) {
  if (!premap__budget_copy(file, size)) {
    file->reason = PREMAP__REASON_BUDGET;
    return failure(PREMAP_ENOMEM);
  }
  file->reason = PREMAP__REASON_UNSIZED;
  bool allocated = allocate(file, size);
  if (allocated)
    memcpy(file->data, block, size);
  premap__budget_copied(file);
  return allocated ? well : failure(PREMAP_ENOMEM);
}

/* A file that reports no size is either empty or made up while it is read, as in procfs: only reading tells. */
static premap__status copy_unsized(premap__file *file) {
  file->step = PREMAP_STEP_READ;
  file->backing = PREMAP_BACKING_COPIED;
  uint64_t limit = file->plan->length != 0 && file->plan->length < PREMAP_UNSIZED_LIMIT ? file->plan->length
                                                                                        : PREMAP_UNSIZED_LIMIT + 1;
  unsigned char *block = NULL;
  size_t size = 0;
  premap__status status = read_to_end(file, limit, &block, &size);
  if (status.code == 0 && size > PREMAP_UNSIZED_LIMIT)
    status = failure(PREMAP_EFBIG);
  if (status.code == 0 && ((file->plan->length != 0 && size < file->plan->length) || (size == 0 && file->plan->offset > 0))) {
    file->step = PREMAP_STEP_SIZE;
    status = failure(PREMAP_ERANGE);
  }
  if (file->plan->length != 0 && size > file->plan->length)
    size = (size_t)file->plan->length;
  if (status.code == 0 && size == 0) {
    set_empty(file, PREMAP__REASON_EMPTY);
  } else if (status.code == 0) {
    file->strategy = PREMAP__STRATEGY_READ;
    status = keep(file, block, size);
  }
  free(block);
  atomic_store_explicit(&file->done, size, memory_order_relaxed);
  premap__file_set_total(file, size);
  return status;
}

/* ---- The system's cache only */

/* Unknown counts as no. */
static bool is_cached(const premap__file *file, size_t size) {
  uint64_t cached = 0;
  return premap__os_resident(file->descriptor, file->plan->offset, size, NULL, &cached).code == 0 && cached >= size;
}

/* What is in memory takes none. */
static void note_cached(premap__file *file, size_t size) {
  file->backing = PREMAP_BACKING_MAPPED;
  file->strategy = PREMAP__STRATEGY_CACHED;
  file->reason = PREMAP__REASON_CACHED;
  file->data = nothing;
  premap__budget_hold_resident(file, size);
  premap__file_add_done(file, size);
}

static void drop_pages(premap__file *file);

/* Of a copy the budget has to learn that it is the file's own pages now. One of a file without a size, as in procfs, was never
 * in the cache. */
static void leave_in_cache(premap__file *file) {
  drop_pages(file);
  file->data = nothing;
  if (file->backing != PREMAP_BACKING_COPIED)
    return;
  if (file->is_copying)
    premap__budget_copied(file);
  premap__budget_give_back(file, UINT64_MAX);
  file->backing = PREMAP_BACKING_MAPPED;
  if (file->identity.size > 0)
    premap__budget_hold_resident(file, premap__file_size(file));
}

/* ---- Mapping */

/* A cut within the last page leaves zeros there, which no populating notices. */
static premap__status still_whole(premap__file *file) {
  premap__os_identity now;
  premap__status status = premap__os_identify(file->descriptor, &now);
  if (status.code == 0 && now.size < file->plan->offset + premap__file_size(file)) {
    file->error_offset = now.size;
    return failure(PREMAP_ECHANGED);
  }
  return status;
}

static bool take_map(const premap__file *file) {
  premap__frees seen = premap__loader_frees(PREMAP__MEMORY);
  for (; !premap__budget_take_map(file->plan->loader); seen = premap__loader_frees(PREMAP__MEMORY))
    if (!premap__deferred_give_back(file, seen))
      return false;
  return true;
}

static premap__status map_pages(const premap__file *file, size_t size, premap__os_mapping *mapping) {
  for (;;) {
    premap__frees seen = premap__loader_frees(PREMAP__MEMORY);
    premap__status status = premap__os_map(file->descriptor, (premap_mode)file->plan->mode, file->plan->offset, size, mapping);
    if (status.code != PREMAP_ENOMEM || !premap__deferred_give_back(file, seen))
      return status;
  }
}

static premap__status map(premap__file *file, size_t size, uint8_t reason) {
  file->step = PREMAP_STEP_MAP;
  file->backing = PREMAP_BACKING_MAPPED;
  file->reason = reason;
  bool may_copy = file->plan->backing_asked == PREMAP_BACKING_AUTO && file->plan->mode != PREMAP_READ_WRITE;
  if (!take_map(file)) {
    file->reason = PREMAP__REASON_MAP_LIMIT;
    return may_copy ? copy(file, PREMAP__REASON_MAP_LIMIT) : failure(PREMAP_ENOMEM);
  }
  premap__os_mapping mapping;
  premap__status status = map_pages(file, size, &mapping);
  if (status.code != 0) {
    premap__budget_give_back_map(file->plan->loader);
    return may_copy && status.code == PREMAP_ENODEV ? copy(file, PREMAP__REASON_UNMAPPABLE) : status;
  }
  file->data = mapping.data;
  file->base_before = (uint32_t)((unsigned char *)mapping.data - (unsigned char *)mapping.base);
  file->base_size = mapping.base_size;
  file->phase = PREMAP__PHASE_MAP;
  return well;
}

static premap__status populate(premap__file *file) {
  file->step = PREMAP_STEP_POPULATE;
  premap__status status = premap__prefault(file);
  return status.code == 0 && file->plan->prefault == PREMAP_PREFAULT_POPULATE ? still_whole(file) : status;
}

/* ---- The steps */

static premap__status open_and_identify(premap__file *file) {
  file->step = PREMAP_STEP_OPEN;
  premap__status status;
  if (file->plan->from_descriptor)
    status = premap__os_identify(file->descriptor, &file->identity);
  else
    status = premap__file_open(file, &file->descriptor, &file->identity);
  return status;
}

static premap__status measure(premap__file *file, uint64_t *size) {
  file->step = PREMAP_STEP_SIZE;
  if (file->plan->offset > file->identity.size || file->plan->length > file->identity.size - file->plan->offset)
    return failure(PREMAP_ERANGE);
  *size = file->plan->length != 0 ? file->plan->length : file->identity.size - file->plan->offset;
  if (*size > PTRDIFF_MAX)
    return failure(PREMAP_EFBIG);
  premap__file_set_total(file, *size);
  return well;
}

static premap__status map_or_copy(premap__file *file, size_t size) {
  if (premap__file_is_cache_only(file) && is_cached(file, size)) {
    note_cached(file, size);
    return well;
  }
  if (file->plan->backing_asked == PREMAP_BACKING_COPIED)
    return copy(file, PREMAP__REASON_ASKED);
  if (file->plan->backing_asked == PREMAP_BACKING_MAPPED)
    return map(file, size, PREMAP__REASON_ASKED);
  if (file->plan->mode == PREMAP_READ_WRITE)
    return map(file, size, PREMAP__REASON_WRITABLE);
  if (file->plan->prefault != PREMAP_PREFAULT_POPULATE)
    return map(file, size, PREMAP__REASON_LAZY);
  if (file->plan->advice != PREMAP_ADVICE_NORMAL)
    return map(file, size, PREMAP__REASON_ADVISED);
  if (size > PREMAP_COPY_LIMIT)
    return map(file, size, PREMAP__REASON_LARGE);
  file->backing = PREMAP_BACKING_COPIED; /* first: the child of a fork that comes in between gives back what is held by that */
  premap__grant grant = premap__budget_copy_small(file, size);
  if (grant == PREMAP__GRANTED)
    return copy(file, PREMAP__REASON_SMALL);
  /* The file's own pages can be given up again where a copy could not. */
  return map(file, size, grant == PREMAP__GRANT_MANY_COPIES ? PREMAP__REASON_MANY_COPIES : PREMAP__REASON_BUDGET);
}

/* A mapping asked of a file that reports no size: well if it is empty, or was a moment ago; but data that only reading shows
 * cannot be mapped. */
static premap__status refuse_unsized(premap__file *file) {
  unsigned char byte;
  size_t got = 0;
  file->step = PREMAP_STEP_MAP;
  if (would_wait(file))
    return failure(PREMAP_EAGAIN);
  premap__status status = premap__os_read(file->descriptor, &byte, 1, 0, &got);
  if (status.code == 0 && got > 0)
    status = premap__os_identify(file->descriptor, &file->identity);
  return status.code == 0 && got > 0 && file->identity.size == 0 ? failure(PREMAP_ENODEV) : status;
}

/* Up to where the bytes come in, chunk by chunk. */
static premap__status begin(premap__file *file) {
  premap__status opened = open_and_identify(file);
  if (opened.code != 0)
    return opened;
  file->phase = PREMAP__PHASE_END;
  if (file->plan->offset > INT64_MAX) { /* no file goes so far, whatever it says of its size */
    file->step = PREMAP_STEP_SIZE;
    return failure(PREMAP_ERANGE);
  }
  bool may_copy = file->plan->mode != PREMAP_READ_WRITE && file->plan->backing_asked != PREMAP_BACKING_MAPPED;
  if (file->identity.size == 0 && may_copy)
    return copy_unsized(file);
  if (file->identity.size == 0) {
    premap__status refused = refuse_unsized(file);
    if (refused.code != 0)
      return refused;
  }
  uint64_t size = 0;
  premap__status status = measure(file, &size);
  if (status.code != 0)
    return status;
  file->backing = PREMAP_BACKING_MAPPED;
  if (size == 0)
    set_empty(file, PREMAP__REASON_EMPTY);
  else
    status = map_or_copy(file, (size_t)size);
  return status;
}

/* What was asked for the time after the load. */
static premap__status prepare_use(premap__file *file) {
  if (premap__file_size(file) == 0)
    return well;
  if (premap__file_is_cache_only(file)) {
    leave_in_cache(file);
    return well;
  }
  if (file->plan->advice != PREMAP_ADVICE_NORMAL && file->backing == PREMAP_BACKING_MAPPED) {
    file->step = PREMAP_STEP_POPULATE;
    premap__status status = premap__advise(file, 0, premap__file_size(file), (premap_advice)file->plan->advice);
    if (status.code != 0)
      return status;
  }
  file->step = PREMAP_STEP_LOCK;
  if ((file->plan->flags & PREMAP_LOCK) == 0)
    return well;
  premap__status status = premap__region_lock_all(file);
  if (status.code == 0 && file->backing == PREMAP_BACKING_MAPPED)
    premap__budget_give_back(file, UINT64_MAX); /* the system counts locked pages as used */
  return status;
}

/* Is the descriptor of use once the file is READY? */
static bool keeps_open(const premap__file *file) {
  bool may_be_flushed = file->plan->mode == PREMAP_READ_WRITE && premap__file_size(file) > 0;
  return (file->plan->flags & PREMAP_KEEP_OPEN) != 0 || (may_be_flushed && premap__os_flush_needs_file());
}

bool premap__worker_claim(premap__file *file, uint64_t now_ns) {
  if (!premap__registry_move(file, PREMAP__PENDING, PREMAP__LOADING))
    return false;
  premap__span_end(&file->queue_span, now_ns);
  atomic_store_explicit(&file->load_span, now_ns, memory_order_relaxed);
  return true;
}

static bool lacks_descriptor(const premap__file *file, premap__status status) {
  return file->step == PREMAP_STEP_OPEN && (status.code == PREMAP_EMFILE || status.code == PREMAP_ENFILE);
}

/* Again when another load has given a descriptor back, as long as there is one that could. */
static premap__status begin_or_wait(premap__file *file) {
  for (;;) {
    premap__frees seen = premap__loader_frees(PREMAP__DESCRIPTORS);
    premap__status status = begin(file);
    bool lacks = lacks_descriptor(file, status);
    if (lacks && premap__deferred_give_back(file, seen))
      continue;
    premap__lack lack = lacks ? premap__loader_lacks(file, seen) : PREMAP__LACK_LASTS;
    if (lack == PREMAP__LACK_LATER)
      return failure(PREMAP__INTERRUPTED);
    if (lack == PREMAP__LACK_LASTS)
      return status;
  }
}

static premap__status bring_in(premap__file *file) {
  premap__status status = file->phase == PREMAP__PHASE_BEGIN ? begin_or_wait(file) : well;
  if (status.code == 0 && file->phase == PREMAP__PHASE_ALLOCATE)
    status = get_memory(file);
  if (status.code == 0 && file->phase == PREMAP__PHASE_COPY)
    status = fill(file);
  if (status.code == 0 && file->phase == PREMAP__PHASE_MAP)
    status = populate(file);
  return status;
}

/* All that the load needed goes before anybody hears of its end: who waits for the last of many files then finds no descriptor
 * open. */
static void let_go(premap__file *file, premap__status status) {
  premap__file_end_load(file);
  if (file->is_copying)
    premap__budget_copied(file);
  if (status.code != 0 || !keeps_open(file))
    premap__file_close_descriptor(file);
  file->code = (int16_t)status.code;
  file->os_error = status.os_error;
}

/* Tidies up, and returns the state to publish. */
static premap__state end(premap__file *file, premap__status status) {
  let_go(file, status);
  if (status.code != 0) {
    premap__worker_drop_region(file);
    return PREMAP__FAILED;
  }
  file->step = PREMAP_STEP_NONE;
  file->error_offset = 0;
  return PREMAP__READY;
}

premap__state premap__worker_load(premap__file *file) {
  premap__status status = bring_in(file);
  if (status.code == PREMAP__INTERRUPTED)
    return PREMAP__LOADING;
  if (status.code == 0)
    status = prepare_use(file);
  return end(file, status);
}

void premap__worker_drop(premap__file *file) {
  premap__worker_drop_region(file);
  premap__file_close_descriptor(file);
}

void premap__worker_adopt(premap__file *file, const premap__copy *copy) {
  if (copy->descriptor != PREMAP__NO_FILE)
    file->descriptor = copy->descriptor;
  file->identity = copy->identity;
  file->backing = PREMAP_BACKING_COPIED;
  file->strategy = PREMAP__STRATEGY_READ;
  file->reason = PREMAP__REASON_INLINE;
  file->phase = PREMAP__PHASE_END;
  set_block(file, &copy->block);
  premap__budget_adopt(file, copy->size);
  premap__file_set_total(file, copy->size);
  premap__file_add_done(file, copy->size);
  atomic_store_explicit(&file->load_span, copy->began_ns, memory_order_relaxed);
  premap__loader_publish(file, end(file, well));
}

void premap__worker_refuse(premap__file *file, premap__status status) {
  if (!premap__loader_begin_here(file)) {
    /* What does not let it begin, a shutdown or its loader's end, cancels all others too. Or somebody has started it meanwhile,
     * and will find out. */
    if (!premap__file_was_started(file))
      premap__file_cancel(file);
    return;
  }
  file->step = PREMAP_STEP_OPEN;
  premap__loader_publish(file, end(file, status));
}

void premap__worker_abandon(premap__file *file) {
  let_go(file, failure(PREMAP_ECANCELED));
  if (file->backing != PREMAP_BACKING_MAPPED || !premap__deferred_take_over(file))
    premap__worker_drop_region(file);
}

static void drop_pages(premap__file *file) {
  size_t size = file->base_size;
  void *data = file->data;
  void *base = size > 0 ? (unsigned char *)data - file->base_before : NULL;
  if (base != NULL && file->backing == PREMAP_BACKING_COPIED)
    premap__region_forget_lock(file);
  /* First, so that the child of a fork that comes in between does not unmap it again. */
  file->base_size = 0;
  file->data = NULL;
  if (base != NULL && file->backing == PREMAP_BACKING_MAPPED) {
    premap__os_unmap(base, size);
    premap__budget_give_back_map(file->plan->loader);
  } else if (base != NULL) {
    premap__block block = {.data = data, .base = base, .base_size = size, .kind = file->block};
    premap__block_free(file->plan, &block);
  }
}

void premap__worker_drop_region(premap__file *file) {
  drop_pages(file);
  if (file->held > 0)
    premap__budget_give_back(file, UINT64_MAX);
}

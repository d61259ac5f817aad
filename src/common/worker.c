/* SPDX-License-Identifier: MIT
 *
 * worker.c - one load, from open to READY or FAILED.
 *
 * The thread that moved a file from PENDING to LOADING runs this: a pool thread, or one that waits for the file. Until it
 * publishes the end the file's result is its own to write; a canceller only takes the state away, which is seen between chunks.
 * Each step sets file->step first, so that a failure knows where it was.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { UNSIZED_FIRST = 64 << 10 };
/* Copies up to this come from malloc, which reuses what it has; larger ones have pages of their own, large ones where they can
 * be. */
#define HEAP_MAX ((uint64_t)1 << 20)
#define COPY_ALIGNMENT ((size_t)64)

static const premap__status well = {0, 0};

/* What an empty file's region points to. */
static _Alignas(64) unsigned char nothing[64];

bool premap__worker_is_wanted(const premap__file *file) {
  return premap__registry_state(file) == PREMAP__LOADING;
}

static premap__status failure(int code) {
  return (premap__status){code, 0};
}

static void add_done(premap__file *file, uint64_t bytes) {
  atomic_fetch_add_explicit(&file->done, bytes, memory_order_relaxed);
}

static void set_empty(premap__file *file, uint8_t reason) {
  file->region = (premap_region){nothing, 0};
  file->strategy = PREMAP__STRATEGY_NONE;
  file->reason = reason;
}

/* ---- Copying */

static bool allocate(premap__file *file, size_t size) {
  file->heap = size <= HEAP_MAX;
  file->base_size = file->heap ? size + COPY_ALIGNMENT - 1 : size;
  file->base = file->heap ? malloc(file->base_size) : premap__os_pages_allocate(size);
  if (file->base == NULL)
    return false;
  uintptr_t address = (uintptr_t)file->base;
  size_t skip = file->heap ? (COPY_ALIGNMENT - address % COPY_ALIGNMENT) % COPY_ALIGNMENT : 0;
  file->region = (premap_region){(unsigned char *)file->base + skip, size};
  return true;
}

/* The file ended before its size. If it is shorter now it was truncated; if not, its size is not that of its data, as in sysfs,
 * and what came is all there is. */
static premap__status ended_early(premap__file *file) {
  premap__os_identity now;
  premap__status status = premap__os_identify(file->descriptor, &now);
  if (status.code == 0 && now.size < file->identity.size) {
    file->error_offset = file->offset + atomic_load_explicit(&file->done, memory_order_relaxed);
    return failure(PREMAP_ECHANGED);
  }
  return status;
}

static premap__status fill(premap__file *file) {
  size_t size = file->region.size;
  size_t done = 0;
  while (done < size) {
    if (!premap__worker_is_wanted(file))
      return failure(PREMAP_ECANCELED);
    size_t want = size - done < file->chunk_size ? size - done : (size_t)file->chunk_size;
    size_t got = 0;
    premap__status status = premap__os_read(file->descriptor, (unsigned char *)file->region.data + done, want,
                                            file->offset + done, &got);
    done += got;
    add_done(file, got);
    if (status.code != 0) {
      file->error_offset = file->offset + done;
      return status;
    }
    if (got == 0) {
      file->region.size = done;
      atomic_store_explicit(&file->total, done, memory_order_relaxed);
      return ended_early(file);
    }
    if (file->pause_us > 0 && done < size)
      premap__os_pause_us(file->pause_us);
  }
  return well;
}

static premap__status copy(premap__file *file, size_t size, uint8_t reason) {
  file->step = PREMAP_STEP_READ;
  file->backing = PREMAP_BACKING_COPIED;
  file->strategy = PREMAP__STRATEGY_READ;
  file->reason = reason;
  if (!premap__budget_copy(size)) {
    file->reason = PREMAP__REASON_BUDGET;
    return failure(PREMAP_ENOMEM);
  }
  premap__status status = allocate(file, size) ? fill(file) : failure(PREMAP_ENOMEM);
  premap__budget_copied(size);
  return status;
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
    premap__status status = premap__os_read(file->descriptor, *block + *size, capacity - *size, file->offset + *size, &got);
    if (status.code != 0) {
      file->error_offset = file->offset + *size;
      return status;
    }
    *size += got;
    add_done(file, got);
  }
  return well;
}

static premap__status keep(premap__file *file, const unsigned char *block, size_t size) {
  if (!premap__budget_copy(size)) {
    file->reason = PREMAP__REASON_BUDGET;
    return failure(PREMAP_ENOMEM);
  }
  file->reason = PREMAP__REASON_UNSIZED;
  bool allocated = allocate(file, size);
  if (allocated)
    memcpy(file->region.data, block, size);
  premap__budget_copied(size);
  return allocated ? well : failure(PREMAP_ENOMEM);
}

/* A file that reports no size is either empty or made up while it is read, as in procfs: only reading tells. */
static premap__status copy_unsized(premap__file *file) {
  file->step = PREMAP_STEP_READ;
  file->backing = PREMAP_BACKING_COPIED;
  uint64_t limit = file->length != 0 && file->length < PREMAP_UNSIZED_LIMIT ? file->length : PREMAP_UNSIZED_LIMIT + 1;
  unsigned char *block = NULL;
  size_t size = 0;
  premap__status status = read_to_end(file, limit, &block, &size);
  if (status.code == 0 && size > PREMAP_UNSIZED_LIMIT)
    status = failure(PREMAP_EFBIG);
  if (status.code == 0 && ((file->length != 0 && size < file->length) || (size == 0 && file->offset > 0))) {
    file->step = PREMAP_STEP_SIZE;
    status = failure(PREMAP_ERANGE);
  }
  if (file->length != 0 && size > file->length)
    size = (size_t)file->length;
  if (status.code == 0 && size == 0) {
    set_empty(file, PREMAP__REASON_EMPTY);
  } else if (status.code == 0) {
    file->strategy = PREMAP__STRATEGY_READ;
    status = keep(file, block, size);
  }
  free(block);
  atomic_store_explicit(&file->done, size, memory_order_relaxed);
  atomic_store_explicit(&file->total, size, memory_order_relaxed);
  return status;
}

/* ---- Mapping */

/* A cut within the last page leaves zeros there, which no populating notices. */
static premap__status still_whole(premap__file *file) {
  premap__os_identity now;
  premap__status status = premap__os_identify(file->descriptor, &now);
  if (status.code == 0 && now.size < file->offset + file->region.size) {
    file->error_offset = now.size;
    return failure(PREMAP_ECHANGED);
  }
  return status;
}

static premap__status map(premap__file *file, size_t size, uint8_t reason) {
  file->step = PREMAP_STEP_MAP;
  file->backing = PREMAP_BACKING_MAPPED;
  file->reason = reason;
  bool may_copy = file->backing_asked == PREMAP_BACKING_AUTO && file->mode != PREMAP_READ_WRITE;
  if (!premap__budget_take_map()) {
    file->reason = PREMAP__REASON_MAP_LIMIT;
    return may_copy ? copy(file, size, PREMAP__REASON_MAP_LIMIT) : failure(PREMAP_ENOMEM);
  }
  premap__os_mapping mapping;
  premap__status status = premap__os_map(file->descriptor, (premap_mode)file->mode, file->offset, size, &mapping);
  if (status.code != 0) {
    premap__budget_give_back_map();
    return may_copy && status.code == PREMAP_ENODEV ? copy(file, size, PREMAP__REASON_UNMAPPABLE) : status;
  }
  file->region = (premap_region){mapping.data, size};
  file->base = mapping.base;
  file->base_size = mapping.base_size;
  file->step = PREMAP_STEP_POPULATE;
  status = premap__prefault(file);
  return status.code == 0 && file->prefault == PREMAP_PREFAULT_POPULATE ? still_whole(file) : status;
}

/* ---- The steps */

static premap__status open_and_identify(premap__file *file) {
  file->step = PREMAP_STEP_OPEN;
  premap__status status;
  if (file->from_descriptor)
    status = premap__os_identify(file->descriptor, &file->identity);
  else
    status = premap__file_open(file, file->mode == PREMAP_READ_WRITE, &file->descriptor, &file->identity);
  return status;
}

static premap__status measure(premap__file *file, uint64_t *size) {
  file->step = PREMAP_STEP_SIZE;
  if (file->offset > file->identity.size || file->length > file->identity.size - file->offset)
    return failure(PREMAP_ERANGE);
  *size = file->length != 0 ? file->length : file->identity.size - file->offset;
  if (*size > PTRDIFF_MAX)
    return failure(PREMAP_EFBIG);
  atomic_store_explicit(&file->total, *size, memory_order_relaxed);
  return well;
}

static premap__status map_or_copy(premap__file *file, size_t size) {
  if (file->backing_asked == PREMAP_BACKING_COPIED)
    return copy(file, size, PREMAP__REASON_ASKED);
  if (file->backing_asked == PREMAP_BACKING_MAPPED)
    return map(file, size, PREMAP__REASON_ASKED);
  if (file->mode == PREMAP_READ_WRITE)
    return map(file, size, PREMAP__REASON_WRITABLE);
  if (file->prefault != PREMAP_PREFAULT_POPULATE)
    return map(file, size, PREMAP__REASON_LAZY);
  if (file->advice != PREMAP_ADVICE_NORMAL)
    return map(file, size, PREMAP__REASON_ADVISED);
  if (size > PREMAP_COPY_LIMIT)
    return map(file, size, PREMAP__REASON_LARGE);
  premap__status status = copy(file, size, PREMAP__REASON_SMALL);
  if (file->reason != PREMAP__REASON_BUDGET)
    return status;
  /* Nothing was read or allocated yet, and the file's own pages can be given up again where a copy could not. */
  file->strategy = PREMAP__STRATEGY_NONE;
  return map(file, size, PREMAP__REASON_BUDGET);
}

/* A mapping asked of a file that reports no size: well if it is empty, but data that only reading shows cannot be mapped. */
static premap__status refuse_unsized(premap__file *file) {
  unsigned char byte;
  size_t got = 0;
  file->step = PREMAP_STEP_MAP;
  premap__status status = premap__os_read(file->descriptor, &byte, 1, 0, &got);
  return status.code == 0 && got > 0 ? failure(PREMAP_ENODEV) : status;
}

static premap__status bring_in(premap__file *file) {
  if (file->offset > INT64_MAX) { /* no file goes so far, whatever it says of its size */
    file->step = PREMAP_STEP_SIZE;
    return failure(PREMAP_ERANGE);
  }
  bool may_copy = file->mode != PREMAP_READ_WRITE && file->backing_asked != PREMAP_BACKING_MAPPED;
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
  if (file->region.size == 0)
    return well;
  if (file->advice != PREMAP_ADVICE_NORMAL && file->backing == PREMAP_BACKING_MAPPED) {
    file->step = PREMAP_STEP_POPULATE;
    premap__status status = premap__advise(file, 0, file->region.size, (premap_advice)file->advice);
    if (status.code != 0)
      return status;
  }
  file->step = PREMAP_STEP_LOCK;
  if ((file->flags & PREMAP_LOCK) == 0)
    return well;
  premap__status status = premap__region_lock_all(file);
  if (status.code == 0)
    premap__budget_give_back(file, UINT64_MAX); /* the system counts locked pages as used */
  return status;
}

/* Is the descriptor of use once the file is READY? */
static bool keeps_open(const premap__file *file) {
  bool may_be_flushed = file->mode == PREMAP_READ_WRITE && file->region.size > 0;
  return (file->flags & PREMAP_KEEP_OPEN) != 0 || (may_be_flushed && premap__os_flush_needs_file());
}

bool premap__worker_claim(premap__file *file) {
  if (!premap__registry_move(file, PREMAP__PENDING, PREMAP__LOADING))
    return false;
  atomic_store_explicit(&file->claimed_ns, premap__now_ns(), memory_order_relaxed);
  return true;
}

void premap__worker_load(premap__file *file) {
  premap__status status = open_and_identify(file);
  if (status.code == 0)
    status = bring_in(file);
  if (status.code == 0)
    status = prepare_use(file);

  /* All that the load needed goes before anybody hears of its end: who waits for the last of many files then finds no
   * descriptor open. */
  premap__file_close_directory(file);
  if (status.code != 0 || !keeps_open(file))
    premap__file_close_descriptor(file);
  file->code = status.code;
  file->os_error = status.os_error;
  if (status.code == 0) {
    file->step = PREMAP_STEP_NONE;
    file->error_offset = 0;
  } else {
    premap__worker_drop_region(file);
  }
  premap__loader_forget(file);
  if (premap__publish(file, PREMAP__LOADING, status.code == 0 ? PREMAP__READY : PREMAP__FAILED))
    return;
  /* Cancelled meanwhile: nobody may see the region, so it need not wait for the last close. */
  premap__worker_drop_region(file);
  premap__file_close_descriptor(file);
}

void premap__worker_drop_region(premap__file *file) {
  if (file->base != NULL && file->backing == PREMAP_BACKING_MAPPED) {
    premap__os_unmap(file->base, file->base_size);
    premap__budget_give_back_map();
    premap__budget_give_back(file, UINT64_MAX);
  } else if (file->base != NULL && file->heap) {
    premap__region_forget_lock(file);
    free(file->base);
  } else if (file->base != NULL) {
    premap__os_pages_free(file->base, file->base_size);
  }
  file->base = NULL;
  file->region = (premap_region){NULL, 0};
}

/* SPDX-License-Identifier: MIT
 *
 * prefault.c - brings the pages of a mapped file in, chunk by chunk.
 *
 * Between two chunks the worker looks whether the file is still wanted. A chunk therefore bounds how long a cancelled load
 * keeps its thread: it shrinks towards 10 ms of the rate measured, down to the smallest allowed, and grows back. Chunks end at
 * multiples of 2 MiB of the file where they can, since the page cache's large pages begin there.
 */
#include "internal.h"

enum { CHUNK_NS = 10 * 1000 * 1000 };
#define LARGE_PAGE ((uint64_t)2 << 20)

static size_t chunk_at(const premap__file *file, size_t position, uint64_t chunk_size) {
  size_t left = file->region.size - position;
  uint64_t place = file->offset + position;
  uint64_t end = place + chunk_size;
  if (chunk_size >= LARGE_PAGE)
    end -= end % LARGE_PAGE;
  return end - place < left ? (size_t)(end - place) : left;
}

/* The next chunk's size, after one of these bytes took that long. */
static uint64_t adapt(const premap__file *file, uint64_t chunk_size, size_t bytes, uint64_t took_ns) {
  if (took_ns > CHUNK_NS) {
    uint64_t fitting = bytes / (took_ns / CHUNK_NS + 1);
    return fitting < PREMAP_CHUNK_SIZE_MIN ? PREMAP_CHUNK_SIZE_MIN : fitting;
  }
  uint64_t grown = chunk_size * 2;
  return took_ns < CHUNK_NS / 4 && grown <= file->chunk_size ? grown : chunk_size;
}

/* The page at the offset cannot be had: because the file has become shorter, or because its device failed. */
static premap__status tell_cause(premap__file *file, uint64_t offset, premap__status status) {
  file->error_offset = offset;
  if (status.code != PREMAP_EFAULT)
    return status;
  premap__os_identity now;
  bool is_shorter = premap__os_identify(file->descriptor, &now).code == 0 && now.size <= offset;
  return (premap__status){is_shorter ? PREMAP_ECHANGED : PREMAP_EIO, status.os_error};
}

static uint64_t resident_bytes(const premap__file *file, size_t position, size_t size) {
  uint64_t resident = 0;
  void *address = (unsigned char *)file->region.data + position;
  premap__status status = premap__os_resident(file->descriptor, file->offset + position, size, address, &resident);
  return status.code == 0 ? resident : 0; /* unknown counts as none: the budget then decides */
}

/* Beyond the budget only what is in memory already may be made present, since it takes none. *exempt is how much of the file
 * was when the load began: what read-ahead brings in while it runs does take memory. */
static bool take_budget(premap__file *file, size_t position, size_t size, uint64_t *exempt) {
  if (premap__budget_hold(file, size))
    return true;
  if (*exempt < size || resident_bytes(file, position, size) < size)
    return false;
  *exempt -= size;
  premap__budget_hold_resident(file, size);
  return true;
}

static uint8_t strategy_of(premap__os_way way) {
  static const uint8_t strategies[] = {[PREMAP__WAY_POPULATE] = PREMAP__STRATEGY_POPULATE,
                                       [PREMAP__WAY_PREFETCH] = PREMAP__STRATEGY_PREFETCH,
                                       [PREMAP__WAY_KERNEL_COPY] = PREMAP__STRATEGY_KERNEL_COPY};
  return strategies[way];
}

/* The system does not let pages be made present, so that hints are all that is left. */
static premap__status settle_for_advice(premap__file *file, size_t position) {
  premap__budget_give_back(file, UINT64_MAX);
  premap__status status = premap__advise(file, position, file->region.size - position, PREMAP_ADVICE_WILL_NEED);
  file->strategy = PREMAP__STRATEGY_ADVISE;
  file->partial = 1;
  file->reason = PREMAP__REASON_NOT_PRESENT;
  return status;
}

static premap__status populate_chunk(premap__file *file, size_t position, size_t size) {
  size_t done = 0;
  premap__os_way way;
  premap__status status = premap__os_populate((unsigned char *)file->region.data + position, size, &done, &way);
  if (status.code == PREMAP_ENOSYS)
    return settle_for_advice(file, position);
  file->strategy = strategy_of(way);
  atomic_fetch_add_explicit(&file->done, done, memory_order_relaxed);
  premap__budget_give_back(file, size - done);
  return status.code != 0 ? tell_cause(file, file->offset + position + done, status) : status;
}

premap__status premap__advise(premap__file *file, size_t position, size_t size, premap_advice advice) {
  uint64_t offset = file->offset + position;
  void *address = (unsigned char *)file->region.data + position;
  premap__status status = premap__os_advise(file->descriptor, offset, address, size, advice);
  if (status.code == PREMAP_ENOSYS) {
    file->reason = PREMAP__REASON_NO_ADVICE;
    return (premap__status){0, 0};
  }
  if (status.code != 0)
    file->error_offset = offset;
  return status;
}

static premap__status advise_chunk(premap__file *file, size_t position, size_t size) {
  premap__status status = premap__advise(file, position, size, PREMAP_ADVICE_WILL_NEED);
  file->strategy = file->reason == PREMAP__REASON_NO_ADVICE ? PREMAP__STRATEGY_NONE : PREMAP__STRATEGY_ADVISE;
  if (status.code == 0)
    atomic_fetch_add_explicit(&file->done, size, memory_order_relaxed);
  return status;
}

premap__status premap__prefault(premap__file *file) {
  premap__status status = {0, 0};
  if (file->prefault == PREMAP_PREFAULT_NONE)
    return status;
  bool populate = file->prefault == PREMAP_PREFAULT_POPULATE;
  uint64_t exempt = populate && !premap__budget_allows(file, file->region.size) ? resident_bytes(file, 0, file->region.size)
                                                                                : 0;
  uint64_t chunk_size = file->chunk_size;
  size_t size;
  for (size_t position = 0; position < file->region.size && status.code == 0 && !file->partial; position += size) {
    if (!premap__worker_is_wanted(file))
      return (premap__status){PREMAP_ECANCELED, 0};
    if (position > 0 && file->pause_us > 0)
      premap__os_pause_us(file->pause_us);
    size = chunk_at(file, position, chunk_size);
    if (populate && !take_budget(file, position, size, &exempt)) {
      file->partial = 1;
      file->reason = PREMAP__REASON_BUDGET;
      break;
    }
    uint64_t begin = premap__now_ns();
    status = populate ? populate_chunk(file, position, size) : advise_chunk(file, position, size);
    chunk_size = adapt(file, chunk_size, size, premap__now_ns() - begin);
  }
  return status;
}

/* SPDX-License-Identifier: MIT
 *
 * deferred.c - files whose unmapping is left to the pool.
 *
 * Unmapping takes up to tens of milliseconds a GiB. A file that is closed by premap_close_async, or was cancelled when it was
 * put aside, waits here, pinned, for the next pool thread that is between two items; or for a load that lacks what the file
 * still has: memory, address space, a map or a descriptor.
 */
#include "schedule.h"

#include <utlist.h>

#define WORTHWHILE ((size_t)64 << 20) /* some milliseconds */

static premap__file *files;       /* linked by next; under the scheduler's lock */
static size_t in_work;            /* taken from there, and not unmapped yet; so too */
static _Atomic uint64_t unmapped; /* so far; changed under the lock, but looked at without */

bool premap__deferred_is_any_locked(void) {
  return files != NULL;
}

static premap__file *take(void) {
  premap__schedule_lock();
  premap__file *file = files;
  if (file != NULL) {
    LL_DELETE(files, file);
    in_work++;
  }
  premap__schedule_unlock();
  return file;
}

static void note_unmapped(void) {
  premap__schedule_lock();
  in_work--;
  atomic_fetch_add(&unmapped, 1);
  premap__schedule_changed();
  premap__schedule_unlock();
}

bool premap__deferred_unmap(void) {
  bool any = false;
  for (premap__file *file; (file = take()) != NULL; any = true) {
    if (premap__registry_state(file) == PREMAP__CANCELLED)
      premap__worker_drop_region(file); /* its handle may stay open for long */
    premap__registry_unpin(file);
    note_unmapped();
  }
  return any;
}

uint64_t premap__deferred_unmapped(void) {
  return atomic_load(&unmapped);
}

bool premap__deferred_give_back(const premap__file *lacking, premap__frees seen) {
  if (premap__deferred_unmap())
    return true;
  premap__schedule_lock();
  while (in_work > 0 && atomic_load(&unmapped) == seen.unmapped && premap__worker_is_wanted(lacking))
    (void)premap__schedule_wait(UINT64_MAX);
  premap__schedule_unlock();
  return atomic_load(&unmapped) != seen.unmapped;
}

/* It has ended, so the scheduler has no use for its links. A worker that was cancelled may still have it, and then unmaps it
 * itself. */
static bool defer(premap__file *file) {
  premap__schedule_lock();
  bool is_deferred = file->place == PREMAP__NOWHERE && premap__pool_start_locked() == 0;
  if (is_deferred) {
    LL_PREPEND(files, file);
    premap__schedule_feed_locked(); /* who lacks memory may unmap it itself */
    premap__pool_attract_locked();
  }
  premap__schedule_unlock();
  return is_deferred;
}

bool premap__deferred_take_over(premap__file *file) {
  if (file->base_size < WORTHWHILE || !premap__registry_pin_more(file))
    return false;
  bool is_deferred = defer(file);
  if (!is_deferred)
    premap__registry_unpin(file);
  return is_deferred;
}

/* The registry drops the pins of files that are open, so the region of such a one goes with its last reference. */
void premap__deferred_orphan_locked(void) {
  in_work = 0;
  premap__file *file, *next;
  LL_FOREACH_SAFE(files, file, next) {
    if (premap__registry_state(file) == PREMAP__CANCELLED)
      LL_DELETE(files, file);
  }
}

int premap_close_async(premap_file handle) {
  premap__file *last;
  int code = premap__file_release(handle, &last);
  if (last != NULL && (premap__registry_state(last) != PREMAP__READY || !defer(last)))
    premap__registry_unpin(last);
  return code;
}

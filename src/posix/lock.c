/* SPDX-License-Identifier: MIT
 *
 * lock.c - keeping pages in memory.
 */
#include <sys/mman.h>

#include "posix.h"

/* mlock may touch each page of a writable private map for writing, and so copy it: no portable call does without. */
premap__status premap__posix_lock_portable(void *address, size_t size) {
  return mlock(address, size) != 0 ? premap__os_error(errno) : premap__posix_well;
}

premap__status premap__os_unlock(void *address, size_t size) {
  return munlock(address, size) != 0 ? premap__os_error(errno) : premap__posix_well;
}

/* SPDX-License-Identifier: MIT
 *
 * populate_linux.c - making pages present by fault-around, and else by MADV_POPULATE_READ, since Linux 5.14.
 */
#define _GNU_SOURCE 1
#include <stdatomic.h>
#include <sys/mman.h>

#include "posix.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define AROUND_MIN ((size_t)256 << 10)
#define TRIES 64 /* EAGAIN is short of something; that passes or is an error */

static int populate(char *start, size_t size) {
  int tries = 0;
  for (;;) {
    if (madvise(start, size, MADV_POPULATE_READ) == 0)
      return 0;
    if (errno != EINTR && (errno != EAGAIN || ++tries == TRIES))
      return errno;
  }
}

/* Emulators of Linux (qemu's user mode) take whatever advice, and do nothing for what they do not know. Of a length of 0 the
 * kernel only says whether it knows the advice. */
static bool is_emulated(char *start) {
  const int no_advice = 0x7fffffff;
  return madvise(start, 0, no_advice) == 0;
}

static bool page_cannot_be_had(int os_error) {
  return os_error == EFAULT || os_error == EHWPOISON;
}

premap__status premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way) {
  /* Relaxed: who misses the news finds out itself. */
  enum { UNKNOWN, TRUSTED, MISSING };
  static atomic_int call;
  premap__posix_range pages = premap__posix_pages_over(address, size);
  if (atomic_load_explicit(&call, memory_order_relaxed) == UNKNOWN)
    atomic_store_explicit(&call, is_emulated(pages.start) ? MISSING : TRUSTED, memory_order_relaxed);
  if (atomic_load_explicit(&call, memory_order_relaxed) == MISSING)
    return premap__posix_populate_portable(address, size, done, way);

  bool may_fault = size >= AROUND_MIN && *way != PREMAP__WAY_POPULATE;
  if (may_fault && premap__posix_fault_around(pages.start, pages.size, way)) {
    *done = size;
    return premap__posix_well;
  }
  size_t page = premap__os_page_size();
  int os_error = 0;
  size_t at = 0;
  for (size_t step = pages.size; at < pages.size;) {
    if (step > pages.size - at)
      step = pages.size - at;
    os_error = populate(pages.start + at, step);
    if (os_error == 0) {
      at += step;
    } else if (page_cannot_be_had(os_error) && step > page) {
      step = step / page / 2 * page; /* the call does not say which page: close in on it */
    } else {
      break;
    }
  }
  /* Of a length of 0 the kernel only says whether it knows the call. When it does, this file's mapping is of a kind without
   * pages. */
  if (os_error == EINVAL && madvise(pages.start, 0, MADV_POPULATE_READ) == 0)
    os_error = ENODEV;
  if (os_error == EINVAL) {
    atomic_store_explicit(&call, MISSING, memory_order_relaxed);
    return premap__posix_populate_portable(address, size, done, way);
  }
  *done = premap__posix_populated(address, size, pages.start + at);
  *way = PREMAP__WAY_POPULATE;
  if (os_error == 0)
    return premap__posix_well;
  return os_error == EHWPOISON ? (premap__status){PREMAP_EIO, EHWPOISON} : premap__os_error(os_error);
}

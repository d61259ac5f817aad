/* SPDX-License-Identifier: MIT
 *
 * around_linux.c - making pages present by the kernel's fault-around.
 *
 * A fault on one page maps all that are in the cache in the 64 KiB around it in one go, or all of a large page, where
 * MADV_POPULATE_READ takes page by page. It promises nothing: pages that are being read or written are left out. So what is
 * missing is asked for (PAGEMAP_SCAN, since Linux 6.7) and populated. The faults are the kernel's own, of populating a page
 * here and there, many in one call (process_madvise on oneself by PIDFD_SELF, since Linux 6.15), or else of copying a byte of
 * it: where they cannot be served the call fails, and no signal is raised.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#ifndef SYS_process_madvise
#define SYS_process_madvise 440 /* on all that this has been built for */
#endif
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000)
#endif

/* Of <linux/fs.h>, which older systems have without it. */
typedef struct page_range {
  uint64_t start, end, categories;
} page_range;
typedef struct scan {
  uint64_t size, flags, start, end, walk_end, ranges, ranges_count, pages_max;
  uint64_t inverted, mask, any_of, returned;
} scan;
#define SCAN _IOWR('f', 16, scan)
#define PRESENT ((uint64_t)1 << 3)

#define AROUND ((size_t)64 << 10)
#define LARGE_PAGE ((size_t)2 << 20)
enum { RANGES = 64, BATCH = 64 };

typedef struct missing {
  page_range ranges[RANGES];
  size_t count;
  char *end; /* up to which it was looked */
} missing;

static atomic_bool cannot_tell; /* relaxed: who misses the news finds out itself */

/* False: the system does not tell. */
static bool find_missing(int pagemap, char *start, size_t size, missing *found) {
  *found = (missing){.count = 0};
  scan asked = {.size = sizeof asked,
                .start = (uintptr_t)start,
                .end = (uintptr_t)start + size,
                .ranges = (uintptr_t)found->ranges,
                .ranges_count = RANGES,
                .inverted = PRESENT,
                .mask = PRESENT,
                .returned = PRESENT};
  int count = ioctl(pagemap, SCAN, &asked);
  if (count < 0) {
    atomic_store_explicit(&cannot_tell, errno == ENOTTY || errno == EINVAL || errno == EPERM, memory_order_relaxed);
    return false;
  }
  found->count = (size_t)count;
  found->end = start + (asked.walk_end - asked.start);
  return true;
}

static bool is_all_there(int pagemap, char *start, size_t size) {
  missing left;
  return find_missing(pagemap, start, size, &left) && left.count == 0;
}

/* Is all there after one fault in each 2 MiB? Mostly the end of the first of them tells. */
static bool has_large_pages(int pagemap, char *start, size_t size) {
  if (size < LARGE_PAGE)
    return false;
  size_t page = premap__os_page_size();
  for (size_t at = 0; at < size; at += LARGE_PAGE) {
    (void)madvise(start + at, page, MADV_POPULATE_READ);
    if (at == 0 && !is_all_there(pagemap, start + LARGE_PAGE - page, page))
      return false;
  }
  return is_all_there(pagemap, start, size);
}

static bool page_cannot_be_had(void) {
  return errno == EFAULT || errno == EHWPOISON;
}

/* A fault on each of these pages. False: the system does not let us. */
static bool fault(struct iovec *pages, size_t count) {
  static atomic_bool lacks_call; /* relaxed: as above */
  if (!atomic_load_explicit(&lacks_call, memory_order_relaxed)) {
    long advised = syscall(SYS_process_madvise, (long)PIDFD_SELF_THREAD, pages, count, (long)MADV_POPULATE_READ, 0UL);
    if (advised >= 0 || page_cannot_be_had())
      return true;
    if (errno == ENOSYS || errno == EPERM || errno == EACCES || errno == EBADF || errno == EINVAL)
      atomic_store_explicit(&lacks_call, true, memory_order_relaxed);
  }
  for (size_t i = 0; i < count; i++)
    pages[i].iov_len = 1;
  return premap__posix_access(pages, count) >= 0 || page_cannot_be_had();
}

/* One page in each 64 KiB. What that does not bring in is found out later. False: the system does not let us. */
static bool fault_in(char *start, size_t size) {
  struct iovec pages[BATCH];
  size_t count = 0;
  for (size_t at = 0; at < size; at += AROUND - ((uintptr_t)start + at) % AROUND) {
    pages[count++] = (struct iovec){start + at, premap__os_page_size()};
    if (count < BATCH && size - at > AROUND)
      continue;
    if (!fault(pages, count))
      return false;
    count = 0;
  }
  return true;
}

static bool populate_missing(int pagemap, char *start, size_t size) {
  missing left;
  for (char *end = start + size; start < end; start = left.end) {
    if (!find_missing(pagemap, start, (size_t)(end - start), &left))
      return false;
    for (size_t i = 0; i < left.count; i++) {
      char *first = (char *)(uintptr_t)left.ranges[i].start;
      if (madvise(first, (size_t)(left.ranges[i].end - left.ranges[i].start), MADV_POPULATE_READ) != 0)
        return false;
    }
  }
  return true;
}

bool premap__posix_fault_around(char *start, size_t size, premap__os_way *way) {
  int pagemap = atomic_load_explicit(&cannot_tell, memory_order_relaxed) ? -1
                                                                         : open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0)
    return false;
  bool is_large = *way == PREMAP__WAY_UNKNOWN && has_large_pages(pagemap, start, size);
  bool is_present = is_large || (fault_in(start, size) && populate_missing(pagemap, start, size));
  (void)close(pagemap);
  *way = is_present && !is_large ? PREMAP__WAY_FAULT_AROUND : PREMAP__WAY_POPULATE;
  return is_present;
}

/* SPDX-License-Identifier: MIT
 *
 * residency_linux.c - what of a file is in the page cache, by cachestat, since Linux 6.5.
 */
#define _GNU_SOURCE 1
#include <sys/syscall.h>
#include <unistd.h>

#include "posix.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct range {
  uint64_t offset;
  uint64_t size;
};

struct counts {
  uint64_t cached; /* pages */
  uint64_t dirty;
  uint64_t written_back;
  uint64_t evicted;
  uint64_t evicted_recently;
};

bool premap__posix_count_cached(premap__os_file file, uint64_t offset, size_t size, uint64_t *pages) {
  struct range range = {offset, size};
  struct counts counts = {0, 0, 0, 0, 0};
  bool is_told = syscall(SYS_cachestat, (int)file, &range, &counts, 0) == 0;
  *pages = counts.cached;
  return is_told;
}

premap__status premap__os_resident(premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes) {
  (void)mapped;
  uint64_t pages;
  if (premap__posix_count_cached(file, offset, size, &pages)) {
    uint64_t cached = pages * premap__os_page_size();
    *bytes = cached < size ? cached : size;
    return premap__posix_well;
  }
  /* An older kernel, hugetlbfs, or a sandbox: mincore may know. If the file is not ours to ask about, it says so too. */
  if (errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM) {
    return premap__posix_resident_portable(file, offset, size, bytes);
  }
  return premap__os_error(errno);
}

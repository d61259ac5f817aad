/* SPDX-License-Identifier: MIT
 *
 * residency.c - what of a file is in the page cache, by mincore.
 */
#include <sys/mman.h>

#include "posix.h"

#define WINDOW_PAGES 4096 /* mapped and asked about at a time */

/* Pages in memory of a page-aligned part of the file. Mapped anew: a private map may have pages that are not the file's. */
static premap__status count_pages(int file, uint64_t offset, size_t size, size_t *count) {
  *count = 0;
  void *window = mmap(NULL, size, PROT_READ, MAP_SHARED, file, (off_t)offset);
  if (window == MAP_FAILED) {
    return errno == EINVAL || errno == ENODEV ? (premap__status){PREMAP_ENOSYS, errno} : premap__os_error(errno);
  }

  unsigned char pages[WINDOW_PAGES];
  void *vector = pages; /* of char on some systems */
  int result;
  do {
    result = mincore(window, size, vector);
  } while (result != 0 && (errno == EAGAIN || errno == EINTR));
  premap__status status = result != 0 ? premap__os_error(errno) : premap__posix_well;

  size_t page = premap__os_page_size();
  for (size_t i = 0; status.code == 0 && i < (size + page - 1) / page; i++) {
    *count += pages[i] & 1U;
  }
  munmap(window, size);
  return status;
}

/* Kernels tell only owners and those who may write; to others they say that all is in memory. Who may be told is a matter of
 * ids, modes, capabilities and namespaces, so better ask about a page that cannot be in memory: one beyond the end. Not the
 * very first there: of hugetlbfs mincore knows only what this map has touched, and that file system refuses to map at a place
 * so little aligned. */
static premap__status check_truth(int file, size_t page) {
  premap__os_identity identity;
  premap__status status = premap__os_identify(file, &identity);
  if (status.code != 0)
    return status;
  size_t count = 0;
  uint64_t beyond = (identity.size + page - 1) / page * page + page;
  status = count_pages(file, beyond, page, &count);
  if (status.code == 0 && count != 0)
    status = (premap__status){PREMAP_EPERM, 0};
  return status;
}

premap__status premap__posix_resident_portable(premap__os_file file, uint64_t offset, size_t size, uint64_t *bytes) {
  size_t page = premap__os_page_size();
  premap__status status = check_truth((int)file, page);
  uint64_t end = offset + size;
  uint64_t pages = 0;
  for (uint64_t at = offset / page * page; at < end && status.code == 0;) {
    size_t part = end - at < WINDOW_PAGES * page ? (size_t)(end - at) : WINDOW_PAGES * page;
    size_t count = 0;
    status = count_pages((int)file, at, part, &count);
    pages += count;
    at += part;
  }
  if (status.code == 0)
    *bytes = pages * page < size ? pages * page : size;
  return status;
}

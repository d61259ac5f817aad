/* SPDX-License-Identifier: MIT
 *
 * advise_rdadvise.c - "will need" by place in the file, as on macOS, where the hint by address starts no reading.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "posix.h"

#define COUNT_MAX ((size_t)1 << 30) /* the count is an int */

premap__status premap__posix_advise_will_need(premap__os_file file, uint64_t offset, void *address, size_t size) {
  if (file == PREMAP__NO_FILE) {
    premap__posix_range pages = premap__posix_pages_over(address, size);
    int os_error = posix_madvise(pages.start, pages.size, POSIX_MADV_WILLNEED);
    return os_error != 0 ? premap__os_error(os_error) : premap__posix_well;
  }
  while (size > 0) {
    size_t part = size < COUNT_MAX ? size : COUNT_MAX;
    struct radvisory place = {.ra_offset = (off_t)offset, .ra_count = (int)part};
    if (fcntl((int)file, F_RDADVISE, &place) != 0) {
      if (errno != EINTR)
        return premap__os_error(errno);
      continue;
    }
    offset += part;
    size -= part;
  }
  return premap__posix_well;
}

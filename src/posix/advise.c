/* SPDX-License-Identifier: MIT
 *
 * advise.c - "will need" by address.
 */
#include <sys/mman.h>

#include "posix.h"

premap__status premap__posix_advise_will_need(premap__os_file file, uint64_t offset, void *address, size_t size) {
  (void)file;
  (void)offset;
  premap__posix_range pages = premap__posix_pages_over(address, size);
  int os_error = posix_madvise(pages.start, pages.size, POSIX_MADV_WILLNEED);
  return os_error != 0 ? premap__os_error(os_error) : premap__posix_well;
}

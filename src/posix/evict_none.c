/* SPDX-License-Identifier: MIT
 *
 * evict_none.c - for systems without posix_fadvise: nobody but they decide what stays in their page cache.
 */
#include "posix.h"

premap__status premap__posix_evict(premap__os_file file, uint64_t offset, size_t size) {
  (void)file;
  (void)offset;
  (void)size;
  return premap__posix_well;
}

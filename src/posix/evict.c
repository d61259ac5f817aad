/* SPDX-License-Identifier: MIT
 *
 * evict.c - dropping a file's range from the page cache.
 */
#include <fcntl.h>
#include <unistd.h>

#include "posix.h"

premap__status premap__posix_evict(premap__os_file file, uint64_t offset, size_t size) {
  /* Only clean pages can be dropped. That a file cannot be written out (no storage behind it, or read-only) is no reason to
   * stop. */
  while (fdatasync((int)file) != 0) {
    if (errno == EINTR)
      continue;
    if (errno == EINVAL || errno == EROFS || errno == EBADF)
      break;
    return premap__os_error(errno);
  }
  int os_error = posix_fadvise((int)file, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
  return os_error != 0 ? premap__os_error(os_error) : premap__posix_well;
}

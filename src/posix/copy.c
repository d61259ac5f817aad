/* SPDX-License-Identifier: MIT
 *
 * copy.c - copying memory that may not be there.
 */
#include "posix.h"

#define PART ((size_t)64 << 10) /* what a pipe usually holds */

premap__status premap__posix_copy_out_portable(void *buffer, const void *address, size_t size) {
  int ends[2];
  premap__status status = premap__posix_pipe_open(ends);
  if (status.code != 0)
    return status;

  for (size_t copied = 0; copied < size;) {
    size_t left = size - copied;
    struct iovec piece = {.iov_base = (char *)address + copied, .iov_len = left < PART ? left : PART};
    ssize_t passed = premap__posix_pipe_pass(ends, &piece, 1, (char *)buffer + copied);
    if (passed < 0) {
      status = premap__os_error(errno);
      break;
    }
    copied += (size_t)passed;
  }
  premap__posix_pipe_close(ends);
  return status;
}

/* SPDX-License-Identifier: MIT
 *
 * pipe.c - a pipe to oneself, through which the kernel reads our memory.
 */
#include <fcntl.h>
#include <unistd.h>

#include "posix.h"

static bool set_up(int end) {
  return fcntl(end, F_SETFD, FD_CLOEXEC) == 0 && fcntl(end, F_SETFL, O_NONBLOCK) == 0;
}

premap__status premap__posix_pipe_open(int ends[2]) {
  if (pipe(ends) != 0)
    return premap__os_error(errno);
  if (set_up(ends[0]) && set_up(ends[1]))
    return premap__posix_well;
  premap__status status = premap__os_error(errno);
  premap__posix_pipe_close(ends);
  return status;
}

void premap__posix_pipe_close(const int ends[2]) {
  premap__os_close(ends[0]);
  premap__os_close(ends[1]);
}

ssize_t premap__posix_pipe_pass(const int ends[2], const struct iovec *pieces, int count, void *sink) {
  ssize_t passed;
  do {
    passed = writev(ends[1], pieces, count);
  } while (passed < 0 && errno == EINTR);

  for (ssize_t taken = 0; taken < passed;) {
    ssize_t result = read(ends[0], (char *)sink + taken, (size_t)(passed - taken));
    if (result < 0 && errno == EINTR)
      continue;
    if (result <= 0)
      return -1;
    taken += result;
  }
  return passed;
}

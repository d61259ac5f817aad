/* SPDX-License-Identifier: MIT
 *
 * populate.c - making pages present by letting the kernel copy a byte of each.
 */
#include <unistd.h>

#include "posix.h"

#define BATCH 1024 /* every pipe holds so many bytes */

size_t premap__posix_populated(const void *address, size_t size, const char *end) {
  if (end <= (const char *)address)
    return 0;
  size_t done = (size_t)(end - (const char *)address);
  return done < size ? done : size;
}

/* Passes one byte of each of the next pages, at most count. Returns the pages passed, or -1 and errno. */
static ssize_t pass_pages(const int ends[2], char *next, size_t count) {
  size_t page = premap__os_page_size();
  struct iovec pieces[BATCH];
  char sink[BATCH];
  for (size_t i = 0; i < count; i++) {
    pieces[i] = (struct iovec){.iov_base = next + i * page, .iov_len = 1};
  }
  return premap__posix_pipe_pass(ends, pieces, (int)count, sink);
}

premap__status premap__posix_populate_portable(void *address, size_t size, size_t *done, premap__os_way *way) {
  *done = 0;
  *way = PREMAP__WAY_KERNEL_COPY;
  int ends[2];
  premap__status status = premap__posix_pipe_open(ends);
  if (status.code != 0)
    return status;

  size_t page = premap__os_page_size();
  premap__posix_range pages = premap__posix_pages_over(address, size);
  char *next = pages.start;
  long pieces_max = sysconf(_SC_IOV_MAX);
  size_t batch = pieces_max > 0 && pieces_max < BATCH ? (size_t)pieces_max : BATCH;
  for (size_t left = pages.size / page; left > 0;) {
    if (batch > left)
      batch = left;
    ssize_t passed = pass_pages(ends, next, batch);
    if (passed >= 0) {
      next += (size_t)passed * page;
      left -= (size_t)passed;
    } else if (errno == EFAULT && batch > 1) {
      batch /= 2; /* one of these pages: a system may report it before it takes those in front of it */
    } else {
      status = premap__os_error(errno);
      break;
    }
  }
  *done = premap__posix_populated(address, size, next);
  premap__posix_pipe_close(ends);
  return status;
}

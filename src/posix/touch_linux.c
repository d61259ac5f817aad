/* SPDX-License-Identifier: MIT
 *
 * touch_linux.c - the processor's first access to pages, on virtual machines that give memory back to their host.
 */
#define _GNU_SOURCE 1
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "posix.h"

#define PIECE ((size_t)2 << 20)
#define SAMPLE_STEP ((size_t)64 << 10)
enum { ORDERS = 32, STALL_NS = 300 /* a page that does not takes 100 to 200, one that does 1,000 to 20,000 */ };

/* Free memory that was reported to the host is the host's: what a device then reads into it is in the host's memory, but the
 * processor's way there is made only by its first access, which takes 1 to 20 us. */
bool premap__os_needs_touch(void) {
  enum { UNKNOWN, NO, YES };
  static atomic_int known; /* relaxed: who misses the news asks again */
  int answer = atomic_load_explicit(&known, memory_order_relaxed);
  if (answer == UNKNOWN) {
    char text[32];
    bool reports = premap__posix_read_text("/sys/module/page_reporting/parameters/page_reporting_order", text, sizeof text) &&
                   strtoul(text, NULL, 10) < ORDERS; /* a huge number: nobody asked for reports */
    answer = reports ? YES : NO;
    atomic_store_explicit(&known, answer, memory_order_relaxed);
  }
  return answer == YES;
}

/* The bytes are written, as the process's own, to where nobody reads them: that way round the call looks up one page of ours
 * where the other (process_vm_readv) looks up each, which takes more than twice the time. By its number, since ThreadSanitizer
 * would take the copy for a use of the bytes. */
ssize_t premap__posix_access(const struct iovec *bytes, size_t count) {
  char sink[PREMAP__POSIX_ACCESS_MAX];
  struct iovec to = {sink, count};
  /* Of a function with any number of arguments those on the stack have to be as wide as the kernel reads them. */
  return (ssize_t)syscall(SYS_process_vm_writev, (long)getpid(), bytes, count, &to, 1UL, 0UL);
}

/* Accesses one page in each step, from the first on. Returns 0 or errno, with *done what was accessed. */
static int access_pages(premap__posix_range pages, size_t step, size_t *done) {
  struct iovec bytes[PREMAP__POSIX_ACCESS_MAX];
  *done = 0;
  while (*done < pages.size) {
    size_t count = 0;
    for (; count < PREMAP__POSIX_ACCESS_MAX && *done + count * step < pages.size; count++)
      bytes[count] = (struct iovec){pages.start + *done + count * step, 1};
    ssize_t got = premap__posix_access(bytes, count);
    if (got <= 0)
      return got < 0 ? errno : EFAULT;
    *done += (size_t)got * step;
  }
  return 0;
}

static uint64_t now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now); /* every Linux has it */
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Memory is given back in pieces of 2 MiB or more. A page of each 64 KiB is accessed, which may bring the whole piece back;
 * those half-way between then tell whether the rest still stalls. */
static int touch_piece(premap__posix_range piece, size_t *done) {
  const size_t first = SAMPLE_STEP / 2, page = premap__os_page_size();
  if (piece.size > first) {
    int os_error = access_pages(piece, SAMPLE_STEP, done);
    if (os_error != 0)
      return os_error;
    premap__posix_range sampled = {piece.start + first, piece.size - first};
    uint64_t begin_ns = now_ns();
    os_error = access_pages(sampled, SAMPLE_STEP, done);
    uint64_t took_ns = now_ns() - begin_ns;
    *done = os_error == 0 ? piece.size : first + *done;
    if (os_error != 0 || took_ns <= (sampled.size / SAMPLE_STEP + 1) * STALL_NS)
      return os_error;
  }
  return access_pages(piece, page, done);
}

premap__status premap__os_touch(void *address, size_t size, size_t *done) {
  premap__posix_range pages = premap__posix_pages_over(address, size);
  size_t at = 0;
  int os_error = 0;
  while (at < pages.size && os_error == 0) {
    size_t size_left = pages.size - at, got;
    os_error = touch_piece((premap__posix_range){pages.start + at, size_left < PIECE ? size_left : PIECE}, &got);
    at += got;
  }
  *done = premap__posix_populated(address, size, pages.start + at);
  return os_error == 0 ? premap__posix_well : premap__os_error(os_error);
}

/* SPDX-License-Identifier: MIT
 *
 * pages_linux.c - large pages for private memory.
 */
#define _GNU_SOURCE 1
#include <sys/mman.h>

#include "posix.h"

void premap__posix_want_large_pages(void *pages, size_t size) {
  (void)madvise(pages, size, MADV_HUGEPAGE); /* a kernel without them refuses, and small ones do */
}

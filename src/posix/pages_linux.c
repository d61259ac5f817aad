/* SPDX-License-Identifier: MIT
 *
 * pages_linux.c - large pages for private memory, and leaving pages before they are unmapped.
 */
#define _GNU_SOURCE 1
#include <sys/mman.h>

#include "posix.h"

void premap__posix_want_large_pages(void *pages, size_t size) {
  (void)madvise(pages, size, MADV_HUGEPAGE); /* a kernel without them refuses, and small ones do */
}

/* munmap holds the map lock for reading while it takes pages out, which keeps those who would write to it: other unmappings and
 * mappings, and behind these all who read. This holds a lock of the map alone, or before Linux 6.16 that one for reading, and
 * all together takes no longer. */
void premap__posix_leave_pages(void *base, size_t size) {
  (void)madvise(base, size, MADV_DONTNEED); /* refused for locked pages: then munmap does it */
}

/* SPDX-License-Identifier: MIT
 *
 * cache.h - what of a file is in Linux's page cache, and out of it with the rest.
 */
#ifndef BENCH_CACHE_H
#define BENCH_CACHE_H

#include <stdint.h>

/* Writes the file out and drops its pages from the cache. Those that a process has mapped stay: ask for what is resident after.
 * 0 or a negative errno. */
int bench_evict(const char *path);

/* Bytes of the file in the cache, in whole pages but not more than its size; by cachestat, else mincore. Or a negative errno.
 */
int64_t bench_resident(const char *path);

/* Size in KiB of the large page (folio) that the median byte in the cache is part of, of the file's first 64 MiB. NAN where the
 * kernel does not tell: only root may know. */
double bench_folio_kib(const char *path);

/* Reads the file in pieces of 1 MiB, front to back: leaves it in the cache as read-ahead brings it in. */
int bench_read_in(const char *path);

/* Uses so much free memory for a moment. A virtual machine that gives free memory back to its host gets it slowly at the next
 * use, which would decide between contestants by who comes first. 0 or a negative errno. */
int bench_use_free_memory(uint64_t bytes);

/* Evicts, and verifies that less than a hundredth is left: 0, BENCH_VOID, or a negative errno. */
int bench_evict_verified(const char *path, uint64_t size);

#endif

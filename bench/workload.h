/* SPDX-License-Identifier: MIT
 *
 * workload.h - the files that the contestants load: made under a directory, or found in a real tree.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From this size on, files are large: reading them cold takes as long as the device, and pages come in large pieces. */
#define BENCH_LARGE ((uint64_t)16 << 20)

typedef struct bench_file {
  char *path;
  uint64_t size;
  uint64_t sum; /* of its bytes, see checksum.h */
} bench_file;

typedef struct bench_workload {
  bench_file *files;
  size_t count;
  uint64_t bytes;
  uint64_t largest; /* bytes of the largest file */
  char *list;       /* a file with the paths, each ended by NUL, for commands */
  char *directory;  /* where they were made; null for a tree */
  size_t left_out;  /* of a tree, see bench_workload_find */
} bench_workload;

/* Makes count files of size bytes in a new directory beneath the given one. 0 or a negative errno. Both kinds are ended by
 * bench_workload_end, also after an error. */
int bench_workload_make(bench_workload *workload, const char *beneath, size_t count, uint64_t size);

/* Takes the regular files of the trees, without empty ones and without those that cannot be evicted because a process has them
 * mapped (left_out): no cold round could have these. */
int bench_workload_find(bench_workload *workload, const char *beneath, const char *const *trees, size_t tree_count);

/* Deletes what was made, and frees the rest. */
void bench_workload_end(bench_workload *workload);

/* ---- The state of the page cache. 0, BENCH_VOID (it could not be had), or a negative errno. */

/* Less than a hundredth in the cache. */
int bench_workload_make_cold(const bench_workload *workload);
/* All in the cache: what is missing is read front to back. */
int bench_workload_make_warm(const bench_workload *workload);
/* Evicts and writes all in pieces of the given size, up to 4 MiB: Linux then has it in the cache in large pages (folios) of
 * that size, up to 2 MiB. For made workloads only. */
int bench_workload_rewrite(const bench_workload *workload, size_t piece);

#endif

/* SPDX-License-Identifier: MIT
 *
 * contestant_madvise.c - mmap, then MADV_POPULATE_READ in chunks of 4 MiB, also with the advice to use huge pages.
 */
#include <errno.h>
#include <sys/mman.h>

#include "contestants.h"

enum { CHUNK = 4 << 20 };

static int populate(char *data, size_t size) {
  for (size_t at = 0; at < size; at += CHUNK) {
    size_t chunk = size - at < CHUNK ? size - at : CHUNK;
    if (madvise(data + at, chunk, MADV_POPULATE_READ) != 0)
      return -errno;
  }
  return 0;
}

static int load(bench_worker *worker, bench_part part, bool huge) {
  void *data;
  int error = bench_map(worker->job->workload, part, 0, &data);
  if (error != 0)
    return error;
  if (huge && madvise(data, part.size, MADV_HUGEPAGE) != 0)
    error = -errno;
  if (error == 0)
    error = populate(data, part.size);
  if (error == 0)
    bench_visit_mapped(worker->job, part, data);
  else
    munmap(data, part.size);
  return error;
}

static int load_plain(bench_worker *worker, bench_part part) {
  return load(worker, part, false);
}

static int load_huge(bench_worker *worker, bench_part part) {
  return load(worker, part, true);
}

static int load_on_one(const bench_job *job) {
  return bench_share_out(job, 1, load_plain);
}

static int load_on_two(const bench_job *job) {
  return bench_share_out(job, 2, load_plain);
}

static int load_huge_on_one(const bench_job *job) {
  return bench_share_out(job, 1, load_huge);
}

const bench_contestant bench_family_madvise[] = {
    {.name = "madvise-1", .what = "MADV_POPULATE_READ, 4 MiB chunks; one thread", .load = load_on_one},
    {.name = "madvise-2", .what = "MADV_POPULATE_READ, 4 MiB chunks; two threads", .load = load_on_two},
    {.name = "madvise-huge-1", .what = "MADV_HUGEPAGE, then as madvise-1", .load = load_huge_on_one},
    {.name = NULL}};

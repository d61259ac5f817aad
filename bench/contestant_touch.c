/* SPDX-License-Identifier: MIT
 *
 * contestant_touch.c - mmap, then one byte of each page, or of each 64 KiB, which is what Linux maps around a fault.
 */
#include "contestants.h"

enum { PAGE = 4 << 10, FAULT_AROUND = 64 << 10 };

static int load(bench_worker *worker, bench_part part, size_t step) {
  void *data;
  int error = bench_map(worker->job->workload, part, 0, &data);
  if (error != 0)
    return error;
  bench_touch(data, part.size, step);
  bench_visit_mapped(worker->job, part, data);
  return 0;
}

static int touch_pages(bench_worker *worker, bench_part part) {
  return load(worker, part, PAGE);
}

static int touch_around(bench_worker *worker, bench_part part) {
  return load(worker, part, FAULT_AROUND);
}

static int load_pages(const bench_job *job) {
  return bench_share_out(job, 1, touch_pages);
}

static int load_around_on_one(const bench_job *job) {
  return bench_share_out(job, 1, touch_around);
}

static int load_around_on_two(const bench_job *job) {
  return bench_share_out(job, 2, touch_around);
}

const bench_contestant bench_family_touch[] = {
    {.name = "touch", .what = "mmap, one byte of each page; one thread", .load = load_pages},
    {.name = "touch64k-1", .what = "mmap, one byte of each 64 KiB; one thread", .load = load_around_on_one},
    {.name = "touch64k-2", .what = "mmap, one byte of each 64 KiB; two threads", .load = load_around_on_two},
    {.name = NULL}};

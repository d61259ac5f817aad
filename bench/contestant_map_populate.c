/* SPDX-License-Identifier: MIT
 *
 * contestant_map_populate.c - mmap with MAP_POPULATE, which brings the whole map in before it returns.
 */
#include <sys/mman.h>

#include "contestants.h"

static int load(bench_worker *worker, bench_part part) {
  void *data;
  int error = bench_map(worker->job->workload, part, MAP_POPULATE, &data);
  if (error == 0)
    bench_visit_mapped(worker->job, part, data);
  return error;
}

static int load_on_one(const bench_job *job) {
  return bench_share_out(job, 1, load);
}

static int load_on_two(const bench_job *job) {
  return bench_share_out(job, 2, load);
}

const bench_contestant bench_family_map_populate[] = {
    {.name = "map-populate-1", .what = "MAP_POPULATE; one thread", .load = load_on_one},
    {.name = "map-populate-2", .what = "MAP_POPULATE; two threads", .load = load_on_two},
    {.name = NULL}};

/* SPDX-License-Identifier: MIT
 *
 * bench_close.c - closing a loaded file of 1 GiB, and leaving its unmapping to the pool, against munmap of the same map.
 */
#include <premap/premap.h>

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <uv.h>

#include "arguments.h"
#include "contestants.h"
#include "harness.h"

enum { TIMEOUT_MS = 60000 };

static const bench_metric metric = {"time", "ms", 0};

static int unmap(void *context, double *values) {
  const bench_workload *workload = context;
  size_t size = (size_t)workload->files[0].size;
  void *data;
  int error = bench_map(workload, (bench_part){0, 0, size}, MAP_POPULATE, &data);
  if (error != 0)
    return error;
  uint64_t begin = bench_now_ns();
  error = munmap(data, size) != 0 ? -errno : 0;
  values[0] = bench_seconds_since(begin) * 1e3;
  return error;
}

static int time_close(premap_file file, int (*end)(premap_file file), double *values) {
  uint64_t begin = bench_now_ns();
  int result = end(file);
  values[0] = bench_seconds_since(begin) * 1e3;
  return result;
}

static int close_here(void *context, double *values) {
  const bench_workload *workload = context;
  premap_file file = premap_load(workload->files[0].path, NULL, NULL);
  return file > 0 ? time_close(file, premap_close, values) : (int)file;
}

/* The timed wait has the pool made before, and the shutdown waits for the unmapping, so that it meets no other turn. */
static int close_elsewhere(void *context, double *values) {
  const bench_workload *workload = context;
  premap_file file = premap_open(workload->files[0].path, NULL);
  int result = file > 0 ? premap_wait(file, TIMEOUT_MS, NULL) : (int)file;
  if (result == PREMAP_OK)
    result = time_close(file, premap_close_async, values);
  int ended = premap_shutdown(-1);
  return result != PREMAP_OK ? result : ended;
}

static int compare(bench_workload *workload, const char *name, size_t piece, int rounds) {
  int result = bench_workload_rewrite(workload, piece);
  if (result != 0)
    return result < 0 ? result : -EAGAIN;
  const bench_side sides[] = {
      {"munmap", unmap, workload}, {"premap_close", close_here, workload}, {"premap_close_async", close_elsewhere, workload}};
  bench_comparison comparison = {name, &metric, 1, sides, 3, rounds};
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 15};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload workload;
  int result = bench_workload_make(&workload, arguments.directory, 1, ((uint64_t)1 << 30) / arguments.scale);
  if (result == 0) {
    bench_print_header();
    result = compare(&workload, "close; pages of 4 KiB", 4 << 10, arguments.rounds);
  }
  if (result == 0)
    result = compare(&workload, "close; pages of 2 MiB", 4 << 20, arguments.rounds);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "bench_close: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

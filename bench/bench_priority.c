/* SPDX-License-Identifier: MIT
 *
 * bench_priority.c - how long an urgent file of 64 KiB takes until READY while eight large cold loads keep all workers busy,
 * and through an idle loader.
 */
#include <premap/premap.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <uv.h>

#include "arguments.h"
#include "cache.h"
#include "harness.h"
#include "uv_warm.h"
#include "workload.h"

enum { LARGE_FILES = 8, SMALL_FILES = 2, TIMEOUT_MS = 60000 };

struct turn {
  const bench_workload *large; /* null: the loader is idle */
  const bench_workload *small; /* one is warm, one is cold */
  premap_loader *loader;
};

static int load_urgent(const struct turn *turn, size_t file, double *milliseconds) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.priority = PREMAP_PRIORITY_MAX;
  options.loader = turn->loader;
  uint64_t begin = bench_now_ns();
  premap_file urgent = premap_open(turn->small->files[file].path, &options);
  int result = premap_wait(urgent, TIMEOUT_MS, NULL); /* with a time-out, since a wait for ever would load it on this thread */
  *milliseconds = bench_seconds_since(begin) * 1e3;
  premap_close(urgent);
  return result;
}

/* Begins the large loads and waits until each thread of the pool has one. */
static int occupy(const struct turn *turn, premap_file *files) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = turn->loader;
  for (size_t i = 0; i < LARGE_FILES; i++) {
    files[i] = premap_open(turn->large->files[i].path, &options);
    if (files[i] < 0)
      return (int)files[i];
  }
  premap_loader_metrics metrics = {.size = sizeof metrics};
  uint64_t wanted = (uint64_t)bench_uv_pool_size();
  int result = PREMAP_OK;
  do {
    sched_yield();
    result = premap_metrics(turn->loader, &metrics);
  } while (result == PREMAP_OK && metrics.loading < wanted && metrics.queued + metrics.loading > wanted);
  return result;
}

/* Were there still enough large loads to keep every worker busy? */
static int check_busy(const premap_file *files) {
  int unfinished = 0;
  for (size_t i = 0; i < LARGE_FILES; i++)
    unfinished += premap_is_ready(files[i]) == 0;
  return unfinished >= bench_uv_pool_size() ? 0 : BENCH_VOID;
}

static int make_states(const struct turn *turn) {
  int result = turn->large != NULL ? bench_workload_make_cold(turn->large) : 0;
  if (result == 0)
    result = bench_evict_verified(turn->small->files[1].path, turn->small->files[1].size);
  if (result == 0)
    result = bench_read_in(turn->small->files[0].path);
  return result;
}

static int run(void *context, double *values) {
  const struct turn *turn = context;
  premap_file files[LARGE_FILES] = {0};
  int result = make_states(turn);
  if (result == 0 && turn->large != NULL)
    result = occupy(turn, files);
  for (size_t i = 0; result == 0 && i < SMALL_FILES; i++)
    result = load_urgent(turn, i, &values[i]);
  if (result == 0 && turn->large != NULL)
    result = check_busy(files);
  for (size_t i = 0; i < LARGE_FILES; i++) {
    if (files[i] > 0)
      premap_close(files[i]);
  }
  int drained = premap_loader_drain(turn->loader, -1);
  return result != 0 ? result : drained;
}

static int compare(const bench_workload *large, const bench_workload *small, int rounds) {
  premap_loader *loader;
  int result = premap_loader_create(&loader, NULL);
  if (result != 0)
    return result;
  struct turn turns[] = {{NULL, small, loader}, {large, small, loader}};
  const bench_side sides[] = {{"idle loader", run, &turns[0]}, {"beside 8 large loads", run, &turns[1]}};
  static const bench_metric metrics[] = {{"warm file until READY", "ms", 0}, {"cold file until READY", "ms", 0}};
  bench_comparison comparison = {"urgent file", metrics, 2, sides, 2, rounds};
  bench_print_header();
  result = bench_compare(&comparison);
  int closed = premap_loader_close(loader, -1);
  return result != 0 ? result : closed;
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 15};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload large = {0}, small = {0};
  int result = bench_workload_make(&large, arguments.directory, LARGE_FILES, ((uint64_t)512 << 20) / arguments.scale);
  if (result == 0)
    result = bench_workload_make(&small, arguments.directory, SMALL_FILES, (uint64_t)64 << 10);
  if (result == 0)
    result = compare(&large, &small, arguments.rounds);
  bench_workload_end(&large);
  bench_workload_end(&small);
  if (result != 0)
    fprintf(stderr, "bench_priority: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

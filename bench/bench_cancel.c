/* SPDX-License-Identifier: MIT
 *
 * bench_cancel.c - cancels a load of a cold file of 1 GiB at 1,000 random moments: how long until the file is FAILED, and until
 * its worker is free again; and how long a call takes at such moments that waits for nothing (premap_state), which is what the
 * machine itself adds.
 */
#include <premap/premap.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "arguments.h"
#include "checksum.h"
#include "harness.h"
#include "workload.h"

enum { CANCELS = 1000, DELAY_MIN_US = 20000, DELAY_MAX_US = 400000, EVICTION_MS = 5000 };

/* Not scaled below what no device reads before it is cancelled. */
#define SIZE ((uint64_t)1 << 30)
#define SIZE_MIN ((uint64_t)256 << 20)

struct turn {
  const bench_workload *workload;
  size_t cancels;
  premap_loader *loader;
  uint64_t delay_max_us; /* until it is cancelled */
  bool looks_only;       /* before it cancels: that is what is timed */
  double *failed_ms;
  double *free_ms;
};

/* What a load that was cancelled had asked for may still be on its way, and cannot be evicted before it is there. */
static int make_cold(const bench_workload *workload) {
  uint64_t begin = bench_now_ns();
  int result = bench_workload_make_cold(workload);
  while (result == BENCH_VOID && bench_seconds_since(begin) * 1e3 < EVICTION_MS) {
    usleep(1000);
    result = bench_workload_make_cold(workload);
  }
  return result;
}

/* The time of some chunks: a slow device's first one would else be the only one that is cancelled. */
static int find_delay(struct turn *turn) {
  uint64_t done = 0;
  int result = make_cold(turn->workload);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = turn->loader;
  premap_file file = result == 0 ? premap_open(turn->workload->files[0].path, &options) : result;
  if (file < 0)
    return (int)file;
  uint64_t begin = bench_now_ns(), wanted = 4 * PREMAP_CHUNK_SIZE_DEFAULT;
  while (done < wanted && result == 0 && bench_seconds_since(begin) * 1e6 < DELAY_MAX_US) {
    usleep(1000);
    result = premap_progress(file, &done, NULL);
  }
  uint64_t took_us = (uint64_t)(bench_seconds_since(begin) * 1e6);
  turn->delay_max_us = took_us < DELAY_MIN_US ? DELAY_MIN_US : took_us;
  premap_close(file);
  int drained = premap_loader_drain(turn->loader, -1);
  return result != 0 ? result : drained;
}

/* 0, or BENCH_VOID when the file was READY before it was cancelled. */
static int cancel_once(const struct turn *turn, size_t i, uint64_t delay_us) {
  int result = make_cold(turn->workload);
  if (result != 0)
    return result;
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = turn->loader;
  premap_file file = premap_open(turn->workload->files[0].path, &options);
  if (file < 0)
    return (int)file;
  usleep((useconds_t)delay_us);
  uint64_t begin = bench_now_ns();
  if (turn->looks_only)
    (void)premap_state(file);
  double looked_ms = bench_seconds_since(begin) * 1e3;
  result = premap_cancel(file);
  while (result == 0 && premap_state(file) != PREMAP_FAILED && premap_state(file) != PREMAP_READY)
    result = premap_cancel(file);
  turn->failed_ms[i] = turn->looks_only ? looked_ms : bench_seconds_since(begin) * 1e3;
  if (result == 0)
    result = premap_loader_drain(turn->loader, -1);
  turn->free_ms[i] = bench_seconds_since(begin) * 1e3;
  if (result == 0 && premap_is_ready(file))
    result = BENCH_VOID;
  premap_close(file);
  return result;
}

static int run(void *context, double *values) {
  const struct turn *turn = context;
  size_t counted = 0;
  for (size_t i = 0; counted < turn->cancels; i++) {
    int result = cancel_once(turn, counted, bench_mix(i) % turn->delay_max_us);
    if (result < 0 || i > 2 * turn->cancels)
      return result < 0 ? result : BENCH_VOID;
    counted += result == 0;
  }
  values[0] = bench_quantile(turn->failed_ms, counted, 1);
  values[1] = bench_quantile(turn->failed_ms, counted, 0.5);
  values[2] = bench_quantile(turn->free_ms, counted, 1);
  values[3] = bench_quantile(turn->free_ms, counted, 0.5);
  return 0;
}

static int compare(const bench_workload *workload, const bench_arguments *arguments) {
  static double failed_ms[CANCELS], free_ms[CANCELS];
  size_t cancels = CANCELS / arguments->scale > 0 ? (size_t)(CANCELS / arguments->scale) : 1;
  struct turn turn = {.workload = workload, .cancels = cancels, .failed_ms = failed_ms, .free_ms = free_ms};
  int result = premap_loader_create(&turn.loader, NULL);
  if (result != 0)
    return result;
  result = find_delay(&turn);
  if (result != 0) {
    premap_loader_close(turn.loader, -1);
    return result;
  }
  struct turn look = turn;
  look.looks_only = true;
  char name[128];
  snprintf(name, sizeof name, "%zu cancels%s%s", cancels, arguments->label[0] != '\0' ? "; " : "", arguments->label);
  static const bench_metric metrics[] = {{"longest until FAILED", "ms", 0},
                                         {"median until FAILED", "ms", 0},
                                         {"longest until free", "ms", 0},
                                         {"median until free", "ms", 0}};
  const bench_side sides[] = {{"premap_state", run, &look}, {"premap_cancel", run, &turn}};
  bench_comparison comparison = {name, metrics, 4, sides, 2, arguments->rounds};
  bench_print_header();
  result = bench_compare(&comparison);
  int closed = premap_loader_close(turn.loader, -1);
  return result != 0 ? result : closed;
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 1};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload workload;
  uint64_t size = SIZE / arguments.scale > SIZE_MIN ? SIZE / arguments.scale : SIZE_MIN;
  int result = bench_workload_make(&workload, arguments.directory, 1, size);
  if (result == 0)
    result = compare(&workload, &arguments);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "bench_cancel: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

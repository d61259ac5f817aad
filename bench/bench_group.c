/* SPDX-License-Identifier: MIT
 *
 * bench_group.c - 100,000 warm files of 4 KiB through a group, against a hand-written loop of open, fstat, read and close on
 * two threads: all in memory at once, as a group's files are, and one after the other in one buffer. Load, touch and close
 * count; each turn is a process of its own.
 */
#include <premap/premap.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "arguments.h"
#include "harness.h"
#include "sample.h"

struct turn {
  const bench_contestant *contestant;
  const bench_workload *workload;
};

static int run(void *context, double *values) {
  const struct turn *turn = context;
  bench_sample sample = bench_sample_take(turn->contestant, turn->workload);
  double files = (double)turn->workload->count;
  values[0] = sample.costs[BENCH_WALL_MS] * 1e3 / files;
  values[1] = sample.costs[BENCH_PROCESSOR_MS] * 1e3 / files;
  values[2] = files / sample.costs[BENCH_WALL_MS];
  return sample.code;
}

static const bench_contestant *find(const bench_contestant *family, const char *name) {
  while (family->name != NULL && strcmp(family->name, name) != 0)
    family++;
  return family;
}

static int compare(const bench_workload *workload, int rounds) {
  struct turn turns[] = {
      {find(bench_family_read, "read-keep-2"), workload},       {find(bench_family_premap, "premap"), workload},
      {find(bench_family_premap, "premap-regular"), workload},  {find(bench_family_read, "read-2"), workload},
      {find(bench_family_premap, "premap-in-order"), workload}, {find(bench_family_premap, "premap-next"), workload},
      {find(bench_family_premap, "premap-directory"), workload}};
  enum { SIDES = sizeof turns / sizeof turns[0] };
  bench_side sides[SIDES];
  for (size_t i = 0; i < SIDES; i++) {
    sides[i] = (bench_side){turns[i].contestant->name, run, &turns[i]};
    int verified = bench_sample_verify(turns[i].contestant, workload);
    if (verified != 0)
      return verified;
  }
  static const bench_metric metrics[] = {{"time a file", "us", 0}, {"processor time a file", "us", 0}, {"files", "1000/s", 0}};
  bench_comparison comparison = {"group of 4 KiB files", metrics, 3, sides, SIDES, rounds};
  bench_print_header();
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 9};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload workload;
  int result = bench_workload_make(&workload, arguments.directory, (size_t)(100000 / arguments.scale), 4096);
  if (result == 0)
    result = bench_workload_make_warm(&workload);
  if (result == 0)
    result = compare(&workload, arguments.rounds);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "bench_group: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

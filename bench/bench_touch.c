/* SPDX-License-Identifier: MIT
 *
 * bench_touch.c - what reading a byte of each page costs right after READY, against doing so a second time: 1 GiB, warm and
 * cold.
 */
#include <premap/premap.h>

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <uv.h>

#include "apart.h"
#include "arguments.h"
#include "contestants.h"
#include "harness.h"

enum { LIMIT_S = 300, PAGE = 4096 };

struct turn {
  const bench_workload *workload;
  bool cold;
  int touches; /* the last of these is measured */
};

static double faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_minflt + usage.ru_majflt);
}

static int measure(void *context, void *answer) {
  const struct turn *turn = context;
  double *values = answer;
  premap_region region;
  /* The measuring code's own pages shall be there. */
  bench_touch(values, sizeof *values, PAGE);
  values[0] = bench_seconds_since(bench_now_ns()) + faults();
  premap_file file = premap_load(turn->workload->files[0].path, NULL, &region);
  if (file < 0)
    return (int)file;
  for (int i = 0; i < turn->touches; i++) {
    double before = faults();
    uint64_t begin = bench_now_ns();
    bench_touch(region.data, region.size, PAGE);
    values[0] = bench_seconds_since(begin) * 1e3;
    values[1] = faults() - before;
  }
  return premap_close(file);
}

static int run(void *context, double *values) {
  const struct turn *turn = context;
  int result = turn->cold ? bench_workload_make_cold(turn->workload) : bench_workload_make_warm(turn->workload);
  return result == 0 ? bench_apart(measure, context, values, 2 * sizeof *values, LIMIT_S) : result;
}

static int compare(const bench_workload *workload, const char *name, bool cold, int rounds) {
  static const bench_metric metrics[] = {{"time", "ms", 0}, {"page faults", "faults", 0}};
  struct turn turns[] = {{workload, cold, 2}, {workload, cold, 1}};
  const bench_side sides[] = {{"second touch", run, &turns[0]}, {"first touch", run, &turns[1]}};
  bench_comparison comparison = {name, metrics, 2, sides, 2, rounds};
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 7};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload workload;
  int result = bench_workload_make(&workload, arguments.directory, 1, ((uint64_t)1 << 30) / arguments.scale);
  if (result == 0) {
    bench_print_header();
    result = compare(&workload, "touch after a cold load", true, arguments.rounds);
  }
  if (result == 0)
    result = compare(&workload, "touch after a warm load", false, arguments.rounds);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "bench_touch: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

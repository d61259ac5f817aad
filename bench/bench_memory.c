/* SPDX-License-Identifier: MIT
 *
 * bench_memory.c - bytes of malloc that a file costs beside its path, in a group of 100,000; and of 20,000 that are READY.
 */
#include <premap/premap.h>

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "apart.h"
#include "arguments.h"
#include "harness.h"
#include "workload.h"

/* Maps are limited, by default to some 65,000 a process, and half of these are premap's. */
enum { FILES = 100000, MAPPED_FILES = 20000, LIMIT_S = 300 };

struct turn {
  const bench_workload *workload;
  size_t count;
  int (*fill)(premap_group *group, const struct turn *turn);
  const premap_options *options;
};

static double allocated(void) {
  struct mallinfo2 info = mallinfo2();
  return (double)info.uordblks + (double)info.hblkhd;
}

/* Adding opens nothing, so the same paths may come again. */
static const char *path_of(const struct turn *turn, size_t i) {
  return turn->workload->files[i % turn->workload->count].path;
}

static int add(premap_group *group, const struct turn *turn) {
  for (size_t i = 0; i < turn->count; i++) {
    premap_file file = premap_group_add(group, path_of(turn, i));
    if (file < 0)
      return (int)file;
  }
  return 0;
}

static int add_and_load(premap_group *group, const struct turn *turn) {
  int result = add(group, turn);
  return result == 0 ? premap_group_wait(group, -1) : result;
}

static double path_bytes(const struct turn *turn) {
  double bytes = 0;
  for (size_t i = 0; i < turn->count; i++)
    bytes += (double)strlen(path_of(turn, i)) + 1;
  return bytes;
}

/* What the first file and group ever cost is in the library's tables for good, and not counted. */
static int measure(void *context, void *answer) {
  const struct turn *turn = context;
  double *values = answer;
  premap_group *warm = NULL;
  premap_group *group = NULL;
  int result = premap_group_create(&warm, turn->options);
  if (result == 0)
    result = premap_group_create(&group, turn->options);
  double before = allocated();
  if (result == 0)
    result = turn->fill(group, turn);
  values[0] = (allocated() - before - path_bytes(turn)) / (double)turn->count;
  return result;
}

static int run(void *context, double *values) {
  return bench_apart(measure, context, values, sizeof *values, LIMIT_S);
}

static void ignore(premap_file file, int result, void *user_data) {
  (void)file, (void)result, (void)user_data;
}

static int compare(const bench_workload *workload, uint64_t scale, int rounds) {
  premap_options mapped = PREMAP_OPTIONS_INIT;
  mapped.backing = PREMAP_BACKING_MAPPED; /* a copy's bytes would count too */
  premap_options told = mapped;
  told.callback = ignore;
  size_t many = (size_t)(FILES / scale), some = workload->count;
  struct turn turns[] = {{workload, many, add, &mapped},
                         {workload, many, add, &told},
                         {workload, some, add, &mapped},
                         {workload, some, add_and_load, &mapped}};
  const bench_side sides[] = {{"added", run, &turns[0]},
                              {"added with a callback", run, &turns[1]},
                              {"a fifth as many added", run, &turns[2]},
                              {"a fifth as many ready and mapped", run, &turns[3]}};
  static const bench_metric metric = {"memory beside the path", "bytes/file", 0};
  bench_comparison comparison = {"memory of a group's file", &metric, 1, sides, 4, rounds};
  bench_print_header();
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 3};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload workload;
  int result = bench_workload_make(&workload, arguments.directory, (size_t)(MAPPED_FILES / arguments.scale), 16);
  if (result == 0)
    result = compare(&workload, arguments.scale, arguments.rounds);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "bench_memory: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

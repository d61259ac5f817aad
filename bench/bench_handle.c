/* SPDX-License-Identifier: MIT
 *
 * bench_handle.c - what premap_is_ready and premap_state cost on one hot handle among 1 to 1,000,000, against a bare acquire
 * load in a shared library; and what creating and closing a handle costs on 1 to 8 threads.
 */
#include <premap/premap.h>

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "baseline.h"
#include "harness.h"

enum { ROUNDS = 15, CALLS = 2000000, CREATIONS = 200000, THREADS_MAX = 8, OTHERS_MAX = 1000000 };

static const bench_metric metric = {"time a call", "ns", 0};

static volatile int sink; /* keeps the compiler from dropping the loops */

static int call_baseline(void *context, double *values) {
  static _Atomic uint64_t ready_word = 2;
  (void)context;
  int sum = 0;
  uint64_t begin = bench_now_ns();
  for (int i = 0; i < CALLS; i++)
    sum += baseline_is_ready(&ready_word);
  values[0] = bench_seconds_since(begin) * 1e9 / (double)(int)CALLS;
  sink = sum;
  return 0;
}

static int call_is_ready(void *context, double *values) {
  premap_file file = *(premap_file *)context;
  int sum = 0;
  uint64_t begin = bench_now_ns();
  for (int i = 0; i < CALLS; i++)
    sum += premap_is_ready(file);
  values[0] = bench_seconds_since(begin) * 1e9 / (double)(int)CALLS;
  sink = sum;
  return sum == CALLS ? 0 : -1;
}

static int call_state(void *context, double *values) {
  premap_file file = *(premap_file *)context;
  int sum = 0;
  uint64_t begin = bench_now_ns();
  for (int i = 0; i < CALLS; i++)
    sum += premap_state(file);
  values[0] = bench_seconds_since(begin) * 1e9 / (double)(int)CALLS;
  sink = sum;
  return sum == CALLS * PREMAP_READY ? 0 : -1;
}

static int bench_looks(const char *path) {
  premap_file file = premap_load(path, NULL, NULL);
  if (file < 0) {
    fprintf(stderr, "bench_handle: cannot load '%s': %s\n", path, premap_strerror((int)file));
    return -1;
  }
  static premap_file others[OTHERS_MAX];
  const bench_side sides[] = {{"bare acquire load", call_baseline, NULL},
                              {"premap_is_ready", call_is_ready, &file},
                              {"premap_state", call_state, &file}};
  size_t open = 0;
  int result = 0;
  for (size_t handles = 1; handles <= OTHERS_MAX && result == 0; handles *= 100) {
    for (; open < handles - 1; open++)
      others[open] = premap_create(path, NULL);
    char name[64];
    snprintf(name, sizeof name, "look at one of %zu", handles);
    bench_comparison comparison = {name, &metric, 1, sides, 3, ROUNDS};
    result = bench_compare(&comparison);
  }
  while (open > 0)
    premap_close(others[--open]);
  premap_close(file);
  return result;
}

struct creation {
  char *path;
  int threads;
};

static void create_and_close(void *path) {
  for (int i = 0; i < CREATIONS; i++)
    premap_close(premap_create(path, NULL));
}

/* Processor time: more threads than processors take longer, and cost no more. */
static int create_on_threads(void *context, double *values) {
  const struct creation *creation = context;
  uv_thread_t ids[THREADS_MAX];
  int started = 0;
  uint64_t begin = bench_now_ns();
  while (started < creation->threads && uv_thread_create(&ids[started], create_and_close, creation->path) == 0)
    started++;
  for (int i = 0; i < started; i++)
    uv_thread_join(&ids[i]);
  unsigned processors = uv_available_parallelism();
  unsigned used = (unsigned)started < processors ? (unsigned)started : processors;
  values[0] = bench_seconds_since(begin) * 1e9 * used / ((double)CREATIONS * started);
  return started == creation->threads ? 0 : -1;
}

static int bench_creation(char *path) {
  struct creation creations[] = {{path, 1}, {path, 2}, {path, 4}, {path, 8}};
  const bench_side sides[] = {{"1 thread", create_on_threads, &creations[0]},
                              {"2 threads", create_on_threads, &creations[1]},
                              {"4 threads", create_on_threads, &creations[2]},
                              {"8 threads", create_on_threads, &creations[3]}};
  static const bench_metric processor = {"processor time a call", "ns", 0};
  bench_comparison comparison = {"create and close", &processor, 1, sides, 4, ROUNDS};
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  char *path = argc > 1 ? argv[1] : argv[0];
  bench_print_header();
  return bench_looks(path) == 0 && bench_creation(path) == 0 ? 0 : 1;
}

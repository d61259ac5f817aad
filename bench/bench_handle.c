/* SPDX-License-Identifier: MIT
 *
 * bench_handle.c - what premap_is_ready costs on one hot handle among 1 to 1,000,000, against a bare acquire load in a shared library,
 * and what creating and closing a handle costs on 1 to 8 threads. Both sides run in turn, round by round; medians and their ratio.
 */
#include <premap/premap.h>

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "baseline.h"

enum { ROUNDS = 15, CALLS = 2000000, CREATIONS = 200000, THREADS_MAX = 8 };

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

static _Atomic uint64_t ready_word = 2;
static volatile int sink; /* keeps the compiler from dropping the loops */

static double time_baseline_ns(void) {
  int sum = 0;
  uint64_t begin = uv_hrtime();
  for (int i = 0; i < CALLS; i++)
    sum += baseline_is_ready(&ready_word);
  sink = sum;
  return (double)(uv_hrtime() - begin) / (double)CALLS;
}

static double time_is_ready_ns(premap_file file) {
  int sum = 0;
  uint64_t begin = uv_hrtime();
  for (int i = 0; i < CALLS; i++)
    sum += premap_is_ready(file);
  sink = sum;
  return (double)(uv_hrtime() - begin) / (double)CALLS;
}

static int bench_is_ready(const char *path) {
  premap_file file = premap_load(path, NULL, NULL);
  if (file < 0) {
    fprintf(stderr, "bench_handle: cannot load '%s': %s\n", path, premap_strerror((int)file));
    return 1;
  }
  static premap_file others[1000000];
  size_t open = 0;
  printf("handles,is_ready_ns,bare_load_ns,ratio\n");
  for (size_t handles = 1; handles <= 1000000; handles *= 100) {
    for (; open < handles - 1; open++)
      others[open] = premap_create(path, NULL);
    double ours[ROUNDS], bare[ROUNDS], ratios[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      bare[round] = time_baseline_ns();
      ours[round] = time_is_ready_ns(file);
      ratios[round] = ours[round] / bare[round];
    }
    printf("%zu,%.2f,%.2f,%.2f\n", handles, median(ours, ROUNDS), median(bare, ROUNDS), median(ratios, ROUNDS));
  }
  while (open > 0)
    premap_close(others[--open]);
  premap_close(file);
  return 0;
}

static void create_and_close(void *path) {
  for (int i = 0; i < CREATIONS; i++)
    premap_close(premap_create(path, NULL));
}

static int bench_create(char *path) {
  printf("threads,create_close_ns_per_thread\n");
  for (int threads = 1; threads <= THREADS_MAX; threads *= 2) {
    double took[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      uv_thread_t ids[THREADS_MAX];
      uint64_t begin = uv_hrtime();
      for (int i = 0; i < threads; i++)
        if (uv_thread_create(&ids[i], create_and_close, path) != 0)
          return 1;
      for (int i = 0; i < threads; i++)
        uv_thread_join(&ids[i]);
      took[round] = (double)(uv_hrtime() - begin) / (double)CREATIONS;
    }
    printf("%d,%.0f\n", threads, median(took, ROUNDS));
  }
  return 0;
}

int main(int argc, char **argv) {
  char *path = argc > 1 ? argv[1] : argv[0];
  return bench_is_ready(path) != 0 || bench_create(path) != 0;
}

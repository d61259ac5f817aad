/* SPDX-License-Identifier: MIT
 *
 * harness.h - what all benchmarks share: rounds in which every side has its turn, medians, quartiles, ratios, and CSV.
 *
 * The sides run interleaved, A B C A B C, so that whatever changes on the machine meanwhile meets all of them. Each round has
 * another order, since what one leaves behind meets the next: memory given back to a virtual machine's host, for one, makes
 * whoever takes it first slow. Ratios are taken within each round, and their median and quartiles are given: the quotient of
 * two medians would not tell how far it varies.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_METRICS_MAX = 4, BENCH_SIDES_MAX = 16, BENCH_ROUNDS_MAX = 1000 };

/* What a run returns beside 0. Void: the conditions were not met, so the round has no figure. A negative code: it failed. */
#define BENCH_VOID 1

typedef struct bench_summary {
  int count; /* of the values that are finite */
  double median;
  double lower; /* quartiles */
  double upper;
} bench_summary;

/* Values that are not finite are left out. None left: count is 0 and the rest NAN. */
bench_summary bench_summarize(const double *values, int count);

/* The values' p-th quantile, 0 to 1; sorts them. */
double bench_quantile(double *values, size_t count, double p);

/* The order in which the sides 0 to count - 1 have their turns in a round: the same in every run. */
void bench_shuffle(int round, size_t *order, size_t count);

uint64_t bench_now_ns(void);
double bench_seconds_since(uint64_t begin_ns);

/* ---- Comparisons */

typedef struct bench_metric {
  const char *name;
  const char *unit;
  size_t against; /* the side that all others are divided by */
} bench_metric;

typedef struct bench_side {
  const char *name;
  /* One turn: fills a value for each metric. */
  int (*run)(void *context, double *values);
  void *context;
} bench_side;

typedef struct bench_comparison {
  const char *name;
  const bench_metric *metrics;
  size_t metric_count;
  const bench_side *sides;
  size_t side_count;
  int rounds;
} bench_comparison;

void bench_print_header(void);

/* Runs the rounds and prints a line for each metric of each side. A side that fails has no figures, and a line that says so.
 * Returns 0, or -1 when a side failed. */
int bench_compare(const bench_comparison *comparison);

#endif

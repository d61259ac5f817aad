/* SPDX-License-Identifier: MIT
 *
 * latencies.h - a growing list of times, of which the quantiles are wanted.
 */
#ifndef BENCH_LATENCIES_H
#define BENCH_LATENCIES_H

#include <stddef.h>

typedef struct bench_latencies {
  double *milliseconds;
  size_t count;
  size_t capacity;
} bench_latencies;

/* 0, or -ENOMEM. */
int bench_latencies_add(bench_latencies *latencies, double milliseconds);

/* NAN when there are none. */
double bench_latencies_quantile(bench_latencies *latencies, double p);

#endif

/* SPDX-License-Identifier: MIT
 *
 * latencies.c - a growing list of times.
 */
#include "latencies.h"

#include <errno.h>
#include <stdlib.h>

#include "harness.h"

int bench_latencies_add(bench_latencies *latencies, double milliseconds) {
  if (latencies->count == latencies->capacity) {
    size_t capacity = latencies->capacity == 0 ? 1024 : latencies->capacity * 2;
    double *larger = realloc(latencies->milliseconds, capacity * sizeof *larger);
    if (larger == NULL)
      return -ENOMEM;
    latencies->milliseconds = larger;
    latencies->capacity = capacity;
  }
  latencies->milliseconds[latencies->count++] = milliseconds;
  return 0;
}

double bench_latencies_quantile(bench_latencies *latencies, double p) {
  return bench_quantile(latencies->milliseconds, latencies->count, p);
}

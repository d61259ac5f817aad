/* SPDX-License-Identifier: MIT
 *
 * harness.c - rounds, medians, quartiles and CSV, on any system.
 */
#include "harness.h"

#include <float.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

/* Between the two values that are nearest. */
static double quantile_of_sorted(const double *values, size_t count, double p) {
  double place = p * (double)(count - 1);
  size_t below = (size_t)place;
  size_t above = below + 1 < count ? below + 1 : below;
  return values[below] + (values[above] - values[below]) * (place - (double)below);
}

double bench_quantile(double *values, size_t count, double p) {
  if (count == 0)
    return NAN;
  qsort(values, count, sizeof *values, compare);
  return quantile_of_sorted(values, count, p);
}

bench_summary bench_summarize(const double *values, int count) {
  double sorted[BENCH_ROUNDS_MAX];
  size_t used = 0;
  for (int i = 0; i < count && used < BENCH_ROUNDS_MAX; i++) {
    if (fabs(values[i]) <= DBL_MAX) /* neither infinite nor NAN; isfinite of some C libraries converts to float */
      sorted[used++] = values[i];
  }
  if (used == 0)
    return (bench_summary){0, NAN, NAN, NAN};
  double median = bench_quantile(sorted, used, 0.5);
  return (bench_summary){(int)used, median, quantile_of_sorted(sorted, used, 0.25), quantile_of_sorted(sorted, used, 0.75)};
}

void bench_shuffle(int round, size_t *order, size_t count) {
  uint64_t random = (uint64_t)round + 1;
  for (size_t i = 0; i < count; i++) {
    random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    size_t place = (size_t)((random >> 33) % (i + 1));
    order[i] = order[place];
    order[place] = i;
  }
}

uint64_t bench_now_ns(void) {
  return uv_hrtime();
}

double bench_seconds_since(uint64_t begin_ns) {
  return (double)(uv_hrtime() - begin_ns) * 1e-9;
}

/* ---- Comparisons */

/* values[side][metric][round], NAN where a round has none. */
typedef double turns[BENCH_SIDES_MAX][BENCH_METRICS_MAX][BENCH_ROUNDS_MAX];

static void run_turn(const bench_comparison *comparison, size_t side, int round, turns values, int *failures) {
  double got[BENCH_METRICS_MAX] = {0};
  int result = failures[side];
  if (result == 0)
    result = comparison->sides[side].run(comparison->sides[side].context, got);
  if (result < 0 && failures[side] == 0) {
    fprintf(stderr, "%s: %s failed: %d\n", comparison->name, comparison->sides[side].name, result);
    failures[side] = result;
  }
  if (result == BENCH_VOID)
    fprintf(stderr, "%s: round %d of %s is void\n", comparison->name, round + 1, comparison->sides[side].name);
  for (size_t metric = 0; metric < comparison->metric_count; metric++)
    values[side][metric][round] = result == 0 ? got[metric] : NAN;
}

static void forget_failed(const bench_comparison *comparison, const int *failures, turns values) {
  for (size_t side = 0; side < comparison->side_count; side++) {
    for (size_t metric = 0; failures[side] != 0 && metric < comparison->metric_count; metric++) {
      for (int round = 0; round < comparison->rounds; round++)
        values[side][metric][round] = NAN;
    }
  }
}

static void print_side(const bench_comparison *comparison, size_t side, size_t metric, turns values) {
  const bench_side *self = &comparison->sides[side];
  size_t against = comparison->metrics[metric].against;
  double ratios[BENCH_ROUNDS_MAX];
  for (int round = 0; round < comparison->rounds; round++)
    ratios[round] = values[side][metric][round] / values[against][metric][round];
  bench_summary value = bench_summarize(values[side][metric], comparison->rounds);
  bench_summary ratio = bench_summarize(ratios, comparison->rounds);
  printf("%s,%s,%s,%s,%d,", comparison->name, comparison->metrics[metric].name, self->name, comparison->metrics[metric].unit,
         value.count);
  if (value.count > 0)
    printf("%.4g,%.4g,%.4g,", value.median, value.lower, value.upper);
  else
    printf(",,,");
  if (ratio.count > 0)
    printf("%s,%.4g,%.4g,%.4g\n", comparison->sides[against].name, ratio.median, ratio.lower, ratio.upper);
  else
    printf("%s,,,\n", comparison->sides[against].name);
}

void bench_print_header(void) {
  printf("benchmark,metric,side,unit,rounds,median,lower_quartile,upper_quartile,against,ratio,ratio_lower,ratio_upper\n");
}

int bench_compare(const bench_comparison *comparison) {
  int failures[BENCH_SIDES_MAX] = {0};
  double(*values)[BENCH_METRICS_MAX][BENCH_ROUNDS_MAX] = calloc(BENCH_SIDES_MAX, sizeof *values);
  if (values == NULL || comparison->rounds > BENCH_ROUNDS_MAX || comparison->side_count > BENCH_SIDES_MAX) {
    free(values);
    return -1;
  }
  for (int round = 0; round < comparison->rounds; round++) {
    size_t order[BENCH_SIDES_MAX];
    bench_shuffle(round, order, comparison->side_count);
    for (size_t i = 0; i < comparison->side_count; i++)
      run_turn(comparison, order[i], round, values, failures);
  }
  forget_failed(comparison, failures, values);
  int result = 0;
  for (size_t side = 0; side < comparison->side_count; side++) {
    for (size_t metric = 0; metric < comparison->metric_count; metric++)
      print_side(comparison, side, metric, values);
    if (failures[side] != 0)
      result = -1;
  }
  fflush(stdout);
  free(values);
  return result;
}

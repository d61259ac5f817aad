/* SPDX-License-Identifier: MIT
 *
 * report.c - writes the suite's CSV files.
 */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <uv.h>

#include <premap/premap.h>

static const char *const status_names[] = {
    [BENCH_COUNTS] = "ok", [BENCH_IS_VOID] = "void", [BENCH_FAILED] = "failed", [BENCH_ABSENT] = "absent"};

/* libuv's own codes lie between -4000 and -5000, premap's below. Premap's texts have commas. */
const char *bench_code_text(int code) {
  if (code < -5000)
    return premap_err_name(code);
  if (code < -4000)
    return uv_strerror(code);
  return code < 0 ? strerror(-code) : "not all was made present";
}

/* ---- Values */

static const bench_sample *sample_at(const bench_case *one, size_t contestant, int round) {
  return &one->samples[contestant * (size_t)one->rounds + (size_t)round];
}

/* The cost of each round; NAN where it does not count. */
static void costs_of(const bench_case *one, size_t contestant, size_t cost, double *values) {
  for (int round = 0; round < one->rounds; round++) {
    const bench_sample *sample = sample_at(one, contestant, round);
    values[round] = sample->status == BENCH_COUNTS ? sample->costs[cost] : NAN;
  }
}

static bench_summary summary_of(const bench_case *one, size_t contestant, size_t cost) {
  double values[BENCH_ROUNDS_MAX];
  costs_of(one, contestant, cost, values);
  return bench_summarize(values, one->rounds);
}

/* A contestant that failed once has no figures at all. */
static bench_status status_of(const bench_case *one, size_t contestant) {
  bench_status status = BENCH_IS_VOID;
  for (int round = 0; round < one->rounds; round++) {
    bench_status now = sample_at(one, contestant, round)->status;
    if (now == BENCH_FAILED || now == BENCH_ABSENT)
      return now;
    if (now == BENCH_COUNTS)
      status = now;
  }
  return status;
}

static void print_number(FILE *file, double value, const char *format) {
  fputc(',', file);
  if (isfinite(value))
    fprintf(file, format, value);
}

static void print_case(FILE *file, const bench_case *one) {
  fprintf(file, "%s,%s,%zu,%llu,%s", one->label, one->name, one->files, (unsigned long long)one->bytes, one->state);
  print_number(file, one->folio_kib, "%.0f");
}

/* ---- Samples */

static const char *note_of(const bench_contestant *contestant, const bench_sample *sample) {
  if (sample->status == BENCH_ABSENT)
    return contestant->absent;
  return sample->status == BENCH_FAILED ? bench_code_text(sample->code) : "";
}

static void report_samples(FILE *file, const bench_case *one) {
  for (int round = 0; round < one->rounds; round++) {
    for (size_t i = 0; i < one->count; i++) {
      const bench_sample *sample = sample_at(one, i, round);
      print_case(file, one);
      fprintf(file, ",%d,%s,%s", round, one->contestants[i]->name, status_names[sample->status]);
      for (size_t cost = 0; cost < BENCH_COSTS; cost++)
        print_number(file, sample->status == BENCH_COUNTS ? sample->costs[cost] : NAN, "%.6g");
      fprintf(file, ",%s\n", note_of(one->contestants[i], sample));
    }
  }
}

/* ---- Medians */

static void report_medians(FILE *file, const bench_case *one) {
  for (size_t i = 0; i < one->count; i++) {
    bench_summary wall = summary_of(one, i, BENCH_WALL_MS);
    bool counts = status_of(one, i) == BENCH_COUNTS;
    print_case(file, one);
    fprintf(file, ",%s,%s,%d", one->contestants[i]->name, status_names[status_of(one, i)], counts ? wall.count : 0);
    print_number(file, counts ? wall.lower : NAN, "%.6g");
    print_number(file, counts ? wall.upper : NAN, "%.6g");
    for (size_t cost = 0; cost < BENCH_COSTS; cost++)
      print_number(file, counts ? summary_of(one, i, cost).median : NAN, "%.6g");
    print_number(file, counts ? (double)one->bytes / 1048576 / (wall.median * 1e-3) : NAN, "%.5g");
    fputc('\n', file);
  }
}

/* ---- Ratios */

static bool is_ours(const bench_contestant *contestant) {
  return strncmp(contestant->name, "premap", strlen("premap")) == 0;
}

/* The fastest other contestant that brings the bytes into this process through the cache, or count. */
static size_t best_other(const bench_case *one) {
  size_t best = one->count;
  for (size_t i = 0; i < one->count; i++) {
    if (is_ours(one->contestants[i]) || one->contestants[i]->traits != 0 || status_of(one, i) != BENCH_COUNTS)
      continue;
    if (best == one->count || summary_of(one, i, BENCH_WALL_MS).median < summary_of(one, best, BENCH_WALL_MS).median)
      best = i;
  }
  return best;
}

static void report_ratio(FILE *file, const bench_case *one, size_t ours, size_t other, size_t cost, const char *other_name) {
  double values[BENCH_ROUNDS_MAX], divisors[BENCH_ROUNDS_MAX];
  costs_of(one, ours, cost, values);
  costs_of(one, other, cost, divisors);
  for (int round = 0; round < one->rounds; round++)
    values[round] /= divisors[round];
  bench_summary ratio = bench_summarize(values, one->rounds);
  if (ratio.count == 0)
    return;
  fprintf(file, "%s,%s,%s,%s,%s,%s,%d,%.4g,%.4g,%.4g\n", one->label, one->name, one->state, one->contestants[ours]->name,
          other_name, bench_cost_names[cost], ratio.count, ratio.median, ratio.lower, ratio.upper);
}

static void report_ratios(FILE *file, const bench_case *one) {
  size_t best = best_other(one);
  for (size_t i = 0; i < one->count; i++) {
    if (!is_ours(one->contestants[i]) || status_of(one, i) != BENCH_COUNTS)
      continue;
    for (size_t cost = 0; cost <= BENCH_PROCESSOR_MS; cost++) {
      for (size_t other = 0; other < one->count; other++) {
        if (other != i && status_of(one, other) == BENCH_COUNTS)
          report_ratio(file, one, i, other, cost, one->contestants[other]->name);
      }
      if (best < one->count)
        report_ratio(file, one, i, best, cost, "best-other");
    }
  }
}

/* ---- Files */

static FILE *open_to_add(const char *directory, const char *name, const char *header) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "a");
  if (file != NULL && ftell(file) == 0)
    fprintf(file, "%s\n", header);
  return file;
}

int bench_report_open(bench_report *report, const char *directory) {
  report->samples = open_to_add(
      directory, "samples.csv",
      "label,workload,files,bytes,state,folio_kib,round,contestant,status,wall_ms,ready_ms,processor_ms,"
      "minor_faults,major_faults,voluntary_switches,involuntary_switches,note");
  report->medians = open_to_add(directory, "medians.csv",
                                "label,workload,files,bytes,state,folio_kib,contestant,status,rounds,wall_lower_ms,"
                                "wall_upper_ms,wall_ms,ready_ms,processor_ms,minor_faults,major_faults,voluntary_switches,"
                                "involuntary_switches,mib_per_s");
  report->ratios = open_to_add(directory, "ratios.csv",
                               "label,workload,state,contestant,against,metric,rounds,ratio,ratio_lower,ratio_upper");
  return report->samples != NULL && report->medians != NULL && report->ratios != NULL ? 0 : -errno;
}

void bench_report_case(const bench_report *report, const bench_case *one) {
  report_samples(report->samples, one);
  report_medians(report->medians, one);
  report_ratios(report->ratios, one);
  fflush(NULL); /* a run that is stopped has what it has */
}

int bench_report_close(bench_report *report) {
  FILE *files[] = {report->samples, report->medians, report->ratios};
  int error = 0;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    if (files[i] != NULL && (ferror(files[i]) || fclose(files[i]) != 0))
      error = -EIO;
  }
  return error;
}

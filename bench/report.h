/* SPDX-License-Identifier: MIT
 *
 * report.h - the suite's CSV files: every sample, their medians, and the ratios of premap to the others.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "harness.h"
#include "sample.h"

/* A workload in a state, and what each contestant took in each round: samples[contestant * rounds + round]. */
typedef struct bench_case {
  const char *label; /* where it ran: file system, read-ahead */
  const char *name;
  const char *state;
  size_t files;
  uint64_t bytes;
  double folio_kib; /* NAN: unknown */
  const bench_contestant *const *contestants;
  size_t count;
  int rounds;
  bench_sample *samples;
} bench_case;

typedef struct bench_report {
  FILE *samples;
  FILE *medians;
  FILE *ratios;
} bench_report;

/* A few words, without commas, for a negative code of errno, libuv or premap. */
const char *bench_code_text(int code);

/* Opens samples.csv, medians.csv and ratios.csv in the directory, to add to what is there. 0 or a negative errno. */
int bench_report_open(bench_report *report, const char *directory);

void bench_report_case(const bench_report *report, const bench_case *one);

/* 0, or a negative errno when something could not be written. */
int bench_report_close(bench_report *report);

#endif

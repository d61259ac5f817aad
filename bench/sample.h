/* SPDX-License-Identifier: MIT
 *
 * sample.h - one turn of one contestant: timed, or verified.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include "contestants.h"

typedef enum bench_status {
  BENCH_COUNTS,
  BENCH_IS_VOID, /* the state it was to begin with could not be had */
  BENCH_FAILED,
  BENCH_ABSENT
} bench_status;

/* What a turn took; of commands too. */
enum {
  BENCH_WALL_MS,
  BENCH_READY_MS, /* until the last piece was there to be touched; of a single file; else NAN */
  BENCH_PROCESSOR_MS,
  BENCH_MINOR_FAULTS,
  BENCH_MAJOR_FAULTS,
  BENCH_VOLUNTARY_SWITCHES,
  BENCH_INVOLUNTARY_SWITCHES,
  BENCH_COSTS
};

extern const char *const bench_cost_names[BENCH_COSTS];

typedef struct bench_sample {
  bench_status status;
  int code; /* why it failed */
  double costs[BENCH_COSTS];
} bench_sample;

/* Times a turn in a process of its own, of which not the start but all that the contestant does is counted: load, one byte of
 * each page, let go. */
bench_sample bench_sample_take(const bench_contestant *contestant, const bench_workload *workload);

/* Runs an untimed turn and compares the checksum of all bytes it shows with the files'. 0, or a negative code: -EBADMSG when
 * bytes were wrong, missing or shown twice. For commands: -EBADMSG when, beginning with nothing in the cache, less than 99 % of
 * the bytes are there afterwards. */
int bench_sample_verify(const bench_contestant *contestant, const bench_workload *workload);

#endif

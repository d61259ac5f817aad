/* SPDX-License-Identifier: MIT
 *
 * original.h - loading by the design that premap took the place of, see contestant_original.c.
 */
#ifndef BENCH_ORIGINAL_H
#define BENCH_ORIGINAL_H

#include <stddef.h>

#include "workload.h"

typedef struct bench_original bench_original;

/* Starts to load the workload's files. To be ended also after an error. */
int bench_original_start(bench_original **started, const bench_workload *workload);
/* Polls until the file says ready. The map is the caller's. */
int bench_original_wait(bench_original *original, size_t file, void **data);
/* Only when no file is left to load: waits for the threads. */
void bench_original_end(bench_original *original);

#endif

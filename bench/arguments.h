/* SPDX-License-Identifier: MIT
 *
 * arguments.h - the command line of the single benchmarks: bench_NAME [--scale=N] [--rounds=N] [--label=TEXT] DIRECTORY.
 */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include <stdint.h>

typedef struct bench_arguments {
  const char *directory; /* where the files are made */
  const char *label;     /* after the benchmark's name; "" unless given */
  uint64_t scale;        /* divides the files' number or size; 1 unless given */
  int rounds;            /* as it is in the structure, unless given */
} bench_arguments;

/* 0; or 2, the program's exit status, after its usage was printed. */
int bench_arguments_read(bench_arguments *arguments, int argc, char **argv);

#endif

/* SPDX-License-Identifier: MIT
 *
 * load_report.h - what premap load prints of each file, and of all.
 */
#ifndef PREMAP_CLI_LOAD_REPORT_H
#define PREMAP_CLI_LOAD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <premap/premap.h>

#include "options.h"

typedef struct load_totals {
  size_t files;
  size_t ready;
  uint64_t bytes;   /* in the regions of those that are ready */
  double seconds;   /* from the first name to the last result */
  bool is_complete; /* all names were read */
  bool is_touched;  /* then the fields below count */
  double first_seconds;
  double second_seconds;
  uint64_t faults; /* of the first pass */
} load_totals;

/* Prints a finished file and counts it. A negative file is the code it failed with; timed_out: a cancelled one was cancelled
 * for that. */
void load_report_file(load_totals *totals, const cli_options *options, const char *path, premap_file file, bool timed_out);
void load_report_totals(const load_totals *totals, const cli_options *options);

#endif

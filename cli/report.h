/* SPDX-License-Identifier: MIT
 *
 * report.h - results for people and as JSON: data on stdout, failures on stderr.
 */
#ifndef PREMAP_CLI_REPORT_H
#define PREMAP_CLI_REPORT_H

#include <jansson.h>

#include <premap/premap.h>

#include "options.h"

/* The JSON's version: grows when a key changes its meaning or goes. */
#define REPORT_SCHEMA 1

/* One of the command's own, beyond premap_step. */
#define REPORT_STEP_EVICT (PREMAP_STEP_LOCK + 1)

/* Why a path has no result. */
typedef struct cli_failure {
  const char *path;
  int code;
  int os_error;
  unsigned step;    /* premap_step or REPORT_STEP_EVICT */
  premap_file file; /* whose message tells more; negative: none */
} cli_failure;

/* Looks once at what the user and the terminal want. Before it, nothing is coloured. */
void report_begin(const cli_options *options);
/* May stdout be coloured? */
bool report_has_color(void);

/* What is known of a file that failed. */
cli_failure report_failure_of(const char *path, premap_file file);
/* The same for a path that has no file, only a code. */
cli_failure report_failure_at(const char *path, int code);
/* On stderr, in one line. */
void report_failure(const cli_failure *failure);
/* {"name":..., "message":..., "code":..., "os_error":..., "step":...} */
json_t *report_failure_json(const cli_failure *failure);

/* "premap: " and the text on stderr, coloured where that is wanted. The text must be fit for a terminal. */
void report_complaint(const char *text);

/* Sets a key, and takes the value over. */
void report_set(json_t *object, const char *key, json_t *value);
/* {"schema":1, "path":...}, and "path_bytes" where the path is not UTF-8; without a path, the start of the summary. Then all of
 * fields, which is dropped. Prints it on a line of its own. */
void report_json(const char *path, json_t *fields);
/* After anything else was printed on stdout: keeps the reason why that failed. */
void report_printed(void);

/* Flushes stdout. False, after a message, when something could not be written there since the start. */
bool report_end(void);
void report_output_failed(int os_error);

#endif

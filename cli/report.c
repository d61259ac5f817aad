/* SPDX-License-Identifier: MIT
 *
 * report.c - see report.h.
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "system.h"
#include "text.h"

#define RED "\033[31m"
#define COLOR_END "\033[0m"
/* Significant digits: nanoseconds of a second, without the noise of binary fractions. */
#define DIGITS 9

static struct {
  bool has_color;
  bool has_error_color;
  bool is_terminal;
  int output_error; /* the first of stdout, which later calls may forget */
} report;

static bool wants_color(const cli_options *options, FILE *stream) {
  if (options->color != COLOR_AUTO)
    return options->color == COLOR_ALWAYS;
  const char *refused = getenv("NO_COLOR");
  return !options->plain && (refused == NULL || *refused == '\0') && system_is_terminal(stream);
}

void report_begin(const cli_options *options) {
  report.has_color = wants_color(options, stdout);
  report.has_error_color = wants_color(options, stderr);
  report.is_terminal = system_is_terminal(stdout);
}

bool report_has_color(void) {
  return report.has_color;
}

/* ---- Failures */

static const char *step_name(unsigned step) {
  static const char *const names[] = {"load", "open", "size", "map", "read", "populate", "lock", "evict"};
  _Static_assert(sizeof names / sizeof names[0] == REPORT_STEP_EVICT + 1, "a name for each step");
  return step < sizeof names / sizeof names[0] ? names[step] : names[0];
}

cli_failure report_failure_at(const char *path, int code) {
  /* What the command's own calls give may be a code of the system that the library never has. */
  bool is_ours = strcmp(premap_err_name(code), "?") != 0;
  return (cli_failure){.path = path,
                       .code = is_ours ? code : PREMAP_UNKNOWN,
                       .os_error = is_ours ? 0 : -code,
                       .step = PREMAP_STEP_OPEN,
                       .file = -1};
}

cli_failure report_failure_of(const char *path, premap_file file) {
  premap_file_info info = PREMAP_FILE_INFO_INIT;
  premap_info(file, &info);
  return (cli_failure){.path = path, .code = info.error, .os_error = info.os_error, .step = info.step, .file = file};
}

/* A sentence fit for a terminal and for JSON. */
static char *failure_message(const cli_failure *failure) {
  int length = failure->file > 0 ? premap_error_message(failure->file, NULL, 0) : 0;
  size_t capacity = length > 0 ? (size_t)length + 1 : strlen(failure->path) + 256;
  char *message = text_allocate(capacity);
  if (length > 0)
    premap_error_message(failure->file, message, capacity);
  else
    snprintf(message, capacity, "%s '%s': %s (%s)", step_name(failure->step), failure->path, premap_strerror(failure->code),
             premap_err_name(failure->code));
  char *visible = text_visible(message);
  free(message);
  return visible;
}

void report_complaint(const char *text) {
  progress_hide();
  fprintf(stderr, "%spremap:%s ", report.has_error_color ? RED : "", report.has_error_color ? COLOR_END : "");
  system_print(stderr, text);
  fputc('\n', stderr);
  fflush(stderr);
}

void report_failure(const cli_failure *failure) {
  char *message = failure_message(failure);
  report_complaint(message);
  free(message);
}

/* ---- JSON */

void report_set(json_t *object, const char *key, json_t *value) {
  /* All strings are UTF-8 by now, so only want of memory can make it fail, or make the object or the value null. */
  if (json_object_set_new(object, key, value) != 0)
    text_no_memory();
}

json_t *report_failure_json(const cli_failure *failure) {
  char *message = failure_message(failure);
  json_t *object = json_object();
  report_set(object, "name", json_string(premap_err_name(failure->code)));
  report_set(object, "message", json_string(message));
  report_set(object, "code", json_integer(failure->code));
  report_set(object, "os_error", json_integer(failure->os_error));
  report_set(object, "step", json_string(step_name(failure->step)));
  free(message);
  return object;
}

static void set_path(json_t *object, const char *path) {
  bool is_whole = text_is_utf8(path);
  char *text = is_whole ? text_copy(path) : text_replaced(path);
  report_set(object, "path", json_string(text));
  free(text);
  if (is_whole)
    return;
  char *bytes = text_hexadecimal(path);
  report_set(object, "path_bytes", json_string(bytes));
  free(bytes);
}

void report_printed(void) {
  /* Buffered it would come after the failures, where the system knows no buffering by lines. */
  if (report.is_terminal)
    fflush(stdout);
  if (ferror(stdout) && report.output_error == 0)
    report.output_error = errno;
}

void report_json(const char *path, json_t *fields) {
  json_t *object = json_object();
  report_set(object, "schema", json_integer(REPORT_SCHEMA));
  if (path != NULL)
    set_path(object, path);
  else
    report_set(object, "summary", json_true());
  if (json_object_update(object, fields) != 0)
    text_no_memory();
  json_decref(fields);
  /* A terminal might obey the control characters beyond ASCII, which JSON lets pass. */
  size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(DIGITS) | (report.is_terminal ? JSON_ENSURE_ASCII : 0);
  char *line = json_dumps(object, flags);
  json_decref(object);
  if (line == NULL)
    text_no_memory();
  progress_hide();
  system_print(stdout, line);
  putchar('\n');
  report_printed();
  free(line);
}

bool report_end(void) {
  fflush(stdout);
  report_printed();
  if (!ferror(stdout))
    return true;
  report_output_failed(report.output_error);
  return false;
}

void report_output_failed(int os_error) {
  char text[256];
  snprintf(text, sizeof text, "standard output: %s", strerror(os_error));
  report_complaint(text);
}

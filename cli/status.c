/* SPDX-License-Identifier: MIT
 *
 * status.c - premap status and premap evict: what is in memory, and out with it. One file is open at a time.
 */
#include "commands.h"

#include <stdlib.h>

#include <premap/premap.h>

#include "names.h"
#include "report.h"
#include "system.h"
#include "text.h"

#define BAR_CELLS 10
#define GREEN "\033[32m"
#define COLOR_END "\033[0m"

/* Bytes in memory, or why that is unknown. */
typedef struct file_residency {
  uint64_t bytes;
  const char *reason; /* null: known */
} file_residency;

typedef struct file_finding {
  const char *path;
  premap_file file; /* negative: there is none */
  uint64_t size;
  file_residency before; /* evicting */
  file_residency now;
  bool is_failed;
  cli_failure why;
} file_finding;

typedef struct file_survey {
  const cli_options *options;
  bool evicts;
  bool has_color;
  size_t files;
  size_t failed;
  size_t unknown;
  uint64_t size;
  uint64_t before; /* bytes, of the files whose residency is known before and after */
  uint64_t now;
} file_survey;

/* ---- Finding out */

static file_residency ask(premap_file file) {
  file_residency residency = {0, NULL};
  /* Where the system keeps that to itself the library counts what is present in this process, which has only just mapped it. */
  int code = system_reaches_cache() ? premap_resident(file, 0, 0, &residency.bytes) : PREMAP_ENOSYS;
  if (code < 0)
    residency.reason = premap_strerror(code);
  return residency;
}

static void find_open(file_finding *finding, bool evicts) {
  premap_file file = finding->file;
  finding->before = ask(file);
  int code = 0;
  if (evicts)
    code = system_reaches_cache() ? premap_release(file, 0, 0) : PREMAP_ENOSYS;
  if (code < 0) {
    finding->is_failed = true;
    finding->why = report_failure_at(finding->path, code);
    finding->why.step = REPORT_STEP_EVICT;
  }
  finding->now = evicts ? ask(file) : finding->before;
}

static void find(file_finding *finding, bool evicts) {
  /* Mapped and not prefaulted, with the descriptor kept: asking then brings nothing in. */
  premap_options how = PREMAP_OPTIONS_INIT;
  how.prefault = PREMAP_PREFAULT_NONE;
  how.backing = PREMAP_BACKING_MAPPED;
  how.flags = PREMAP_KEEP_OPEN;
  premap_file file = finding->file = premap_create(finding->path, &how);
  int code = file < 0 ? (int)file : premap_wait(file, -1, NULL);
  cli_failure why = file < 0 ? report_failure_at(finding->path, code) : report_failure_of(finding->path, file);
  premap_file_info info = PREMAP_FILE_INFO_INIT;
  if (file > 0)
    premap_info(file, &info);
  finding->size = info.file_size;
  if (code >= 0) {
    find_open(finding, evicts);
  } else if (why.step == PREMAP_STEP_MAP) {
    /* It could be read, but has no pages to ask for. */
    finding->before.reason = finding->now.reason = premap_strerror(code);
  } else {
    finding->is_failed = true;
    finding->why = why;
  }
}

/* ---- Telling it */

static json_t *bytes_json(const file_residency *residency) {
  return residency->reason == NULL ? json_integer((json_int_t)residency->bytes) : json_null();
}

static void print_json(const file_survey *survey, const file_finding *finding) {
  bool is_failed = finding->is_failed;
  json_t *fields = json_object();
  report_set(fields, "size", is_failed ? json_null() : json_integer((json_int_t)finding->size));
  if (survey->evicts)
    report_set(fields, "before", is_failed ? json_null() : bytes_json(&finding->before));
  report_set(fields, "resident", is_failed ? json_null() : bytes_json(&finding->now));
  report_set(fields, "reason", json_string(finding->now.reason != NULL ? finding->now.reason : ""));
  report_set(fields, "error", is_failed ? report_failure_json(&finding->why) : json_null());
  report_json(finding->path, fields);
}

static void print_totals_json(const file_survey *survey) {
  json_t *fields = json_object();
  report_set(fields, "files", json_integer((json_int_t)survey->files));
  report_set(fields, "failed", json_integer((json_int_t)survey->failed));
  report_set(fields, "unknown", json_integer((json_int_t)survey->unknown));
  report_set(fields, "size", json_integer((json_int_t)survey->size));
  if (survey->evicts)
    report_set(fields, "before", json_integer((json_int_t)survey->before));
  report_set(fields, "resident", json_integer((json_int_t)survey->now));
  report_json(NULL, fields);
}

static void amount_or_unknown(char text[TEXT_AMOUNT_SIZE], const file_residency *residency) {
  if (residency->reason == NULL)
    text_amount(text, (double)residency->bytes);
  else
    snprintf(text, TEXT_AMOUNT_SIZE, "unknown");
}

/* Bytes that went, or why that is unknown. Others may have brought pages in meanwhile. */
static file_residency evicted(const file_residency *before, const file_residency *now) {
  if (before->reason != NULL)
    return *before;
  if (now->reason != NULL)
    return *now;
  return (file_residency){before->bytes > now->bytes ? before->bytes - now->bytes : 0, NULL};
}

static void print_plain(const file_survey *survey, const file_finding *finding, const char *name) {
  file_residency first = survey->evicts ? evicted(&finding->before, &finding->now) : finding->now;
  if (first.reason == NULL)
    printf("%llu\t", (unsigned long long)first.bytes);
  else
    printf("unknown\t");
  if (survey->evicts && finding->now.reason == NULL)
    printf("%llu\t", (unsigned long long)finding->now.bytes);
  else if (survey->evicts)
    printf("unknown\t");
  printf("%llu\t", (unsigned long long)finding->size);
  system_print(stdout, name);
  putchar('\n');
}

static void print_header(const file_survey *survey) {
  if (survey->options->json || survey->options->plain || survey->options->quiet)
    return;
  printf("%9s %9s %9s  PATH\n", survey->evicts ? "EVICTED" : "RESIDENT", survey->evicts ? "REMAINS" : "SIZE",
         survey->evicts ? "SIZE" : "SHARE");
}

static void print_bar(double share) {
  int full = (int)(share * BAR_CELLS + 0.5);
  printf("  " GREEN "%.*s" COLOR_END "%.*s", full, "##########", BAR_CELLS - full, "..........");
}

static void print_status_row(const file_survey *survey, const file_residency *now, uint64_t size) {
  char size_text[TEXT_AMOUNT_SIZE], now_text[TEXT_AMOUNT_SIZE], share_text[TEXT_AMOUNT_SIZE] = "-";
  text_amount(size_text, (double)size);
  amount_or_unknown(now_text, now);
  bool has_share = size > 0 && now->reason == NULL;
  double share = has_share ? (double)now->bytes / (double)size : 0;
  /* Rounded down: 100% is all of it. */
  if (has_share)
    snprintf(share_text, sizeof share_text, "%u%%", (unsigned)(share * 100));
  printf("%9s %9s %9s", now_text, size_text, share_text);
  if (survey->has_color && has_share)
    print_bar(share);
  else if (survey->has_color)
    printf("  %*s", BAR_CELLS, "");
}

static void print_evict_row(const file_residency *before, const file_residency *now, uint64_t size) {
  char size_text[TEXT_AMOUNT_SIZE], now_text[TEXT_AMOUNT_SIZE], gone_text[TEXT_AMOUNT_SIZE];
  file_residency gone = evicted(before, now);
  text_amount(size_text, (double)size);
  amount_or_unknown(now_text, now);
  amount_or_unknown(gone_text, &gone);
  printf("%9s %9s %9s", gone_text, now_text, size_text);
}

static void print_row(const file_survey *survey, const file_residency *before, const file_residency *now, uint64_t size,
                      const char *name) {
  if (survey->evicts)
    print_evict_row(before, now, size);
  else
    print_status_row(survey, now, size);
  fputs("  ", stdout);
  system_print(stdout, name);
  if (now->reason != NULL)
    printf(" (%s)", now->reason);
  putchar('\n');
}

static void tell(const file_survey *survey, const file_finding *finding) {
  const cli_options *options = survey->options;
  if (options->json) {
    print_json(survey, finding);
  } else if (finding->is_failed) {
    report_failure(&finding->why);
  } else if (!options->quiet) {
    char *name = text_visible(finding->path);
    if (options->plain)
      print_plain(survey, finding, name);
    else
      print_row(survey, &finding->before, &finding->now, finding->size, name);
    free(name);
    report_printed();
  }
}

static void tell_totals(const file_survey *survey) {
  if (survey->options->json) {
    print_totals_json(survey);
  } else if (!survey->options->plain && !survey->options->quiet) {
    char name[96];
    snprintf(name, sizeof name, "total of %zu %s, %zu unknown, %zu failed", survey->files,
             survey->files == 1 ? "file" : "files", survey->unknown, survey->failed);
    file_residency before = {survey->before, NULL};
    file_residency now = {survey->now, NULL};
    print_row(survey, &before, &now, survey->size, name);
    report_printed();
  }
}

/* ---- */

static bool survey_file(void *context, const char *path, int code) {
  file_survey *survey = context;
  if (path == NULL)
    return true;
  file_finding finding = {.path = path, .file = -1};
  if (code >= 0) {
    find(&finding, survey->evicts);
  } else {
    finding.is_failed = true;
    finding.why = report_failure_at(path, code);
  }
  survey->files++;
  if (finding.is_failed) {
    survey->failed++;
  } else if (finding.before.reason != NULL || finding.now.reason != NULL) {
    survey->unknown++;
  } else {
    survey->size += finding.size;
    survey->before += finding.before.bytes;
    survey->now += finding.now.bytes;
  }
  tell(survey, &finding);
  premap_close(finding.file);
  return !ferror(stdout);
}

static int take_survey(const cli_options *options, bool evicts) {
  /* Without shares there are no bars to colour. */
  bool has_color = report_has_color() && system_reaches_cache();
  file_survey survey = {.options = options, .evicts = evicts, .has_color = has_color};
  print_header(&survey);
  names_visit(options, survey_file, &survey);
  tell_totals(&survey);
  bool written = report_end();
  return written && survey.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_status(const cli_options *options) {
  return take_survey(options, false);
}

int command_evict(const cli_options *options) {
  return take_survey(options, true);
}

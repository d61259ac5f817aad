/* SPDX-License-Identifier: MIT
 *
 * load_report.c - see load_report.h.
 */
#include "load_report.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "text.h"

static cli_failure failure_of(const char *path, premap_file file, const premap_file_info *info, bool timed_out) {
  if (file < 0)
    return report_failure_at(path, (int)file);
  if (!timed_out || info->error != PREMAP_ECANCELED)
    return report_failure_of(path, file);
  cli_failure why = report_failure_at(path, PREMAP_ETIMEDOUT);
  why.step = PREMAP_STEP_NONE;
  return why;
}

static json_t *backing_json(uint32_t backing) {
  if (backing == PREMAP_BACKING_MAPPED)
    return json_string("mapped");
  return backing == PREMAP_BACKING_COPIED ? json_string("copied") : json_null();
}

static void print_json(const char *path, const premap_file_info *info, const cli_failure *why) {
  bool is_ready = info->state == PREMAP_READY;
  json_t *fields = json_object();
  report_set(fields, "state", json_string(is_ready ? "ready" : "failed"));
  report_set(fields, "size", json_integer((json_int_t)(is_ready ? info->length : info->file_size)));
  report_set(fields, "present", json_integer((json_int_t)info->present));
  report_set(fields, "assisted", json_boolean(info->assisted != 0));
  report_set(fields, "file_size", json_integer((json_int_t)info->file_size));
  report_set(fields, "offset", json_integer((json_int_t)info->offset));
  report_set(fields, "backing", backing_json(is_ready ? info->backing : PREMAP_BACKING_AUTO));
  report_set(fields, "strategy", json_string(info->strategy));
  report_set(fields, "reason", json_string(info->reason));
  report_set(fields, "partial", json_boolean(info->partial != 0));
  report_set(fields, "error", is_ready ? json_null() : report_failure_json(why));
  report_set(fields, "seconds", json_real((double)info->load_ns / 1e9));
  report_set(fields, "queue_seconds", json_real((double)info->queue_ns / 1e9));
  report_json(path, fields);
}

static void warn_of_partial(const char *path, const premap_file_info *info) {
  char present[TEXT_AMOUNT_SIZE], length[TEXT_AMOUNT_SIZE];
  text_amount(present, (double)info->present);
  text_amount(length, (double)info->length);
  char *name = text_visible(path);
  size_t capacity = strlen(name) + strlen(info->reason) + 128;
  char *text = text_allocate(capacity);
  snprintf(text, capacity, "'%s': only %s of %s brought into memory: %s", name, present, length, info->reason);
  report_complaint(text);
  free(text);
  free(name);
}

void load_report_file(load_totals *totals, const cli_options *options, const char *path, premap_file file, bool timed_out) {
  premap_file_info info = PREMAP_FILE_INFO_INIT;
  info.state = PREMAP_FAILED;
  info.strategy = "none";
  info.reason = "";
  if (file > 0)
    premap_info(file, &info);
  totals->files++;
  bool is_ready = info.state == PREMAP_READY;
  cli_failure why = is_ready ? (cli_failure){0} : failure_of(path, file, &info, timed_out);
  if (is_ready) {
    totals->ready++;
    totals->bytes += info.length;
  }
  if (options->json)
    print_json(path, &info, &why);
  else if (!is_ready)
    report_failure(&why);
  else if (info.partial != 0)
    warn_of_partial(path, &info);
}

static json_t *touch_json(const load_totals *totals) {
  json_t *touch = json_object();
  report_set(touch, "first_seconds", json_real(totals->first_seconds));
  report_set(touch, "second_seconds", json_real(totals->second_seconds));
  report_set(touch, "faults", json_integer((json_int_t)totals->faults));
  return touch;
}

static void print_totals_json(const load_totals *totals) {
  json_t *fields = json_object();
  report_set(fields, "files", json_integer((json_int_t)totals->files));
  report_set(fields, "ready", json_integer((json_int_t)totals->ready));
  report_set(fields, "failed", json_integer((json_int_t)(totals->files - totals->ready)));
  report_set(fields, "bytes", json_integer((json_int_t)totals->bytes));
  report_set(fields, "seconds", json_real(totals->seconds));
  report_set(fields, "complete", json_boolean(totals->is_complete));
  if (totals->is_touched)
    report_set(fields, "touch", touch_json(totals));
  report_json(NULL, fields);
}

void load_report_totals(const load_totals *totals, const cli_options *options) {
  if (options->json) {
    print_totals_json(totals);
    return;
  }
  if (options->quiet)
    return;
  char bytes[TEXT_AMOUNT_SIZE], rate[TEXT_AMOUNT_SIZE];
  text_amount(bytes, (double)totals->bytes);
  text_amount(rate, totals->seconds > 0 ? (double)totals->bytes / totals->seconds : 0);
  printf("%zu %s, %s in %.2f s (%s/s), %zu failed\n", totals->files, totals->files == 1 ? "file" : "files", bytes,
         totals->seconds, rate, totals->files - totals->ready);
  if (totals->is_touched)
    printf("touched every page: %llu page faults, first pass %.3f s, second pass %.3f s\n", (unsigned long long)totals->faults,
           totals->first_seconds, totals->second_seconds);
  report_printed();
}

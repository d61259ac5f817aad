/* SPDX-License-Identifier: MIT
 *
 * load.c - premap load.
 *
 * Every file is started as soon as its name is known, so that loading goes on while directories are still read. Then they are
 * waited for and reported in the order given, and kept until the last: loaded means that all of them are in memory together.
 * Unless something is to be done with them here, they are only brought into the system's cache.
 */
#include "commands.h"

#include <stdlib.h>

#include <premap/premap.h>

#include "load_report.h"
#include "names.h"
#include "progress.h"
#include "report.h"
#include "system.h"
#include "text.h"

/* How long a wait may keep the progress bar, a signal or the time-out from being looked after. */
#define SLICE_MS 50
#define WORKERS_LEAST 4

typedef struct load_entry {
  char *path;
  premap_file file; /* negative: the code that stands in its place */
} load_entry;

typedef struct load_run {
  const cli_options *options;
  premap_options how;
  load_entry *entries;
  size_t count;
  size_t capacity;
  size_t settled; /* the entries before it are reported, and counted in totals */
  load_totals totals;
  uint64_t started_ns;
  uint64_t deadline_ns; /* UINT64_MAX: none */
  bool timed_out;
  uint64_t expected; /* bytes; counted for the progress bar only */
} load_run;

static bool should_stop(void) {
  return system_signal() != 0 || ferror(stdout);
}

static void cancel_rest(load_run *run) {
  /* From behind, so that nothing moves up in the queue only to be cancelled too. */
  for (size_t i = run->count; i > run->settled; i--)
    if (run->entries[i - 1].file > 0)
      premap_cancel(run->entries[i - 1].file);
}

static void draw_progress(load_run *run) {
  if (!progress_is_due())
    return;
  uint64_t done = run->totals.bytes;
  for (size_t i = run->settled; i < run->count; i++) {
    uint64_t done_of_file = 0;
    if (run->entries[i].file > 0)
      premap_progress(run->entries[i].file, &done_of_file, NULL);
    done += done_of_file;
  }
  progress_draw(done, run->expected, run->settled);
}

static void keep_watch(load_run *run) {
  draw_progress(run);
  if (run->timed_out || system_now_ns() < run->deadline_ns)
    return;
  run->timed_out = true;
  cancel_rest(run);
}

/* ---- Names */

static uint64_t expected_bytes(const premap_options *how, const char *path) {
  uint64_t size = system_file_size(path);
  size = size > how->offset ? size - how->offset : 0;
  return how->length != 0 && how->length < size ? how->length : size;
}

static bool add(void *context, const char *path, int code) {
  load_run *run = context;
  if (path != NULL) {
    if (run->count == run->capacity) {
      run->capacity = run->capacity > 0 ? 2 * run->capacity : 256;
      run->entries = text_reallocate(run->entries, run->capacity * sizeof *run->entries);
    }
    premap_options how = run->how;
    how.flags |= code == SYSTEM_REGULAR ? PREMAP_KNOWN_REGULAR : 0;
    premap_file file = code < 0 ? code : premap_create(path, &how);
    run->entries[run->count++] = (load_entry){text_copy(path), file};
    /* Where no thread can be had for it, the wait for it loads it. */
    if (file > 0)
      (void)premap_start(file);
    if (file > 0 && progress_is_on())
      run->expected += expected_bytes(&run->how, path);
  }
  keep_watch(run);
  return !run->timed_out && !should_stop();
}

/* ---- Results */

static void wait_for(load_run *run, premap_file file) {
  int result = PREMAP_ETIMEDOUT;
  while (premap_state(file) < PREMAP_READY && !should_stop()) {
    keep_watch(run);
    fflush(stdout); /* who reads the results gets all there are before a pause */
    if (result == PREMAP_ETIMEDOUT) {
      result = premap_wait(file, SLICE_MS, NULL);
    } else {
      /* Any other end than the time's means that there are no threads: then this one loads it, or nobody ever will. */
      premap_wait(file, -1, NULL);
      premap_cancel(file);
    }
  }
}

static void settle(load_run *run) {
  for (; run->settled < run->count && !should_stop(); run->settled++) {
    const load_entry *entry = &run->entries[run->settled];
    if (entry->file > 0)
      wait_for(run, entry->file);
    if (should_stop())
      return;
    keep_watch(run);
    load_report_file(&run->totals, run->options, entry->path, entry->file, run->timed_out);
  }
}

/* ---- What may follow */

/* Reads a byte of each page. */
static void touch_region(premap_region region) {
  volatile const unsigned char *bytes = region.data;
  const size_t page_size = system_page_size();
  /* The region may start anywhere in its first page. */
  size_t step = page_size - (uintptr_t)region.data % page_size;
  for (size_t at = 0; at < region.size && system_signal() == 0; at += step, step = page_size)
    (void)bytes[at];
}

static double touch_all(const load_run *run) {
  uint64_t start_ns = system_now_ns();
  premap_region region;
  for (size_t i = 0; i < run->count; i++)
    if (run->entries[i].file > 0 && premap_region_of(run->entries[i].file, &region) == 0)
      touch_region(region);
  return (double)(system_now_ns() - start_ns) / 1e9;
}

static void touch(load_run *run) {
  uint64_t faults = system_page_faults();
  run->totals.first_seconds = touch_all(run);
  run->totals.faults = system_page_faults() - faults;
  run->totals.second_seconds = touch_all(run);
  run->totals.is_touched = true;
}

static void hold(const load_run *run) {
  char bytes[TEXT_AMOUNT_SIZE];
  text_amount(bytes, (double)run->totals.bytes);
  if (!run->options->quiet)
    fprintf(stderr, "premap: holding %zu files, %s, until interrupted\n", run->totals.ready, bytes);
  fflush(stderr);
  system_wait_for_signal();
}

/* ---- */

/* Is nothing wanted here, where it goes when the command ends, but only what stays in the system's cache? */
static bool is_for_others(const cli_options *options) {
  return !options->hold && !options->touch && options->prefault == PREMAP_PREFAULT_POPULATE &&
         options->backing == PREMAP_BACKING_AUTO;
}

static premap_options how_to_load(const cli_options *options) {
  premap_options how = PREMAP_OPTIONS_INIT;
  how.prefault = options->prefault;
  how.backing = options->backing;
  how.flags = options->lock ? PREMAP_LOCK : is_for_others(options) ? PREMAP_CACHE_ONLY : 0;
  how.offset = options->offset;
  how.length = options->length;
  return how;
}

static void begin(load_run *run, const cli_options *options) {
  *run = (load_run){.options = options, .how = how_to_load(options), .started_ns = system_now_ns(), .deadline_ns = UINT64_MAX};
  if (options->timeout_ms >= 0)
    run->deadline_ns = run->started_ns + (uint64_t)options->timeout_ms * 1000000U;
  unsigned processors = system_processors();
  unsigned usual = processors > WORKERS_LEAST ? processors : WORKERS_LEAST;
  system_set_workers(options->workers != 0 ? options->workers : usual, options->workers == 0);
  if (!options->quiet && !options->plain && system_is_terminal(stderr))
    progress_begin();
}

static void end(load_run *run) {
  progress_hide();
  cancel_rest(run);
  for (size_t i = 0; i < run->count; i++) {
    if (run->entries[i].file > 0)
      premap_close(run->entries[i].file);
    free(run->entries[i].path);
  }
  free(run->entries);
}

int command_load(const cli_options *options) {
  load_run run;
  system_catch_signals();
  begin(&run, options);
  run.totals.is_complete = names_visit(options, add, &run);
  settle(&run);
  run.totals.seconds = (double)(system_now_ns() - run.started_ns) / 1e9;
  progress_hide();

  if (!should_stop() && options->touch)
    touch(&run);
  bool written = true;
  if (!should_stop()) {
    load_report_totals(&run.totals, options);
    written = report_end();
    if (!run.totals.is_complete)
      report_complaint("timed out before all names were read");
    if (written && options->hold && run.totals.ready > 0)
      hold(&run);
  } else {
    written = report_end();
  }
  bool all_ready = run.totals.is_complete && run.totals.ready == run.count;
  end(&run);
  if (system_signal() != 0)
    return 128 + system_signal();
  return all_ready && written ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: MIT
 *
 * progress.c - see progress.h.
 */
#include "progress.h"

#include <stdio.h>

#include "system.h"
#include "text.h"

#define REDRAW_NS 100000000U
#define BAR_CELLS_MAX 30
#define LINE_CAPACITY 128

/* The terminal's own progress, in its tab or task bar: OSC 9;4, state 1 with a percentage, state 0 takes it away. */
#define TERMINAL_PROGRESS "\033]9;4;1;%u\033\\"
#define TERMINAL_PROGRESS_END "\033]9;4;0\033\\"
#define ERASE_LINE "\r\033[K"

static struct {
  bool is_on;
  bool is_drawn;
  uint64_t started_ns;
  uint64_t next_ns; /* not drawn again before */
} progress;

void progress_begin(void) {
  progress.is_on = true;
  progress.started_ns = system_now_ns();
  /* What is done at once needs no bar. */
  progress.next_ns = progress.started_ns + REDRAW_NS;
}

bool progress_is_on(void) {
  return progress.is_on;
}

bool progress_is_due(void) {
  return progress.is_on && system_now_ns() >= progress.next_ns;
}

static void remaining_time(char *text, size_t capacity, double seconds) {
  if (seconds < 100 * 3600.0) {
    unsigned whole = (unsigned)(seconds + 0.5);
    if (whole >= 3600)
      snprintf(text, capacity, "%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
    else
      snprintf(text, capacity, "%u:%02u", whole / 60, whole % 60);
  } else {
    snprintf(text, capacity, "-:--");
  }
}

void progress_draw(uint64_t done, uint64_t total, uint64_t files) {
  uint64_t now = system_now_ns();
  double seconds = (double)(now - progress.started_ns) / 1e9;
  double rate = (double)done / seconds;
  if (total < done)
    total = done;
  double share = total > 0 ? (double)done / (double)total : 0;
  unsigned percent = (unsigned)(share * 100);

  char done_text[TEXT_AMOUNT_SIZE], total_text[TEXT_AMOUNT_SIZE], rate_text[TEXT_AMOUNT_SIZE], left_text[16];
  text_amount(done_text, (double)done);
  text_amount(total_text, (double)total);
  text_amount(rate_text, rate);
  remaining_time(left_text, sizeof left_text, rate > 0 ? (double)(total - done) / rate : 1e9);
  char line[LINE_CAPACITY];
  int length = snprintf(line, sizeof line, "%3u%%  %s of %s  %s/s  ETA %s  %llu files", percent, done_text, total_text,
                        rate_text, left_text, (unsigned long long)files);

  /* A line that wraps could not be erased; the last column is left free, since some terminals wrap on it. */
  int columns = (int)system_terminal_columns(stderr) - 1;
  int cells = columns - length - 3;
  if (cells > BAR_CELLS_MAX)
    cells = BAR_CELLS_MAX;
  fprintf(stderr, ERASE_LINE TERMINAL_PROGRESS, percent);
  if (cells >= 5) {
    int full = (int)(share * cells);
    static const char hashes[] = "##############################";
    static const char dots[] = "..............................";
    _Static_assert(sizeof hashes > BAR_CELLS_MAX && sizeof dots > BAR_CELLS_MAX, "a bar's cells are cut from these");
    fprintf(stderr, "[%.*s%.*s] ", full, hashes, cells - full, dots);
  }
  fprintf(stderr, "%.*s", columns > 0 ? columns : 0, line);
  fflush(stderr);
  progress.is_drawn = true;
  progress.next_ns = now + REDRAW_NS;
}

void progress_hide(void) {
  if (!progress.is_drawn)
    return;
  fputs(ERASE_LINE TERMINAL_PROGRESS_END, stderr);
  fflush(stderr);
  progress.is_drawn = false;
}

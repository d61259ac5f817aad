/* SPDX-License-Identifier: MIT
 *
 * test_change.c - files that others change: after the load, and while it runs. No test here may die of a signal.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

TestSuite(change, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

enum { FILE_SIZE = 4 * MIB };

static premap_file load(const char *name, premap_backing backing, uint32_t flags, premap_region *region) {
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backing, PREMAP_READ_ONLY);
  options.flags = flags;
  premap_file handle = premap_load(name, &options, region);
  cr_assert_gt(handle, 0, "%s", premap_err_name((int)handle));
  return handle;
}

/* ---- After the load */

Test(change, copy_out_gives_the_bytes, .description = "any range, by each backing") {
  path file = make_file("file", FILE_SIZE, 1);
  unsigned char *buffer = malloc(FILE_SIZE);
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_file handle = load(file.text, (premap_backing)backing, 0, NULL);
    const size_t ranges[][2] = {{0, FILE_SIZE}, {1, FILE_SIZE - 1}, {4095, 2}, {FILE_SIZE - 1, 1}, {77, 0}, {FILE_SIZE, 0}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
      memset(buffer, 0xee, FILE_SIZE);
      cr_expect_eq(premap_copy_out(handle, ranges[i][0], buffer, ranges[i][1]), 0, "range %zu", i);
      cr_expect(pattern_equals(buffer, ranges[i][1], 1, ranges[i][0]));
      if (ranges[i][1] < FILE_SIZE)
        cr_expect_eq(buffer[ranges[i][1]], 0xee);
    }
    cr_expect_eq(premap_close(handle), 0);
  }
  free(buffer);
}

static void need_mapped_files_to_shrink(void) {
  if (mapped_files_are_held)
    cr_skip_test("SKIPPED: this system refuses to shorten a mapped file");
}

Test(change, truncated_mappings_fail_without_a_signal,
     .description = "beyond the new end copy_out and populate are ECHANGED; before it all is well") {
  need_mapped_files_to_shrink();
  path file = path_of("file");
  unsigned char *buffer = malloc(FILE_SIZE);
  for (uint32_t keep = 0; keep <= PREMAP_KEEP_OPEN; keep += PREMAP_KEEP_OPEN) {
    make_file("file", FILE_SIZE, 1);
    premap_file handle = load(file.text, PREMAP_BACKING_MAPPED, keep, NULL);
    cr_assert_eq(set_size(file.text, MIB), 0);
    cr_expect_eq(premap_copy_out(handle, 0, buffer, FILE_SIZE), PREMAP_ECHANGED);
    cr_expect_eq(premap_copy_out(handle, FILE_SIZE - 1, buffer, 1), PREMAP_ECHANGED);
    cr_expect_eq(premap_copy_out(handle, 0, buffer, MIB), 0);
    cr_expect(pattern_equals(buffer, MIB, 1, 0));
    cr_expect_eq(premap_populate(handle, 0, 0), PREMAP_ECHANGED);
    cr_expect_eq(premap_populate(handle, 0, MIB), 0);
    cr_expect_eq(premap_check(handle), PREMAP_ECHANGED);
    cr_expect_eq(premap_close(handle), 0);
  }
  free(buffer);
}

Test(change, copies_survive_truncation, .description = "a copied region keeps its bytes when the file is emptied") {
  path file = make_file("file", FILE_SIZE, 1);
  premap_region region;
  premap_file handle = load(file.text, PREMAP_BACKING_COPIED, 0, &region);
  cr_assert_eq(set_size(file.text, 0), 0);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_check(handle), PREMAP_ECHANGED);
  cr_expect_eq(premap_close(handle), 0);
}

static int grow(const char *name) {
  return set_size(name, FILE_SIZE + 1);
}

static int rewrite(const char *name) {
  int result = write_at(name, 0, "x", 1);
  /* The clock of file times may not have ticked since the load. */
  return result == 0 ? set_time(name, 1) : result;
}

static int replace(const char *name) {
  return rename_file(make_file("other", FILE_SIZE, 1).text, name);
}

static int move_away(const char *name) {
  return rename_file(name, path_of("away").text);
}

Test(change, check_sees_every_change,
     .description = "nothing, size, content, another file of that name: 0 or ECHANGED; gone: ENOENT") {
  static const struct {
    int (*change)(const char *name);
    int by_path, by_descriptor;
  } changes[] = {{grow, PREMAP_ECHANGED, PREMAP_ECHANGED},
                 {rewrite, PREMAP_ECHANGED, PREMAP_ECHANGED},
                 {replace, PREMAP_ECHANGED, PREMAP_ECHANGED},
                 {move_away, PREMAP_ENOENT, PREMAP_ECHANGED}};
  for (size_t i = 0; i < 4 * 4; i++) {
    path file = make_file("file", FILE_SIZE, 1);
    uint32_t keep = i % 2 == 0 ? 0 : PREMAP_KEEP_OPEN;
    premap_backing backing = i / 2 % 2 == 0 ? PREMAP_BACKING_MAPPED : PREMAP_BACKING_COPIED;
    premap_file handle = load(file.text, backing, keep, NULL);
    cr_expect_eq(premap_check(handle), 0);
    bool is_held = mapped_files_are_held && (backing == PREMAP_BACKING_MAPPED || keep != 0);
    bool is_refused = changes[i / 4].change(file.text) != 0;
    cr_expect(!is_refused || (is_held && changes[i / 4].change == replace), "change %zu", i / 4);
    int result = premap_check(handle), expected = keep == 0 ? changes[i / 4].by_path : changes[i / 4].by_descriptor;
    if (is_refused)
      expected = 0;
    /* Whether moving a file away changes the file's own times is the file system's choice. */
    bool may_be_same = changes[i / 4].change == move_away && keep != 0 && result == 0;
    cr_expect(result == expected || may_be_same, "change %zu: %s", i / 4, premap_err_name(result));
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(change, writing_through_the_region_counts,
     .description = "check after writing and flushing a read-write file's region is ECHANGED") {
  path file = make_file("file", FILE_SIZE, 1);
  cr_assert_eq(set_time(file.text, 1), 0);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_expect_eq(premap_check(handle), 0);
  memset(region.data, 'x', 10);
  cr_expect_eq(premap_flush(handle, 0, 0), 0);
  cr_expect_eq(premap_check(handle), PREMAP_ECHANGED);
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- While it loads */

Test(change, between_create_and_wait,
     .description = "the size is that of the moment of loading: emptied, cut and grown files are ready") {
  path file = make_file("file", FILE_SIZE, 1);
  const size_t sizes[] = {0, 1000, MIB + 1, 2 * FILE_SIZE};
  for (size_t i = 0; i < 4; i++) {
    premap_file handle = premap_create(file.text, NULL);
    cr_assert_eq(set_size(file.text, sizes[i]), 0);
    premap_region region = {NULL, 1};
    cr_expect_eq(premap_wait(handle, -1, &region), 0);
    cr_expect_eq(region.size, sizes[i]);
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(change, truncated_between_two_chunks,
     .description = "ECHANGED at step populate or read, at the byte that is gone, by each backing") {
  uint32_t first = mapped_files_are_held ? PREMAP_BACKING_COPIED : PREMAP_BACKING_MAPPED;
  for (uint32_t backing = first; backing <= PREMAP_BACKING_COPIED; backing++) {
    path file = make_file("file", FILE_SIZE, 1);
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
    options.pause_us = PREMAP_PAUSE_MAX_US;
    premap_file handle = premap_open(file.text, &options);
    uint64_t done = 0;
    while (done == 0 && premap_progress(handle, &done, NULL) == 0)
      async_yield();
    cr_assert_eq(set_size(file.text, 0), 0);
    cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ECHANGED);
    premap_file_info info = info_of(handle);
    bool mapped = backing == PREMAP_BACKING_MAPPED;
    cr_expect_eq(info.step, (uint32_t)(mapped ? PREMAP_STEP_POPULATE : PREMAP_STEP_READ));
    cr_expect(info.error_offset >= done && info.error_offset < FILE_SIZE && info.error_offset % PREMAP_CHUNK_SIZE_MIN == 0);
    cr_expect_eq(premap_close(handle), 0);
  }
}

typedef struct racing {
  path file;
  size_t size;              /* the writer sets the file to this size and back */
  _Atomic unsigned readers; /* that are not */
  _Atomic unsigned ready, changed;
  _Atomic int unexpected; /* the last result that may not be */
} racing;

enum { ROUNDS = 300, READERS = 3 };

static void load_while_changed(racing *all, unsigned index, unsigned round) {
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)((round + index) % 3), PREMAP_READ_ONLY);
  options.offset = round % 4 == 3 ? FILE_SIZE - 5 : 0;
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  premap_file handle = premap_open(all->file.text, &options);
  premap_region region = {NULL, 0};
  int result = premap_wait(handle, round % 2 == 0 ? -1 : INT64_MAX, &region);
  if (result == 0)
    all->ready++;
  else if (result == PREMAP_ECHANGED || result == PREMAP_EIO || result == PREMAP_ERANGE)
    all->changed++;
  else
    all->unexpected = result;
  if (result == 0 && region.size > 0) {
    unsigned char byte;
    int copied = premap_copy_out(handle, region.size - 1, &byte, 1);
    if (copied != 0 && copied != PREMAP_ECHANGED && copied != PREMAP_EIO)
      all->unexpected = copied;
  }
  if (premap_close(handle) != 0)
    all->unexpected = PREMAP_EBADF;
}

static void race(void *shared, unsigned index) {
  racing *all = shared;
  for (unsigned round = 0; index > 0 && round < rounds_of(ROUNDS); round++)
    load_while_changed(all, index, round);
  if (index > 0) {
    all->readers--;
    return;
  }
  unsigned state = 1;
  while (all->readers > 0) {
    state = state * 1103515245 + 12345;
    int result = set_size(all->file.text, all->size + state / 65536 % 1024 * 4001);
    int restored = set_size(all->file.text, FILE_SIZE);
    if ((result != 0 || restored != 0) && !mapped_files_are_held)
      all->unexpected = PREMAP_UNKNOWN;
    async_yield();
  }
}

static void expect_survival(size_t size) {
  static racing all;
  all.file = make_file("file", FILE_SIZE, 1);
  all.size = size;
  all.readers = READERS;
  run_threads(1 + READERS, race, &all);
  cr_expect_eq(all.unexpected, 0, "%s", premap_err_name(all.unexpected));
  cr_expect_eq(all.ready + all.changed, rounds_of(ROUNDS) * READERS);
  cr_log_info("%u ready, %u failed", all.ready, all.changed);
}

Test(change, truncated_while_it_loads,
     .description = "shrinking under the load: ready, ECHANGED, EIO or ERANGE, never a signal") {
  expect_survival(0);
}

Test(change, grown_while_it_loads, .description = "growing under the load: ready with a size of its own, never a signal") {
  expect_survival(FILE_SIZE);
}

/* SPDX-License-Identifier: MIT
 *
 * test_lock.c - pages kept in memory, as the system counts them.
 */
#include "support.h"

#include <stdio.h>

TestSuite(lock, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* Bytes of the whole pages that these regions touch, each page counted once. */
static size_t pages_under(const premap_region *regions, size_t count) {
  uintptr_t seen[512];
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    if (regions[i].size == 0)
      continue;
    uintptr_t last = ((uintptr_t)regions[i].data + regions[i].size - 1) / page_size();
    for (uintptr_t page = (uintptr_t)regions[i].data / page_size(); page <= last; page++) {
      size_t j = 0;
      while (j < found && seen[j] != page)
        j++;
      cr_assert_lt(j, sizeof seen / sizeof seen[0]);
      seen[j] = page;
      found += j == found;
    }
  }
  return found * page_size();
}

Test(lock, locks_are_taken_and_given_back,
     .description = "whether the system counts them or not: the option, lock and unlock succeed, and the bytes are right") {
  const size_t sizes[] = {1, 5000, 300 * KIB, MIB + 1};
  for (size_t i = 0; i < 12; i++) {
    path file = make_file("file", sizes[i / 3], 1);
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)(i % 3), PREMAP_READ_ONLY);
    options.flags = i % 2 == 0 ? PREMAP_LOCK : 0;
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0, "%s", premap_err_name((int)handle));
    cr_expect_eq(premap_lock(handle, 0, 0), 0);
    cr_expect_eq(premap_lock(handle, sizes[i / 3] / 2, 1), 0);
    cr_expect(pattern_equals(region.data, region.size, 1, 0));
    for (int times = 0; times < 2; times++)
      cr_expect_eq(premap_unlock(handle, 0, 0), 0);
    cr_expect(pattern_equals(region.data, region.size, 1, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(lock, the_option_locks_before_ready,
     .description = "PREMAP_LOCK: mapped and copied files of any size are locked when ready, and no more when closed") {
  need_locked_bytes();
  const size_t sizes[] = {1, 5000, 300 * KIB, MIB + 1};
  for (size_t i = 0; i < 12; i++) {
    path file = make_file("file", sizes[i / 3], 1);
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)(i % 3), PREMAP_READ_ONLY);
    options.flags = PREMAP_LOCK;
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0, "%s", premap_err_name((int)handle));
    cr_expect_eq(locked_bytes(), pages_under(&region, 1), "size %zu backing %zu", sizes[i / 3], i % 3);
    cr_expect(pattern_equals(region.data, region.size, 1, 0));
    cr_expect_eq(premap_close(handle), 0);
    cr_expect_eq(locked_bytes(), 0);
  }
}

Test(lock, ranges_are_locked_by_pages,
     .description = "lock and unlock of ranges of a mapped file at any byte; locks do not nest") {
  need_locked_bytes();
  path file = make_file("file", MIB, 1);
  premap_region region;
  premap_file handle = premap_load(file.text, NULL, &region);
  premap_region part = {(char *)region.data + 5000, 10000};
  cr_expect_eq(premap_lock(handle, 5000, 10000), 0);
  cr_expect_eq(premap_lock(handle, 5000, 10000), 0);
  cr_expect_eq(locked_bytes(), pages_under(&part, 1));
  cr_expect_eq(premap_unlock(handle, 5000, 10000), 0);
  cr_expect_eq(locked_bytes(), 0);
  cr_expect_eq(premap_lock(handle, 0, 0), 0);
  cr_expect_eq(locked_bytes(), MIB);
  cr_expect_eq(premap_unlock(handle, 0, 0), 0);
  cr_expect_eq(premap_unlock(handle, 0, 0), 0);
  cr_expect_eq(locked_bytes(), 0);
  cr_expect_eq(premap_close(handle), 0);
}

Test(lock, locking_copies_nothing, .description = "the pages of a locked copy-on-write file are still the file's own") {
  need_presence();
  need_locked_bytes();
  if (!has_system_calls())
    cr_skip_test("SKIPPED: mlock alone copies such pages");
  if (has_valgrind())
    cr_skip_test("SKIPPED: valgrind lacks mlock2, and mlock alone copies such pages");
  path file = make_file("file", MIB, 1);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_COPY_ON_WRITE);
  options.flags = PREMAP_LOCK;
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_assert_gt(handle, 0);
  cr_expect_eq(locked_bytes(), MIB);
  cr_expect_eq(present_bytes(&region, true), MIB);
  cr_expect_eq(premap_close(handle), 0);
}

enum { SMALL = 64 };

static void load_small(premap_file *files, premap_region *regions) {
  path file = make_file("file", 700, 1);
  for (size_t i = 0; i < SMALL; i++) {
    files[i] = premap_load(file.text, NULL, &regions[i]);
    cr_assert_gt(files[i], 0);
  }
}

Test(lock, copies_that_share_pages_stay_locked,
     .description = "unlocking or closing one small copy never unlocks a page of another") {
  need_locked_bytes();
  premap_file files[SMALL];
  premap_region regions[SMALL];
  load_small(files, regions);
  cr_assert_lt(pages_under(regions, SMALL), SMALL * page_size(), "no two copies share a page: the test would show nothing");
  for (size_t i = 0; i < SMALL; i++) {
    cr_expect_eq(premap_lock(files[i], i % 3, i % 2), 0);
    cr_expect_eq(locked_bytes(), pages_under(regions, i + 1));
  }
  for (size_t i = 0; i < SMALL; i++) {
    size_t victim = i * 37 % SMALL; /* in no order */
    cr_expect_eq(i % 2 == 0 ? premap_unlock(files[victim], 0, 0) : premap_close(files[victim]), 0);
    if (i % 2 == 0)
      cr_expect_eq(premap_close(files[victim]), 0);
    regions[victim].size = 0;
    cr_expect_eq(locked_bytes(), pages_under(regions, SMALL), "after %zu", i);
  }
  cr_expect_eq(locked_bytes(), 0);
}

Test(lock, copies_are_locked_once,
     .description = "a small copy locked twice is unlocked by one unlock, and two unlocks are not one too many") {
  need_locked_bytes();
  premap_file files[SMALL];
  premap_region regions[SMALL];
  load_small(files, regions);
  cr_expect_eq(premap_lock(files[0], 0, 0), 0);
  cr_expect_eq(premap_lock(files[0], 0, 0), 0);
  cr_expect_eq(premap_lock(files[1], 0, 0), 0);
  cr_expect_eq(premap_unlock(files[0], 0, 0), 0);
  cr_expect_eq(premap_unlock(files[0], 0, 0), 0);
  cr_expect_eq(locked_bytes(), pages_under(regions + 1, 1));
  for (size_t i = 0; i < SMALL; i++)
    cr_expect_eq(premap_close(files[i]), 0);
  cr_expect_eq(locked_bytes(), 0);
}

/* ---- The system's limit */

static void expect_refused(int result) {
  cr_expect(result == PREMAP_ENOMEM || result == PREMAP_EPERM, "%s", premap_err_name(result));
}

static void expect_lock_fails(const char *name, premap_backing backing) {
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backing, PREMAP_READ_ONLY);
  options.flags = PREMAP_LOCK;
  premap_file handle = premap_open(name, &options);
  int result = premap_wait(handle, -1, NULL);
  expect_refused(result);
  premap_file_info info = info_of(handle);
  cr_expect_eq(info.step, PREMAP_STEP_LOCK);
  cr_expect_neq(info.os_error, 0);
  char rest[128];
  snprintf(rest, sizeof rest, ": %s (%s)", premap_strerror(result), premap_err_name(result));
  expect_message(handle, "lock", name, rest);
  cr_expect_eq(premap_close(handle), 0);
  options.flags = 0;
  premap_region region;
  handle = premap_load(name, &options, &region);
  expect_refused(premap_lock(handle, 0, 0));
  cr_expect(pattern_equals(region.data, region.size, 1, 0), "the file stays as it was");
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(locked_bytes(), 0);
}

Test(lock, beyond_the_limit_it_fails,
     .description = "ENOMEM or EPERM at step lock for a load, from premap_lock for a ready file, and no lock is left") {
  need_locked_bytes();
  path file = make_file("file", 2 * MIB, 1);
  need_lock_limit(MIB);
  expect_lock_fails(file.text, PREMAP_BACKING_MAPPED);
  expect_lock_fails(file.text, PREMAP_BACKING_COPIED);
}

Test(lock, without_any_right_it_fails, .description = "the same with a limit of nothing, for small copies too") {
  need_locked_bytes();
  path file = make_file("file", 700, 1);
  need_lock_limit(0);
  expect_lock_fails(file.text, PREMAP_BACKING_MAPPED);
  expect_lock_fails(file.text, PREMAP_BACKING_COPIED);
}

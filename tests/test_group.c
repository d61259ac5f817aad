/* SPDX-License-Identifier: MIT
 *
 * test_group.c - many files with one progress and one end: what is added, given, counted, cancelled and closed.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>

TestSuite(group, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

static const int64_t minute_ms = 60000;

static premap_group *group_with(const premap_options *options) {
  premap_group *group = NULL;
  cr_assert_eq(premap_group_create(&group, options), 0);
  return group;
}

static path make_numbered(int number, size_t size) {
  char name[32];
  snprintf(name, sizeof name, "file%d", number);
  return make_file(name, size, (uint32_t)number);
}

static premap_file add(premap_group *group, const char *name) {
  premap_file file = premap_group_add(group, name);
  cr_assert_gt(file, 0, "%s: %s", name, premap_strerror((int)file));
  return file;
}

static premap_group_progress progress_of(premap_group *group) {
  premap_group_progress progress = {.size = sizeof progress};
  cr_assert_eq(premap_group_progress_of(group, &progress), 0);
  return progress;
}

static void expect_bytes(premap_file file, size_t size, uint32_t seed) {
  premap_region region;
  cr_assert_eq(premap_region_of(file, &region), 0);
  cr_expect_eq(region.size, size);
  cr_expect(pattern_equals(region.data, size, seed, 0));
}

/* Keeps the only thread of the pool busy until it is closed. */
static premap_file keep_pool_busy(void) {
  set_pool_size("1");
  premap_options slow = slow_options();
  slow.priority = PREMAP_PRIORITY_MAX;
  premap_file file = premap_open(make_file("gate", SLOW_SIZE, 1).text, &slow);
  cr_assert(reaches_state(file, PREMAP_LOADING));
  return file;
}

/* ---- Add, start, wait */

Test(group, all_are_loaded, .description = "copied, mapped and empty ones; then the progress is whole") {
  static const size_t sizes[] = {1, 4096, 0, 300 * KIB, 3 * MIB + 5};
  premap_group *group = group_with(NULL);
  premap_file files[5];
  for (int i = 0; i < 5; i++)
    files[i] = add(group, make_numbered(i, sizes[i]).text);
  cr_expect_eq(premap_state(files[0]), PREMAP_PENDING);
  premap_group_progress before = progress_of(group);
  cr_expect(before.files == 5 && before.files_ended == 0 && before.bytes_total == 0 && before.left_ms < 0);
  cr_expect_eq(premap_group_start(group), 0);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  for (int i = 0; i < 5; i++)
    expect_bytes(files[i], sizes[i], (uint32_t)i);
  premap_group_progress after = progress_of(group);
  cr_expect(after.files == 5 && after.files_ended == 5 && after.files_failed == 0);
  cr_expect_eq(after.bytes_total, 1 + 4096 + 300 * KIB + 3 * MIB + 5);
  cr_expect_eq(after.bytes_done, after.bytes_total);
  cr_expect_eq(after.left_ms, 0);
  premap_group_close(group);
  cr_expect_eq(premap_state(files[0]), PREMAP_EBADF);
}

Test(group, what_is_added_later_starts_at_once, .description = "once the group was started") {
  premap_group *group = group_with(NULL);
  cr_expect_eq(premap_group_start(group), 0);
  premap_file file = add(group, make_numbered(1, 100).text);
  cr_expect(reaches_state(file, PREMAP_READY));
  premap_group_close(group);
}

Test(group, beneath_holds_for_all, .description = "also for what is added when all before it have ended") {
  cr_assert_eq(make_directory(path_of("top").text), 0);
  make_file("top/file", 100, 1);
  path outside = make_file("secret", 100, 2);
  uv_file top = open_own(path_of("top").text, UV_FS_O_RDONLY);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_BENEATH;
  options.beneath = descriptor_of(top);
  premap_group *group = group_with(&options);
  close_own(top);
  for (int i = 0; i < 2; i++) {
    premap_file inside = add(group, "file");
    cr_expect_eq(premap_wait(inside, -1, NULL), 0);
    expect_bytes(inside, 100, 1);
    cr_expect_eq(premap_wait(add(group, outside.text), -1, NULL), PREMAP_EXDEV);
    cr_expect_eq(premap_wait(add(group, "../secret"), -1, NULL), PREMAP_EXDEV);
  }
  cr_expect_eq(descriptors_left(), 1, "the group's");
  premap_group_close(group);
  cr_expect_eq(descriptors_left(), 0);
}

Test(group, waiting_starts, .description = "as it does for a single file") {
  premap_group *group = group_with(NULL);
  premap_file file = add(group, make_numbered(1, 100).text);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  expect_bytes(file, 100, 1);
  premap_group_close(group);
}

Test(group, an_empty_group, .description = "has ended, and nothing comes next") {
  premap_group *group = group_with(NULL);
  premap_completion ended;
  cr_expect_eq(premap_group_wait(group, -1), 0);
  cr_expect_eq(premap_group_next(group, -1, &ended), PREMAP_EOF);
  cr_expect_eq(progress_of(group).left_ms, 0);
  premap_group_close(group);
}

Test(group, misuse_is_refused, .description = "null pointers, bad options and bad paths") {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.size = 0;
  premap_group *group = NULL;
  premap_completion ended;
  cr_expect_eq(premap_group_create(NULL, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_group_create(&group, &options), PREMAP_EINVAL);
  cr_expect_null(group);
  cr_expect_eq(premap_group_add(NULL, "x"), PREMAP_EINVAL);
  cr_expect_eq(premap_group_add_directory(NULL, "x"), PREMAP_EINVAL);
  cr_expect_eq(premap_group_start(NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_group_wait(NULL, 0), PREMAP_EINVAL);
  cr_expect_eq(premap_group_next(NULL, 0, &ended), PREMAP_EINVAL);
  cr_expect_eq(premap_group_progress_of(NULL, NULL), PREMAP_EINVAL);
  premap_group_cancel(NULL);
  premap_group_close(NULL);
  group = group_with(NULL);
  cr_expect_eq(premap_group_add(group, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_group_add(group, ""), PREMAP_EINVAL);
  cr_expect_eq(premap_group_add_directory(group, ""), PREMAP_EINVAL);
  cr_expect_eq(premap_group_next(group, 0, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_group_progress_of(group, NULL), PREMAP_EINVAL);
  cr_expect_eq(progress_of(group).files, 0);
  premap_group_close(group);
}

Test(group, the_time_left_is_estimated, .description = "by the rate so far: at a half as much as has passed") {
  premap_options slow = slow_options();
  slow.pause_us = 10 * 1000;
  premap_group *group = group_with(&slow);
  premap_file files[2];
  for (int i = 0; i < 2; i++)
    files[i] = add(group, make_numbered(i, 4 * MIB).text);
  uint64_t began = uv_hrtime();
  cr_expect_eq(premap_group_start(group), 0);
  uint64_t started = uv_hrtime();
  premap_group_progress progress;
  int estimates = 0, wrong = 0;
  do {
    uint64_t before = uv_hrtime() - started;
    uint64_t done[2] = {0, 0}; /* only then the group certainly counts both as measured */
    for (int i = 0; i < 2; i++)
      cr_expect_eq(premap_progress(files[i], &done[i], NULL), 0);
    progress = progress_of(group);
    uint64_t after = uv_hrtime() - began;
    bool is_known = done[0] > 0 && done[1] > 0 && progress.files_ended < 2;
    if (is_known) {
      double ratio = (double)(8 * MIB - progress.bytes_done) / (double)progress.bytes_done;
      estimates++;
      cr_expect_eq(progress.bytes_total, 8 * MIB);
      wrong += (double)progress.left_ms > (double)after / 1e6 * ratio + 1 ||
               (double)progress.left_ms < (double)before / 1e6 * ratio * 0.5 - 2;
    }
    async_yield();
  } while (progress.files_ended < 2);
  cr_expect_gt(estimates, 0);
  cr_expect_eq(wrong, 0, "%d of %d", wrong, estimates);
  premap_group_close(group);
}

/* ---- The pool is busy */

Test(group, time_runs_out, .description = "waits and next give ETIMEDOUT, and lose nothing") {
  premap_file gate = keep_pool_busy();
  premap_group *group = group_with(NULL);
  add(group, make_numbered(1, 100).text);
  premap_completion ended;
  cr_expect_eq(premap_group_wait(group, 0), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_group_wait(group, 5), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_group_next(group, 0, &ended), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_group_next(group, 5, &ended), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_close(gate), 0);
  cr_expect_eq(premap_group_next(group, minute_ms, &ended), 0);
  cr_expect_eq(ended.result, 0);
  premap_group_close(group);
}

Test(group, who_waits_for_ever_works, .description = "for all and for the next, when no thread of the pool is free") {
  premap_file gate = keep_pool_busy();
  premap_group *group = group_with(NULL);
  premap_file first = add(group, make_numbered(1, 100).text);
  premap_completion ended;
  cr_expect_eq(premap_group_next(group, -1, &ended), 0);
  cr_expect_eq(ended.file, first);
  premap_file second = add(group, make_numbered(2, 400 * KIB).text);
  premap_file third = add(group, make_numbered(3, 200).text);
  cr_expect_eq(premap_group_wait(group, -1), 0);
  expect_bytes(second, 400 * KIB, 2);
  expect_bytes(third, 200, 3);
  premap_group_close(group);
  cr_expect_eq(premap_close(gate), 0);
}

/* ---- Next */

Test(group, next_gives_them_in_order_of_their_ends,
     .description = "each once, with the user's data; then EOF, until more is added") {
  premap_file gate = keep_pool_busy();
  premap_options options = PREMAP_OPTIONS_INIT;
  options.user_data = &options;
  premap_group *group = group_with(&options);
  premap_file files[3];
  for (int i = 0; i < 3; i++)
    files[i] = add(group, make_numbered(i, 100).text);
  cr_expect_eq(premap_group_start(group), 0);
  cr_expect_eq(premap_set_priority(files[1], 1), 0);
  cr_expect_eq(premap_set_priority(files[0], -1), 0);
  cr_expect_eq(premap_close(gate), 0);
  const int order[] = {1, 2, 0};
  premap_completion ended;
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(premap_group_next(group, minute_ms, &ended), 0);
    cr_expect_eq(ended.file, files[order[i]]);
    cr_expect_eq(ended.result, 0);
    cr_expect_eq(ended.user_data, &options);
  }
  cr_expect_eq(premap_group_next(group, minute_ms, &ended), PREMAP_EOF);
  premap_file more = add(group, make_numbered(7, 100).text);
  cr_expect_eq(premap_group_next(group, minute_ms, &ended), 0);
  cr_expect_eq(ended.file, more);
  premap_group_close(group);
}

typedef struct takers {
  premap_group *group;
  atomic_int given[200];
  atomic_int wrong;
  premap_file first;
} takers;

static void take_all(void *shared, unsigned index) {
  takers *of = shared;
  premap_completion ended;
  int code;
  (void)index;
  while ((code = premap_group_next(of->group, minute_ms, &ended)) == 0) {
    char message[8];
    of->wrong += ended.result != 0 || premap_error_message(ended.file, message, sizeof message) != 0;
    premap_region region;
    of->wrong += premap_region_of(ended.file, &region) != 0 || region.size != 256;
    atomic_fetch_add(&of->given[*(unsigned char *)region.data], 1);
    of->wrong += premap_close(ended.file) != 0;
  }
  of->wrong += code != PREMAP_EOF;
}

Test(group, many_threads_take, .description = "each file is given to one of them, which may close it") {
  static takers of;
  of.group = group_with(NULL);
  for (int i = 0; i < 200; i++) {
    char name[32];
    snprintf(name, sizeof name, "taken%d", i);
    unsigned char number = (unsigned char)i;
    path made = make_file(name, 256, 0);
    cr_assert_eq(write_at(made.text, 0, &number, 1), 0);
    add(of.group, made.text);
  }
  run_threads(4, take_all, &of);
  for (int i = 0; i < 200; i++)
    cr_expect_eq(of.given[i], 1, "file %d was given %d times", i, of.given[i]);
  cr_expect_eq(of.wrong, 0);
  premap_group_close(of.group);
}

/* ---- Errors and cancelling */

Test(group, one_error_spoils_only_its_file, .description = "wait gives the first; the message names the file") {
  premap_group *group = group_with(NULL);
  premap_file good = add(group, make_numbered(1, 100).text);
  premap_file missing = add(group, path_of("missing").text);
  cr_expect_eq(premap_group_wait(group, minute_ms), PREMAP_ENOENT);
  expect_bytes(good, 100, 1);
  expect_message(missing, "open", path_of("missing").text, ": no such file or directory (ENOENT)");
  premap_group_progress progress = progress_of(group);
  cr_expect(progress.files == 2 && progress.files_ended == 2 && progress.files_failed == 1);
  premap_group_close(group);
}

Test(group, cancel_ends_all_at_once, .description = "queued, loading, and never started; finished ones stay") {
  premap_options slow = slow_options();
  premap_group *group = group_with(&slow);
  set_pool_size("1");
  premap_file done = add(group, make_numbered(0, 10).text);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  premap_file loading = add(group, make_file("slow", SLOW_SIZE, 1).text);
  cr_assert(reaches_state(loading, PREMAP_LOADING));
  premap_file queued = add(group, make_numbered(2, 10).text);
  premap_group_cancel(group);
  cr_expect_eq(premap_error(loading), PREMAP_ECANCELED);
  cr_expect_eq(premap_error(queued), PREMAP_ECANCELED);
  cr_expect_eq(premap_is_ready(done), 1);
  cr_expect_eq(premap_group_wait(group, 0), PREMAP_ECANCELED);
  cr_expect_eq(progress_of(group).files_failed, 2);
  premap_group_close(group);

  group = group_with(NULL);
  premap_file never = add(group, make_numbered(3, 10).text);
  premap_group_cancel(group);
  cr_expect_eq(premap_error(never), PREMAP_ECANCELED);
  cr_expect_eq(premap_group_wait(group, minute_ms), PREMAP_ECANCELED);
  premap_group_close(group);
}

static void count_end(premap_file file, int result, void *user_data) {
  (void)file;
  atomic_fetch_add((atomic_int *)user_data, result == 0 ? 1 : result == PREMAP_ECANCELED ? 1000 : 1000000);
}

Test(group, callbacks_are_each_file_s, .description = "one for each, cancelled ones too") {
  static atomic_int ends;
  premap_options options = slow_options();
  options.callback = count_end;
  options.user_data = &ends;
  premap_group *group = group_with(&options);
  for (int i = 0; i < 3; i++)
    add(group, make_numbered(i, 10).text);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  add(group, make_file("slow", SLOW_SIZE, 1).text);
  premap_group_cancel(group);
  premap_group_close(group);
  cr_expect_eq(premap_shutdown(minute_ms), 0);
  cr_expect_eq(ends, 1003);
}

/* ---- Close */

Test(group, a_file_can_be_closed_early, .description = "its region goes at once, and next leaves it out") {
  premap_group *group = group_with(NULL);
  premap_file files[3];
  for (int i = 0; i < 3; i++)
    files[i] = add(group, make_numbered(i, MIB).text);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  cr_expect_eq(premap_shutdown(minute_ms), 0); /* no worker has them pinned any more */
  cr_expect_eq(mappings_left(), 3);
  cr_expect_eq(premap_close(files[1]), 0);
  cr_expect_eq(mappings_left(), 2);
  premap_completion ended;
  for (int i = 0; i < 2; i++) {
    cr_expect_eq(premap_group_next(group, 0, &ended), 0);
    cr_expect_neq(ended.file, files[1]);
  }
  cr_expect_eq(premap_group_next(group, 0, &ended), PREMAP_EOF);
  premap_group_close(group);
}

Test(group, what_is_retained_stays, .description = "READY or loading, when its group is closed") {
  premap_options slow = slow_options();
  premap_group *group = group_with(&slow);
  premap_file loaded = add(group, make_numbered(1, 100).text);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  premap_file loading = add(group, make_file("slow", SLOW_SIZE, 1).text);
  cr_assert(reaches_state(loading, PREMAP_LOADING));
  cr_expect_eq(premap_retain(loaded), 0);
  cr_expect_eq(premap_retain(loading), 0);
  premap_group_close(group);
  expect_bytes(loaded, 100, 1);
  cr_expect_eq(premap_state(loading), PREMAP_LOADING);
  cr_expect_eq(premap_close(loaded), 0);
  cr_expect_eq(premap_close(loading), 0);
}

Test(group, closing_in_the_middle, .description = "cancels what loads and what waits, and leaves nothing behind") {
  premap_options slow = slow_options();
  premap_group *group = group_with(&slow);
  premap_file first = add(group, make_file("slow", SLOW_SIZE, 1).text);
  for (int i = 0; i < 50; i++)
    add(group, path_of("slow").text);
  cr_expect_eq(premap_group_start(group), 0);
  cr_assert(reaches_state(first, PREMAP_LOADING));
  premap_group_close(group);
  cr_expect_eq(premap_state(first), PREMAP_EBADF);
}

/* ---- Directories */

Test(group, closing_much_is_shared, .description = "by two threads: all is given back, also where some was retained") {
  enum { FILES = 6, SIZE = 24 * MIB };
  path names[FILES];
  for (int i = 0; i < FILES; i++) {
    char name[32];
    snprintf(name, sizeof name, "large%d", i);
    names[i] = path_of(name);
    cr_assert_eq(make_sparse(names[i].text), 0);
    cr_assert_eq(set_size(names[i].text, SIZE), 0);
  }
  for (int round = 0; round < (int)rounds_of(10); round++) {
    premap_group *group = group_with(NULL);
    premap_file files[FILES];
    for (int i = 0; i < FILES; i++)
      files[i] = add(group, names[i].text);
    cr_expect_eq(premap_group_wait(group, round % 2 == 0 ? -1 : minute_ms), 0);
    cr_expect_eq(premap_retain(files[2]), 0);
    premap_group_close(group);
    cr_expect_eq(premap_shutdown(-1), 0); /* who has just loaded one may still have it */
    premap_loader_metrics metrics = {.size = sizeof metrics};
    cr_expect_eq(premap_metrics(NULL, &metrics), 0);
    cr_expect_eq(metrics.maps, 1);
    cr_expect_eq(metrics.memory, SIZE);
    for (int i = 0; i < FILES; i++)
      cr_expect_eq(premap_state(files[i]), i == 2 ? (int)PREMAP_READY : (int)PREMAP_EBADF);
    cr_expect_eq(premap_close(files[2]), 0);
  }
}

Test(group, a_directory_is_its_files, .description = "and those of the directories in it, but no links") {
  cr_assert_eq(make_directory(path_of("tree").text), 0);
  cr_assert_eq(make_directory(path_of("tree/inner").text), 0);
  cr_assert_eq(make_directory(path_of("tree/inner/empty").text), 0);
  make_file("tree/one", 100, 1);
  make_file("tree/inner/two", 200, 2);
  make_file("tree/inner/.three", 300, 3);
  premap_group *group = group_with(NULL);
  cr_expect_eq(premap_group_add_directory(group, path_of("tree").text), 3);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  size_t sizes = 0;
  premap_completion ended;
  while (premap_group_next(group, 0, &ended) == 0) {
    premap_region region;
    cr_expect_eq(premap_region_of(ended.file, &region), 0);
    cr_expect(pattern_equals(region.data, region.size, (uint32_t)(region.size / 100), 0));
    const char *names[] = {"tree/one", "tree/inner/two", "tree/inner/.three"};
    char name[PATH_CAPACITY];
    cr_assert(region.size >= 100 && region.size <= 300);
    cr_expect_eq(premap_path(ended.file, name, sizeof name), (int)strlen(name));
    cr_expect_str_eq(name, path_of(names[region.size / 100 - 1]).text);
    sizes += region.size;
  }
  cr_expect_eq(sizes, 600);
  premap_group_close(group);
}

Test(group, links_in_a_directory_are_left_out, .description = "to files and to directories, so that no circle is endless") {
  cr_assert_eq(make_directory(path_of("tree").text), 0);
  make_file("tree/one", 100, 1);
  make_link("one", path_of("tree/link").text);
  make_link("..", path_of("tree/circle").text);
  premap_group *group = group_with(NULL);
  cr_expect_eq(premap_group_add_directory(group, path_of("tree").text), 1);
  premap_group_close(group);
}

Test(group, a_directory_that_is_not_there, .description = "is a FAILED file, whose message names it") {
  premap_group *group = group_with(NULL);
  cr_expect_eq(premap_group_add_directory(group, path_of("missing").text), 1);
  premap_completion ended;
  cr_expect_eq(premap_group_next(group, minute_ms, &ended), 0);
  cr_expect_eq(ended.result, PREMAP_ENOENT);
  expect_message(ended.file, "open", path_of("missing").text, ": no such file or directory (ENOENT)");
  cr_expect_eq(premap_group_wait(group, minute_ms), PREMAP_ENOENT);
  premap_group_close(group);
}

Test(group, an_unreadable_directory_loses_no_other, .description = "it fails, its neighbours load") {
  cr_assert_eq(make_directory(path_of("tree").text), 0);
  cr_assert_eq(make_directory(path_of("tree/closed").text), 0);
  make_file("tree/one", 100, 1);
  make_file("tree/two", 100, 2);
  cr_assert_eq(set_permissions(path_of("tree/closed").text, 0), 0);
  need_another_user();
  premap_group *group = group_with(NULL);
  cr_expect_eq(premap_group_add_directory(group, path_of("tree").text), 3);
  cr_expect_eq(premap_group_wait(group, minute_ms), PREMAP_EACCES);
  cr_expect_eq(progress_of(group).files_failed, 1);
  premap_group_close(group);
}

Test(group, an_unreadable_directory_fails_at_once,
     .description = "also where no file could begin now, and in a started group") {
  cr_assert_eq(make_directory(path_of("closed").text), 0);
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.open_files_max = 1;
  premap_loader *loader;
  cr_assert_eq(premap_loader_create(&loader, &limits), 0);
  premap_options slow = slow_options();
  slow.loader = loader;
  premap_file begun = premap_open(make_slow_file().text, &slow);
  cr_assert(reaches_state(begun, PREMAP_LOADING));
  cr_assert_eq(set_permissions(path_of("closed").text, 0), 0);
  need_another_user();
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  for (int started = 0; started < 2; started++) {
    premap_group *group = group_with(&options);
    if (started)
      cr_expect_eq(premap_group_start(group), 0);
    cr_expect_eq(premap_group_add_directory(group, path_of("closed").text), 1);
    cr_expect_eq(progress_of(group).files_failed, 1);
    cr_expect_eq(premap_group_wait(group, minute_ms), PREMAP_EACCES);
    premap_group_close(group);
  }
  cr_expect_eq(premap_close(begun), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

/* ---- What cannot be started */

Test(group, what_cannot_be_started_is_not_added,
     .description = "the queue is full: the file is refused, and the group ends without it") {
  premap_file gate = keep_pool_busy();
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.queued_max = 1;
  premap_loader *loader;
  cr_assert_eq(premap_loader_create(&loader, &limits), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  premap_group *group = group_with(&options);
  cr_expect_eq(premap_group_start(group), 0);
  path name = make_numbered(1, 100);
  premap_file first = add(group, name.text);
  cr_expect_eq(premap_group_add(group, name.text), PREMAP_ENOBUFS);
  cr_expect_eq(progress_of(group).files, 1);
  cr_expect_eq(premap_close(gate), 0);
  cr_expect_eq(premap_group_wait(group, minute_ms), 0);
  expect_bytes(first, 100, 1);
  cr_expect_eq(progress_of(group).files_failed, 0);
  premap_group_close(group);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(group, who_closes_an_unfinished_file_ends_it, .description = "for the group too, whether it loads or was never started") {
  premap_options slow = slow_options();
  premap_group *group = group_with(&slow);
  premap_file loading = add(group, make_file("slow", SLOW_SIZE, 1).text);
  premap_file never = add(group, path_of("slow").text);
  cr_expect_eq(premap_close(never), 0);
  cr_expect_eq(premap_group_start(group), 0);
  cr_assert(reaches_state(loading, PREMAP_LOADING));
  cr_expect_eq(premap_close(loading), 0);
  cr_expect_eq(premap_group_wait(group, minute_ms), PREMAP_ECANCELED);
  premap_completion ended;
  cr_expect_eq(premap_group_next(group, 0, &ended), PREMAP_EOF);
  premap_group_close(group);
}

Test(group, of_a_closed_loader, .description = "nothing can be loaded, and nobody waits for it") {
  premap_loader *loader;
  cr_assert_eq(premap_loader_create(&loader, NULL), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  premap_group *group = group_with(&options);
  add(group, make_text("file", "x").text);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  cr_expect_eq(premap_group_start(group), PREMAP_ECANCELED);
  cr_expect_eq(premap_group_wait(group, -1), PREMAP_ECANCELED);
  premap_completion ended;
  cr_expect_eq(premap_group_next(group, -1, &ended), PREMAP_ECANCELED);
  cr_expect_eq(progress_of(group).files_ended, 0);
  premap_group_close(group);
}

/* SPDX-License-Identifier: MIT
 *
 * test_wait.c - waiting, cancelling, closing and shutting down, while loads are queued, running and done.
 */
#include "support.h"

#include <stdlib.h>

TestSuite(wait, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

static const int64_t minute_ms = 60000;

/* A load that has begun and will not end by itself. */
static premap_file open_slow(void) {
  premap_options slow = slow_options();
  static path file;
  if (file.text[0] == '\0')
    file = make_file("slow", SLOW_SIZE, 1);
  premap_file handle = premap_open(file.text, &slow);
  cr_assert_gt(handle, 0);
  return handle;
}

/* The pool has one thread, and a slow load has it. */
static premap_file occupy_pool(void) {
  set_pool_size("1");
  premap_file handle = open_slow();
  cr_assert(reaches_state(handle, PREMAP_LOADING));
  return handle;
}

/* ---- One file */

Test(wait, a_wait_can_time_out, .description = "ETIMEDOUT after no time and after some; the load goes on") {
  premap_file slow = open_slow();
  premap_region region = {&region, 1};
  cr_expect_eq(premap_wait(slow, 0, &region), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait(slow, 1, &region), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait(slow, 50, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(region.data, &region);
  cr_expect_eq(premap_error(slow), 0);
  cr_expect(reaches_state(slow, PREMAP_LOADING));
  cr_expect_eq(premap_region_of(slow, &region), PREMAP_EAGAIN);
  cr_expect_eq(premap_close(slow), 0);
}

Test(wait, a_finished_file_needs_no_time,
     .description = "with any time-out a wait for a finished file gives its end, again and again") {
  path file = make_text("file", "hello");
  premap_file ready = premap_load(file.text, NULL, NULL), failed = premap_open(path_of("missing").text, NULL);
  cr_expect_eq(premap_wait(failed, -1, NULL), PREMAP_ENOENT);
  const int64_t timeouts[] = {0, 1, -1, INT64_MIN, INT64_MAX};
  for (size_t i = 0; i < 5; i++) {
    premap_region region = {NULL, 0};
    cr_expect_eq(premap_wait(ready, timeouts[i], &region), 0);
    cr_expect_eq(region.size, 5);
    cr_expect_eq(premap_wait(failed, timeouts[i], NULL), PREMAP_ENOENT);
  }
  cr_expect_eq(premap_close(ready), 0);
  cr_expect_eq(premap_close(failed), 0);
}

Test(wait, every_wait_starts_the_file, .description = "for ever, timed, any and all: a created file is loaded without start") {
  path file = make_text("file", "hello");
  for (int way = 0; way < 4; way++) {
    premap_file handle = premap_create(file.text, NULL);
    int result = way == 0   ? premap_wait(handle, -1, NULL)
                 : way == 1 ? premap_wait(handle, INT64_MAX, NULL)
                 : way == 2 ? premap_wait_any(&handle, 1, minute_ms, NULL)
                            : premap_wait_all(&handle, 1, minute_ms);
    cr_expect_eq(result, 0, "way %d: %s", way, premap_err_name(result));
    cr_expect_eq(premap_state(handle), PREMAP_READY);
    cr_expect_eq(premap_close(handle), 0);
  }
  premap_file handle = premap_create(file.text, NULL);
  (void)premap_wait(handle, 0, NULL);
  cr_expect(reaches_state(handle, PREMAP_READY), "a look starts it too");
  cr_expect_eq(premap_close(handle), 0);
}

Test(wait, a_busy_pool_cannot_hold_a_wait,
     .description = "when no pool thread is free, who waits for ever loads the file itself") {
  path file = make_file("file", 300 * KIB, 2);
  premap_file slow = occupy_pool();
  premap_file queued = premap_open(file.text, NULL), created = premap_create(file.text, NULL);
  cr_expect_eq(premap_wait(queued, 0, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_state(queued), PREMAP_PENDING);
  premap_region region;
  cr_expect_eq(premap_wait(queued, -1, &region), 0);
  cr_expect(pattern_equals(region.data, region.size, 2, 0));
  cr_expect_eq(premap_wait(created, -1, &region), 0);
  cr_expect_eq(premap_state(slow), PREMAP_LOADING);
  cr_expect_eq(premap_close(queued), 0);
  cr_expect_eq(premap_close(created), 0);
  cr_expect_eq(premap_close(slow), 0);
}

typedef struct shared_wait {
  premap_file file;
  _Atomic int results[32];
} shared_wait;

static void wait_for_shared(void *shared, unsigned index) {
  shared_wait *all = shared;
  all->results[index] = premap_wait(all->file, index % 2 == 0 ? -1 : minute_ms, NULL);
}

Test(wait, many_threads_wait_for_one_file, .description = "thirty-two threads wait for ever and timed: all get the one end") {
  path file = make_file("file", 5 * MIB, 1);
  shared_wait all;
  for (size_t round = 0; round < rounds_of(20); round++) {
    all.file = round % 2 == 0 ? premap_open(file.text, NULL) : premap_create(file.text, NULL);
    run_threads(32, wait_for_shared, &all);
    for (size_t i = 0; i < 32; i++)
      cr_expect_eq(all.results[i], 0);
    cr_expect_eq(premap_close(all.file), 0);
  }
}

/* ---- Many files */

Test(wait, wait_any_gives_the_first,
     .description = "one that ends among those that do not: its index, also when it comes twice") {
  path file = make_text("file", "hello");
  premap_file slow = open_slow(), quick = premap_create(file.text, NULL);
  const premap_file files[] = {slow, slow, quick, slow, quick};
  size_t index = 9;
  cr_expect_eq(premap_wait_any(files, 5, minute_ms, &index), 0);
  cr_expect(index == 2 || index == 4, "index %zu", index);
  cr_expect_eq(premap_wait_any(files, 5, 0, &index), 0);
  cr_expect_eq(premap_wait_any(files, 5, -1, NULL), 0);
  cr_expect_eq(premap_wait_any(files, 2, 20, &index), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait_any(files, 2, 0, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_close(quick), 0);
}

Test(wait, wait_any_takes_a_failure_for_an_end, .description = "a failed file ends wait_any with 0; its error is the file's") {
  premap_file slow = open_slow(), failed = premap_create(path_of("missing").text, NULL);
  const premap_file files[] = {slow, failed};
  size_t index = 9;
  cr_expect_eq(premap_wait_any(files, 2, minute_ms, &index), 0);
  cr_expect_eq(index, 1);
  cr_expect_eq(premap_error(failed), PREMAP_ENOENT);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_close(failed), 0);
}

Test(wait, wait_all_gives_the_first_error,
     .description = "of several failures, the one that stands first; ETIMEDOUT while one is unfinished") {
  path file = make_text("file", "hello");
  premap_file slow = open_slow(), quick = premap_create(file.text, NULL),
              missing = premap_create(path_of("missing").text, NULL), directory = premap_create(path_of("").text, NULL);
  const premap_file files[] = {quick, directory, quick, missing, slow};
  cr_expect_eq(premap_wait_all(files, 4, minute_ms), PREMAP_EISDIR);
  cr_expect_eq(premap_wait_all(files + 2, 2, -1), PREMAP_ENOENT);
  cr_expect_eq(premap_wait_all(files, 1, 0), 0);
  cr_expect_eq(premap_wait_all(files, 5, 20), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait_all(files + 4, 1, 0), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_close(slow), 0);
  for (size_t i = 1; i < 4; i++)
    cr_expect_eq(premap_close(files[i]), 0);
}

Test(wait, waiting_for_nothing_is_refused, .description = "no files or no array: EINVAL") {
  premap_file handle = 1;
  cr_expect_eq(premap_wait_any(NULL, 1, -1, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_wait_any(&handle, 0, -1, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_wait_all(NULL, 1, -1), PREMAP_EINVAL);
  cr_expect_eq(premap_wait_all(&handle, 0, -1), PREMAP_EINVAL);
}

Test(wait, ten_thousand_files_at_once,
     .description = "wait_all starts and waits for all; wait_any then sees them; each has its bytes") {
  enum { FILES = 10000 };
  path names[4];
  for (uint32_t i = 0; i < 4; i++)
    names[i] = make_file((const char[]){(char)('a' + i), '\0'}, 1000 * (i + 1), i);
  premap_file *files = calloc(FILES, sizeof *files);
  for (size_t i = 0; i < FILES; i++)
    files[i] = i % 2 == 0 ? premap_open(names[i % 4].text, NULL) : premap_create(names[i % 4].text, NULL);
  cr_expect_eq(premap_wait_all(files, FILES, minute_ms * PREMAP_TEST_SLOWNESS), 0);
  cr_expect_eq(premap_wait_any(files, FILES, 0, NULL), 0);
  size_t bad = 0;
  for (size_t i = 0; i < FILES; i++) {
    premap_region region = {NULL, 0};
    bad += premap_region_of(files[i], &region) != 0 || region.size != 1000 * (i % 4 + 1) ||
           !pattern_equals(region.data, region.size, (uint32_t)(i % 4), 0);
    bad += premap_close(files[i]) != 0;
  }
  cr_expect_eq(bad, 0);
  free(files);
}

/* ---- Cancel and close */

Test(wait, cancelling_what_is_not_running,
     .description = "created and queued files fail at once with ECANCELED, and are never loaded") {
  path file = make_text("file", "hello");
  premap_file slow = occupy_pool();
  premap_file queued = premap_open(file.text, NULL), created = premap_create(file.text, NULL);
  const premap_file files[] = {queued, created};
  for (size_t i = 0; i < 2; i++) {
    cr_expect_eq(premap_cancel(files[i]), 0);
    cr_expect_eq(premap_state(files[i]), PREMAP_FAILED);
    cr_expect_eq(premap_is_failed(files[i]), 1);
    cr_expect_eq(premap_error(files[i]), PREMAP_ECANCELED);
    cr_expect_eq(premap_start(files[i]), 0);
    cr_expect_eq(premap_wait(files[i], -1, NULL), PREMAP_ECANCELED);
    expect_message(files[i], "load", file.text, ": cancelled (ECANCELED)");
    cr_expect_eq(info_of(files[i]).error, PREMAP_ECANCELED);
    cr_expect_eq(premap_cancel(files[i]), 0);
    cr_expect_eq(premap_close(files[i]), 0);
  }
  cr_expect_eq(premap_close(slow), 0);
}

Test(wait, cancelling_what_runs,
     .description = "the file fails at once, and its thread lets go of descriptor and mapping without a close") {
  premap_file slow = open_slow();
  cr_assert(reaches_state(slow, PREMAP_LOADING));
  cr_expect_eq(premap_cancel(slow), 0);
  cr_expect_eq(premap_state(slow), PREMAP_FAILED);
  cr_expect_eq(premap_wait(slow, -1, NULL), PREMAP_ECANCELED);
  premap_region region;
  cr_expect_eq(premap_region_of(slow, &region), PREMAP_ECANCELED);
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(descriptors_left(), 0);
  cr_expect_eq(mappings_left(), 0);
  cr_expect_eq(premap_close(slow), 0);
}

Test(wait, cancelling_what_is_done, .description = "a ready file stays ready, a failed one keeps its error") {
  path file = make_text("file", "hello");
  premap_file ready = premap_load(file.text, NULL, NULL), failed = premap_open(path_of("missing").text, NULL);
  cr_expect_eq(premap_wait(failed, -1, NULL), PREMAP_ENOENT);
  cr_expect_eq(premap_cancel(ready), 0);
  cr_expect_eq(premap_cancel(failed), 0);
  premap_region region;
  cr_expect_eq(premap_region_of(ready, &region), 0);
  cr_expect_arr_eq(region.data, "hello", 5);
  cr_expect_eq(premap_error(failed), PREMAP_ENOENT);
  cr_expect_eq(premap_close(ready), 0);
  cr_expect_eq(premap_close(failed), 0);
}

Test(wait, closing_what_runs_or_waits,
     .description = "close works in every state; the handle is stale at once, and nothing is left") {
  path file = make_text("file", "hello");
  premap_file slow = occupy_pool();
  premap_file files[] = {premap_create(file.text, NULL), premap_open(file.text, NULL), slow};
  for (size_t i = 0; i < 3; i++) {
    cr_expect_eq(premap_close(files[i]), 0);
    cr_expect_eq(premap_state(files[i]), PREMAP_EBADF);
    cr_expect_eq(premap_wait(files[i], -1, NULL), PREMAP_EBADF);
    cr_expect_eq(premap_close(files[i]), PREMAP_EBADF);
  }
}

static size_t open_and_end(const char *name) {
  size_t bad = 0;
  for (int i = 0; i < 3000; i++) {
    premap_file handle = premap_open(name, NULL);
    if (i % 3 == 0)
      bad += premap_cancel(handle) != 0;
    if (i % 3 == 1)
      bad += premap_wait(handle, -1, NULL) != 0;
    bad += premap_close(handle) != 0;
  }
  return bad;
}

Test(wait, queued_files_are_given_back,
     .description = "cancelled, loaded by a waiter or closed while queued: nothing of the file is left in the queue") {
  path file = make_text("file", "hello");
  premap_file slow = occupy_pool();
  cr_expect_eq(open_and_end(file.text), 0);
  size_t allocated = allocated_bytes();
  cr_expect_eq(open_and_end(file.text), 0);
  cr_expect_leq(allocated_bytes(), allocated + 16 * KIB, "%zu bytes more", allocated_bytes() - allocated);
  cr_expect_eq(premap_close(slow), 0);
}

typedef struct race {
  premap_file file;
  int (*end)(premap_file file);
  _Atomic int results[8];
} race;

static void wait_or_end(void *shared, unsigned index) {
  race *all = shared;
  all->results[index] = index == 0 ? all->end(all->file) : premap_wait(all->file, index % 2 == 0 ? -1 : minute_ms, NULL);
}

Test(wait, a_file_ends_in_one_way,
     .description = "a cancel races the load and seven waiters: all see the same end, and it stays") {
  path file = make_file("file", 300 * KIB, 1);
  int ready = 0;
  for (size_t round = 0; round < rounds_of(300); round++) {
    race all = {.file = premap_open(file.text, NULL), .end = premap_cancel};
    run_threads(8, wait_or_end, &all);
    cr_expect_eq(all.results[0], 0);
    for (size_t i = 2; i < 8; i++)
      cr_expect_eq(all.results[i], all.results[1]);
    cr_expect(all.results[1] == 0 || all.results[1] == PREMAP_ECANCELED);
    cr_expect_eq(premap_wait(all.file, -1, NULL), all.results[1]);
    cr_expect_eq(premap_state(all.file), all.results[1] == 0 ? PREMAP_READY : PREMAP_FAILED);
    ready += all.results[1] == 0;
    cr_expect_eq(premap_close(all.file), 0);
  }
  cr_log_info("%d were ready before they were cancelled", ready);
}

Test(wait, closing_ends_the_waits_of_others,
     .description = "who waits while another thread closes gets ready, ECANCELED or EBADF, and returns") {
  path file = make_file("file", 300 * KIB, 1);
  for (size_t round = 0; round < rounds_of(100); round++) {
    race all = {.file = round < 4 ? open_slow() : premap_open(file.text, NULL), .end = premap_close};
    run_threads(8, wait_or_end, &all);
    cr_expect_eq(all.results[0], 0);
    for (size_t i = 1; i < 8; i++)
      cr_expect(all.results[i] == PREMAP_ECANCELED || all.results[i] == PREMAP_EBADF || (round >= 4 && all.results[i] == 0),
                "%s", premap_err_name(all.results[i]));
  }
}

/* ---- Shutdown and exit */

Test(wait, shutdown_ends_what_is_unfinished,
     .description = "queued and running loads are ECANCELED, ready files stay, and later loads work") {
  path file = make_file("file", 300 * KIB, 3);
  premap_file slow = occupy_pool(), queued = premap_open(file.text, NULL), created = premap_create(file.text, NULL);
  premap_region region;
  premap_file ready = premap_load(file.text, NULL, &region);
  cr_expect_eq(premap_shutdown(minute_ms), 0);
  cr_expect_eq(premap_wait(slow, -1, NULL), PREMAP_ECANCELED);
  cr_expect_eq(premap_wait(queued, -1, NULL), PREMAP_ECANCELED);
  cr_expect(pattern_equals(region.data, region.size, 3, 0));
  cr_expect_eq(premap_wait(created, minute_ms, NULL), 0);
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(premap_shutdown(0), 0);
  const premap_file all[] = {slow, queued, created, ready};
  for (size_t i = 0; i < 4; i++)
    cr_expect_eq(premap_close(all[i]), 0);
}

Test(wait, shutdown_gives_descriptors_back, .description = "many starts and shutdowns leave as many descriptors as one") {
  path file = make_text("file", "hello");
  size_t descriptors = 0;
  for (size_t round = 0; round < rounds_of(100); round++) {
    premap_file handle = premap_open(file.text, NULL);
    cr_expect_eq(premap_wait(handle, minute_ms, NULL), 0);
    cr_expect_eq(premap_close(handle), 0);
    cr_expect_eq(premap_shutdown(-1), 0);
    if (round == 0)
      descriptors = open_descriptors();
  }
  size_t left = open_descriptors();
  cr_expect_leq(left, descriptors + lazy_descriptors, "%zu after one, %zu after all", descriptors, left);
}

Test(wait, exit_does_not_wait_for_loads,
     .description = "a program that ends with loads running and queued ends normally, with its own status") {
  path slow = make_file("slow", SLOW_SIZE, 1);
  cr_expect_eq(run_child("exits", slow.text), 42);
  cr_expect_eq(run_child("returns", slow.text), 43);
}

Test(wait, a_signal_does_not_wait_for_loads, .description = "a program told to quit is gone at once") {
  cr_expect_eq(run_child("is-terminated", make_file("slow", SLOW_SIZE, 1).text), status_of_termination);
}

Test(wait, as_many_as_one_likes, .description = "100,000 handles at once, for any and for all, of which each comes often") {
  enum { FILES = 1000, TIMES = 100 };
  size_t count = rounds_of(FILES * TIMES);
  premap_file slow = open_slow();
  premap_file *files = malloc(count * sizeof *files);
  cr_assert_not_null(files);
  path name = make_text("file", "x");
  premap_file made[FILES];
  for (size_t i = 0; i < FILES; i++)
    made[i] = premap_create(name.text, NULL);
  for (size_t i = 0; i < count; i++)
    files[i] = made[i % FILES];
  cr_expect_eq(premap_wait_all(files, count, minute_ms), 0);
  files[count / 2] = slow;
  cr_expect_eq(premap_wait_all(files, count, 0), PREMAP_ETIMEDOUT);
  for (size_t i = 0; i < count - 1; i++)
    files[i] = slow;
  size_t index = 0;
  cr_expect_eq(premap_wait_any(files, count, minute_ms, &index), 0);
  cr_expect_eq(index, count - 1);
  cr_expect_eq(premap_wait_any(files, count - 1, 0, &index), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_wait_any(files, count - 1, 0, &index), PREMAP_EBADF);
  cr_expect_eq(index, 0);
  for (size_t i = 0; i < FILES; i++)
    cr_expect_eq(premap_close(made[i]), 0);
  free(files);
}

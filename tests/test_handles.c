/* SPDX-License-Identifier: MIT
 *
 * test_handles.c - invalid handles in every function, and very many valid ones.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

TestSuite(handles, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* ---- Invalid handles */

/* Each function of premap.h that takes a handle, called with harmless other arguments. */
static premap_region region;
static premap_file_info info = PREMAP_FILE_INFO_INIT;
static uint64_t number;
static char text[64];

static int call_wait_0(premap_file file) {
  return premap_wait(file, 0, &region);
}
static int call_wait(premap_file file) {
  return premap_wait(file, -1, &region);
}
static int call_wait_any(premap_file file) {
  return premap_wait_any(&file, 1, -1, NULL);
}
static int call_wait_all(premap_file file) {
  return premap_wait_all(&file, 1, -1);
}
static int call_region_of(premap_file file) {
  return premap_region_of(file, &region);
}
static int call_progress(premap_file file) {
  return premap_progress(file, &number, &number);
}
static int call_info(premap_file file) {
  return premap_info(file, &info);
}
static int call_message(premap_file file) {
  return premap_error_message(file, text, sizeof text);
}
static int call_path(premap_file file) {
  return premap_path(file, text, sizeof text);
}
static int call_populate(premap_file file) {
  return premap_populate(file, 0, 0);
}
static int call_advise(premap_file file) {
  return premap_advise(file, 0, 0, PREMAP_ADVICE_NORMAL);
}
static int call_lock(premap_file file) {
  return premap_lock(file, 0, 0);
}
static int call_unlock(premap_file file) {
  return premap_unlock(file, 0, 0);
}
static int call_flush(premap_file file) {
  return premap_flush(file, 0, 0);
}
static int call_release(premap_file file) {
  return premap_release(file, 0, 0);
}
static int call_resident(premap_file file) {
  return premap_resident(file, 0, 0, &number);
}
static int call_copy_out(premap_file file) {
  return premap_copy_out(file, 0, text, 1);
}

static const struct {
  const char *name;
  int (*call)(premap_file file);
} calls[] = {
    {"start", premap_start},       {"retain", premap_retain},       {"close", premap_close},     {"state", premap_state},
    {"region_of", call_region_of}, {"progress", call_progress},     {"info", call_info},         {"wait 0", call_wait_0},
    {"wait", call_wait},           {"wait_any", call_wait_any},     {"wait_all", call_wait_all}, {"cancel", premap_cancel},
    {"error", premap_error},       {"error_message", call_message}, {"populate", call_populate}, {"advise", call_advise},
    {"lock", call_lock},           {"unlock", call_unlock},         {"flush", call_flush},       {"release", call_release},
    {"resident", call_resident},   {"copy_out", call_copy_out},     {"check", premap_check},
    {"path", call_path},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

static void expect_invalid(premap_file file) {
  for (size_t i = 0; i < CALLS; i++) {
    int result = calls[i].call(file);
    cr_expect_eq(result, PREMAP_EBADF, "premap_%s of %lld gives %d", calls[i].name, (long long)file, result);
  }
  cr_expect_eq(premap_is_ready(file), 0);
  cr_expect_eq(premap_is_failed(file), 0);
}

Test(handles, numbers_that_are_no_handles, .description = "zero, negative, small, huge: EBADF in every function") {
  const premap_file invalid[] = {
      0, -1, PREMAP_ENOENT, INT64_MIN, 1, 2, 99999, INT64_C(1) << 26, INT64_C(1) << 53, INT64_MAX, (INT64_C(1) << 53) - 1};
  for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
    expect_invalid(invalid[i]);
}

Test(handles, forged_handles,
     .description = "a valid handle with any one bit changed: EBADF in every function, and the file is untouched") {
  path file = make_text("file", "hello");
  premap_file handle = premap_load(file.text, NULL, NULL);
  for (unsigned bit = 0; bit < 64; bit++)
    expect_invalid((premap_file)((uint64_t)handle ^ UINT64_C(1) << bit));
  cr_expect_eq(premap_state(handle), PREMAP_READY);
  cr_expect_eq(premap_close(handle), 0);
}

Test(handles, closed_handles, .description = "after the last close: EBADF in every function, whatever became of the file") {
  path file = make_file("file", SLOW_SIZE, 1);
  premap_options slow = slow_options();
  premap_file pending = premap_create(file.text, NULL), loading = premap_open(file.text, &slow);
  premap_file ready = premap_load(file.text, NULL, NULL), failed = premap_open(path_of("missing").text, NULL);
  cr_assert(reaches_state(loading, PREMAP_LOADING));
  cr_assert_eq(premap_wait(failed, -1, NULL), PREMAP_ENOENT);
  const premap_file all[] = {pending, loading, ready, failed};
  for (size_t i = 0; i < 4; i++) {
    cr_expect_eq(premap_close(all[i]), 0);
    expect_invalid(all[i]);
  }
}

Test(handles, a_bad_handle_among_many, .description = "wait_any and wait_all say EBADF and which one it was") {
  path file = make_text("file", "hello");
  premap_file handle = premap_create(file.text, NULL);
  const premap_file files[] = {0, 99999, handle};
  size_t index = 9;
  cr_expect_eq(premap_wait_any(files, 3, -1, &index), PREMAP_EBADF);
  cr_expect_eq(index, 0);
  cr_expect_eq(premap_wait_all(files, 3, -1), PREMAP_EBADF);
  const premap_file last[] = {handle, handle, 99999};
  cr_expect_eq(premap_wait_all(last, 3, -1), PREMAP_EBADF);
  cr_expect_eq(premap_wait(handle, -1, NULL), 0);
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Calls too early, too late, out of range */

Test(handles, calls_for_ready_files,
     .description = "on a pending file the calls on bytes are EAGAIN, on a failed one its error") {
  premap_file file = premap_create(path_of("missing").text, NULL);
  static int (*const on_bytes[])(premap_file) = {call_populate, call_advise,   call_lock,     call_unlock,  call_flush,
                                                 call_release,  call_resident, call_copy_out, premap_check, call_region_of};
  for (size_t i = 0; i < 10; i++)
    cr_expect_eq(on_bytes[i](file), PREMAP_EAGAIN, "call %zu", i);
  cr_expect_eq(premap_wait(file, -1, NULL), PREMAP_ENOENT);
  for (size_t i = 0; i < 10; i++)
    cr_expect_eq(on_bytes[i](file), PREMAP_ENOENT, "call %zu", i);
  cr_expect_eq(premap_close(file), 0);
}

static void expect_range_errors(premap_file file, uint64_t size) {
  const uint64_t ranges[][2] = {{size + 1, 0},   {0, size + 1},           {size, 1}, {1, size}, {UINT64_MAX, 0},
                                {1, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}};
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    uint64_t offset = ranges[i][0], length = ranges[i][1];
    cr_expect_eq(premap_populate(file, offset, length), PREMAP_ERANGE, "range %zu", i);
    cr_expect_eq(premap_advise(file, offset, length, PREMAP_ADVICE_NORMAL), PREMAP_ERANGE);
    cr_expect_eq(premap_lock(file, offset, length), PREMAP_ERANGE);
    cr_expect_eq(premap_unlock(file, offset, length), PREMAP_ERANGE);
    cr_expect_eq(premap_flush(file, offset, length), PREMAP_ERANGE);
    cr_expect_eq(premap_release(file, offset, length), PREMAP_ERANGE);
    cr_expect_eq(premap_resident(file, offset, length, &number), PREMAP_ERANGE);
    cr_expect_eq(premap_copy_out(file, offset, text, length == 0 ? 1 : (size_t)length), PREMAP_ERANGE);
  }
}

Test(handles, ranges_beyond_the_region,
     .description = "ERANGE in every call on bytes, mapped and copied, and never an overflow") {
  path file = make_file("file", 8 * KIB, 1);
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    premap_file handle = premap_load(file.text, &options, NULL);
    cr_assert_gt(handle, 0);
    expect_range_errors(handle, 8 * KIB);
    cr_expect_eq(premap_resident(handle, 0, 0, NULL), PREMAP_EINVAL);
    cr_expect_eq(premap_advise(handle, 0, 0, (premap_advice)4), PREMAP_EINVAL);
    cr_expect_eq(premap_copy_out(handle, 0, NULL, 1), PREMAP_EINVAL);
    cr_expect_eq(premap_copy_out(handle, 0, NULL, 0), 0);
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(handles, empty_regions_take_every_call,
     .description = "an empty file and the empty range at the end succeed, beyond is ERANGE") {
  path empty = make_text("empty", "");
  premap_file handle = premap_load(empty.text, NULL, NULL);
  cr_assert_gt(handle, 0);
  number = 1;
  cr_expect_eq(premap_populate(handle, 0, 0), 0);
  cr_expect_eq(premap_advise(handle, 0, 0, PREMAP_ADVICE_RANDOM), 0);
  cr_expect_eq(premap_lock(handle, 0, 0), 0);
  cr_expect_eq(premap_unlock(handle, 0, 0), 0);
  cr_expect_eq(premap_flush(handle, 0, 0), 0);
  cr_expect_eq(premap_release(handle, 0, 0), 0);
  cr_expect_eq(premap_resident(handle, 0, 0, &number), 0);
  cr_expect_eq(number, 0);
  cr_expect_eq(premap_copy_out(handle, 0, NULL, 0), 0);
  cr_expect_eq(premap_check(handle), 0);
  expect_range_errors(handle, 0);
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Very many */

enum { MANY = 1000000 };

static int compare(const void *left, const void *right) {
  const premap_file a = *(const premap_file *)left, b = *(const premap_file *)right;
  return a < b ? -1 : a > b;
}

static size_t create_many(premap_file *files) {
  size_t failed = 0;
  for (size_t i = 0; i < rounds_of(MANY); i++)
    failed += (files[i] = premap_create("file", NULL)) <= 0;
  return failed;
}

static size_t close_many(const premap_file *files) {
  size_t failed = 0;
  for (size_t i = 0; i < rounds_of(MANY); i++)
    failed += premap_close(files[i]) != 0;
  return failed;
}

Test(handles, a_million_handles,
     .description = "all distinct, also from those before them; memory and descriptors come back; old ones stay invalid") {
  premap_file *files = calloc(2 * rounds_of(MANY), sizeof *files);
  cr_assert_not_null(files);
  cr_assert_eq(create_many(files), 0);
  cr_assert_eq(close_many(files), 0);
  size_t descriptors = open_descriptors(), allocated = allocated_bytes();
  cr_assert_eq(create_many(files + rounds_of(MANY)), 0);
  size_t valid = 0, equal = 0;
  for (size_t i = 0; i < rounds_of(MANY); i++)
    valid += premap_state(files[i]) != PREMAP_EBADF;
  cr_expect_eq(valid, 0, "%zu old handles became valid again", valid);
  cr_expect_eq(close_many(files + rounds_of(MANY)), 0);
  cr_expect_eq(open_descriptors(), descriptors);
  cr_expect_leq(allocated_bytes(), allocated + MIB, "%zu bytes more", allocated_bytes() - allocated);
  qsort(files, 2 * rounds_of(MANY), sizeof *files, compare);
  for (size_t i = 1; i < 2 * rounds_of(MANY); i++)
    equal += files[i] == files[i - 1];
  cr_expect_eq(equal, 0, "%zu handles were given twice", equal);
  free(files);
}

Test(handles, one_slot_used_again_and_again, .description = "a hundred thousand lives of one slot: no handle comes back") {
  enum { LIVES = 100000 };
  premap_file *files = calloc(LIVES, sizeof *files);
  cr_assert_not_null(files);
  size_t bad = 0;
  for (size_t i = 0; i < LIVES; i++) {
    files[i] = premap_create("file", NULL);
    bad += premap_close(files[i]) != 0;
  }
  qsort(files, LIVES, sizeof *files, compare);
  for (size_t i = 1; i < LIVES; i++)
    bad += files[i] == files[i - 1];
  cr_expect_eq(bad, 0);
  free(files);
}

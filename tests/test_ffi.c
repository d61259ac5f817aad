/* SPDX-License-Identifier: MIT
 *
 * test_ffi.c - the integer functions, as a language runtime uses them.
 */
#include "support.h"

#include <string.h>

TestSuite(ffi, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

Test(ffi, create_gives_a_positive_handle, .description = "create gives a handle that a double can hold, and start takes it") {
  path file = make_text("file", "hello");
  int64_t handle = native_async_file_create(file.text, 0, 0);
  cr_expect_gt(handle, 0);
  cr_expect_lt(handle, INT64_C(1) << 53);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, a_new_file_is_pending, .description = "before start the state is 0, and it is neither ready nor failed") {
  path file = make_text("file", "hello");
  int64_t handle = native_async_file_create(file.text, 0, 0);
  cr_expect_eq(native_async_file_get_state(handle), 0);
  cr_expect_eq(native_async_file_is_ready(handle), 0);
  cr_expect_eq(native_async_file_is_failed(handle), 0);
  cr_expect_eq(native_async_file_size(handle), PREMAP_EAGAIN);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, start_and_wait_give_the_bytes,
     .description = "with prefault off and on, wait gives the address, ready 1 and state 2") {
  path file = make_file("file", 300 * KIB, 1);
  for (int64_t prefault = 0; prefault <= 1; prefault++) {
    int64_t handle = native_async_file_create(file.text, 0, prefault);
    cr_expect_eq(native_async_file_start_loading(handle), 0);
    int64_t address = native_async_file_wait(handle);
    cr_assert_neq(address, 0);
    cr_expect(pattern_equals((void *)(intptr_t)address, 300 * KIB, 1, 0));
    cr_expect_eq(native_async_file_is_ready(handle), 1);
    cr_expect_eq(native_async_file_is_failed(handle), 0);
    cr_expect_eq(native_async_file_get_state(handle), 2);
    cr_expect_eq(native_async_file_size(handle), 300 * KIB);
    cr_expect_eq(native_async_file_close(handle), 0);
  }
}

Test(ffi, wait_starts_what_was_not_started, .description = "wait on a file that was only created loads it") {
  path file = make_text("file", "hello");
  int64_t handle = native_async_file_create(file.text, 0, 1);
  int64_t address = native_async_file_wait(handle);
  cr_assert_neq(address, 0);
  cr_expect_arr_eq((void *)(intptr_t)address, "hello", 5);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, polling_ends, .description = "a loop over is_ready with async_yield sees the file become ready") {
  path file = make_text("file", "hello");
  int64_t handle = native_async_file_create(file.text, 0, 1);
  cr_expect_eq(native_async_file_start_loading(handle), 0);
  while (native_async_file_is_ready(handle) == 0)
    async_yield();
  cr_expect_eq(native_async_file_get_state(handle), 2);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, an_empty_file_has_an_address, .description = "an empty file is ready with size 0 and a non-zero address") {
  path file = make_text("empty", "");
  int64_t handle = native_async_file_create(file.text, 0, 1);
  cr_expect_neq(native_async_file_wait(handle), 0);
  cr_expect_eq(native_async_file_get_state(handle), 2);
  cr_expect_eq(native_async_file_size(handle), 0);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, a_missing_file_fails, .description = "wait gives 0, state is 3, and the error has code and text") {
  path file = path_of("missing");
  int64_t handle = native_async_file_create(file.text, 0, 0);
  cr_expect_gt(handle, 0);
  cr_expect_eq(native_async_file_start_loading(handle), 0);
  cr_expect_eq(native_async_file_wait(handle), 0);
  cr_expect_eq(native_async_file_get_state(handle), 3);
  cr_expect_eq(native_async_file_is_ready(handle), 0);
  cr_expect_eq(native_async_file_is_failed(handle), 1);
  cr_expect_eq(native_async_file_size(handle), PREMAP_ENOENT);
  char message[PATH_MAX];
  cr_expect_eq(native_async_file_error(handle, message, sizeof message), PREMAP_ENOENT);
  cr_expect_not_null(strstr(message, "missing': no such file or directory (ENOENT)"), "%s", message);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, errors_are_cut_at_capacity,
     .description = "a short buffer gets a terminated beginning; none, zero or less gets the code alone") {
  int64_t handle = native_async_file_create("no such file", 0, 0);
  cr_expect_eq(native_async_file_wait(handle), 0);
  char message[8] = "xxxxxxx";
  cr_expect_eq(native_async_file_error(handle, message, 5), PREMAP_ENOENT);
  cr_expect_arr_eq(message, "open\0xx", 8);
  cr_expect_eq(native_async_file_error(handle, NULL, 100), PREMAP_ENOENT);
  cr_expect_eq(native_async_file_error(handle, message, 0), PREMAP_ENOENT);
  cr_expect_eq(native_async_file_error(handle, message, -1), PREMAP_ENOENT);
  cr_expect_arr_eq(message, "open\0xx", 8);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, no_error_is_an_empty_text, .description = "a file that is ready has error 0 and an empty message") {
  path file = make_text("file", "hello");
  int64_t handle = native_async_file_create(file.text, 0, 0);
  cr_expect_neq(native_async_file_wait(handle), 0);
  char message[8] = "xxxxxxx";
  cr_expect_eq(native_async_file_error(handle, message, sizeof message), 0);
  cr_expect_str_empty(message);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, invalid_handles_fail, .description = "99999, 0, -1 and the extremes: ready 0, state 3, wait 0, and codes elsewhere") {
  const int64_t invalid[] = {99999, 0, -1, 1, INT64_MAX, INT64_MIN, INT64_C(1) << 53, PREMAP_ENOENT};
  for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
    int64_t handle = invalid[i];
    cr_expect_eq(native_async_file_is_ready(handle), 0);
    cr_expect_eq(native_async_file_is_failed(handle), 0);
    cr_expect_eq(native_async_file_get_state(handle), 3);
    cr_expect_eq(native_async_file_wait(handle), 0);
    cr_expect_eq(native_async_file_wait_timeout(handle, 1000), 0);
    cr_expect_eq(native_async_file_start_loading(handle), PREMAP_EBADF);
    cr_expect_eq(native_async_file_size(handle), PREMAP_EBADF);
    cr_expect_eq(native_async_file_error(handle, NULL, 0), PREMAP_EBADF);
    cr_expect_eq(native_async_file_cancel(handle), PREMAP_EBADF);
    cr_expect_eq(native_async_file_close(handle), PREMAP_EBADF);
  }
}

Test(ffi, handles_differ,
     .description = "two files of one path have handles of their own, and a closed handle is not given again") {
  path file = make_text("file", "hello");
  int64_t first = native_async_file_create(file.text, 0, 0);
  int64_t second = native_async_file_create(file.text, 0, 0);
  cr_expect_neq(first, second);
  cr_expect_eq(native_async_file_close(first), 0);
  int64_t third = native_async_file_create(file.text, 0, 0);
  cr_expect_neq(third, first);
  cr_expect_neq(third, second);
  cr_expect_eq(native_async_file_close(second), 0);
  cr_expect_eq(native_async_file_close(third), 0);
}

Test(ffi, bad_arguments_give_no_handle, .description = "null and empty path, unknown mode and prefault: 0") {
  path file = make_text("file", "hello");
  cr_expect_eq(native_async_file_create(NULL, 0, 0), 0);
  cr_expect_eq(native_async_file_create("", 0, 0), 0);
  const int64_t modes[] = {1, 4, 7, -1, 256, INT64_C(1) << 32, INT64_MAX, INT64_MIN};
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    cr_expect_eq(native_async_file_create(file.text, modes[i], 0), 0, "mode %lld", (long long)modes[i]);
  const int64_t prefaults[] = {2, 3, -1, 256, INT64_C(1) << 32, (INT64_C(1) << 32) + 1};
  for (size_t i = 0; i < sizeof prefaults / sizeof prefaults[0]; i++)
    cr_expect_eq(native_async_file_create(file.text, 0, prefaults[i]), 0, "prefault %lld", (long long)prefaults[i]);
}

Test(ffi, mode_2_writes_to_the_file, .description = "what is written to a read-write file another load sees") {
  path file = make_text("file", "hello");
  int64_t writer = native_async_file_create(file.text, 2, 1);
  char *bytes = (char *)(intptr_t)native_async_file_wait(writer);
  cr_assert_not_null(bytes);
  bytes[0] = 'J';
  int64_t reader = native_async_file_create(file.text, 0, 1);
  const char *seen = (const char *)(intptr_t)native_async_file_wait(reader);
  cr_assert_not_null(seen);
  cr_expect_arr_eq(seen, "Jello", 5);
  cr_expect_eq(native_async_file_close(reader), 0);
  cr_expect_eq(native_async_file_close(writer), 0);
}

Test(ffi, mode_3_keeps_writes_private, .description = "what is written to a copy-on-write file another load does not see") {
  path file = make_text("file", "hello");
  int64_t writer = native_async_file_create(file.text, 3, 1);
  char *bytes = (char *)(intptr_t)native_async_file_wait(writer);
  cr_assert_not_null(bytes);
  bytes[0] = 'J';
  cr_expect_arr_eq(bytes, "Jello", 5);
  int64_t reader = native_async_file_create(file.text, 0, 1);
  const char *seen = (const char *)(intptr_t)native_async_file_wait(reader);
  cr_assert_not_null(seen);
  cr_expect_arr_eq(seen, "hello", 5);
  cr_expect_eq(native_async_file_close(reader), 0);
  cr_expect_eq(native_async_file_close(writer), 0);
}

Test(ffi, a_timed_wait_gives_0_and_the_load_goes_on,
     .description = "no time gives 0 while the file is unfinished, its address afterwards") {
  path file = make_file("file", SLOW_SIZE, 1);
  premap_options slow = slow_options();
  int64_t handle = premap_open(file.text, &slow);
  cr_expect_eq(native_async_file_wait_timeout(handle, 0), 0);
  cr_expect_eq(native_async_file_wait_timeout(handle, 20), 0);
  cr_expect_lt(native_async_file_get_state(handle), 2);
  cr_expect_eq(native_async_file_close(handle), 0);
  handle = native_async_file_create(file.text, 0, 0);
  cr_expect_neq(native_async_file_wait_timeout(handle, 60000), 0);
  cr_expect_neq(native_async_file_wait_timeout(handle, 0), 0);
  cr_expect_neq(native_async_file_wait_timeout(handle, -1), 0);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, a_cancelled_file_fails, .description = "cancel before start: state 3, wait 0, ECANCELED; start changes nothing") {
  path file = make_text("file", "hello");
  int64_t handle = native_async_file_create(file.text, 0, 0);
  cr_expect_eq(native_async_file_cancel(handle), 0);
  cr_expect_eq(native_async_file_get_state(handle), 3);
  cr_expect_eq(native_async_file_is_failed(handle), 1);
  cr_expect_eq(native_async_file_start_loading(handle), 0);
  cr_expect_eq(native_async_file_wait(handle), 0);
  char message[PATH_MAX];
  cr_expect_eq(native_async_file_error(handle, message, sizeof message), PREMAP_ECANCELED);
  cr_expect_not_null(strstr(message, "file': cancelled (ECANCELED)"), "%s", message);
  cr_expect_eq(native_async_file_close(handle), 0);
}

Test(ffi, a_closed_handle_is_invalid,
     .description = "the second close is EBADF, and everything else answers as for an invalid handle") {
  path file = make_text("file", "hello");
  int64_t handle = native_async_file_create(file.text, 0, 0);
  cr_expect_neq(native_async_file_wait(handle), 0);
  cr_expect_eq(native_async_file_close(handle), 0);
  cr_expect_eq(native_async_file_close(handle), PREMAP_EBADF);
  cr_expect_eq(native_async_file_is_ready(handle), 0);
  cr_expect_eq(native_async_file_get_state(handle), 3);
  cr_expect_eq(native_async_file_wait(handle), 0);
}

Test(ffi, handles_mix_with_premap_h, .description = "a handle of one header works in the functions of the other") {
  path file = make_text("file", "hello");
  premap_file opened = premap_open(file.text, NULL);
  cr_expect_neq(native_async_file_wait(opened), 0);
  cr_expect_eq(premap_close(opened), 0);
  int64_t created = native_async_file_create(file.text, 0, 1);
  premap_region region;
  cr_expect_eq(premap_wait(created, -1, &region), 0);
  cr_expect_eq(region.size, 5);
  cr_expect_eq(native_async_file_close(created), 0);
}

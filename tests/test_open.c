/* SPDX-License-Identifier: MIT
 *
 * test_open.c - the ways to name a file, and how long what was loaded lives.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(open, .init = support_begin, .fini = support_end, .timeout = 120);

/* ---- From the beginning to the last close */

Test(open, open_wait_close_is_all_it_takes, .description = "the three calls of the header's first page") {
  path file = make_file("file", 300 * KIB, 1);
  premap_file handle = premap_open(file.text, NULL);
  cr_assert_gt(handle, 0);
  premap_region region;
  cr_expect_eq(premap_wait(handle, -1, &region), 0);
  cr_expect(pattern_equals(region.data, 300 * KIB, 1, 0));
  cr_expect_eq(premap_close(handle), 0);
}

Test(open, create_opens_nothing,
     .description = "between create and start there is no descriptor, and the file may appear late") {
  premap_file handle = premap_create(path_of("file").text, NULL);
  cr_expect_eq(premap_state(handle), PREMAP_PENDING);
  cr_expect_eq(descriptors_left(), 0);
  make_text("file", "hello");
  cr_expect_eq(premap_start(handle), 0);
  cr_expect_eq(premap_start(handle), 0);
  premap_region region;
  cr_expect_eq(premap_wait(handle, -1, &region), 0);
  cr_expect_eq(region.size, 5);
  cr_expect_eq(premap_start(handle), 0);
  cr_expect_eq(premap_close(handle), 0);
}

Test(open, region_of_gives_what_wait_gave, .description = "the region, ready or failed, without blocking") {
  path file = make_file("file", 300 * KIB, 1);
  premap_region first, second = {NULL, 0};
  premap_file handle = premap_load(file.text, NULL, &first);
  cr_expect_eq(premap_region_of(handle, &second), 0);
  cr_expect_eq(first.data, second.data);
  cr_expect_eq(first.size, second.size);
  cr_expect_eq(premap_is_ready(handle), 1);
  cr_expect_eq(premap_is_failed(handle), 0);
  cr_expect_eq(premap_close(handle), 0);
  handle = premap_open(path_of("missing").text, NULL);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ENOENT);
  cr_expect_eq(premap_region_of(handle, &second), PREMAP_ENOENT);
  cr_expect_eq(premap_is_ready(handle), 0);
  cr_expect_eq(premap_is_failed(handle), 1);
  cr_expect_eq(premap_close(handle), 0);
}

Test(open, load_leaves_nothing_on_an_error, .description = "a blocking load gives the code instead of a handle") {
  cr_expect_eq(premap_load(path_of("missing").text, NULL, NULL), PREMAP_ENOENT);
  cr_expect_eq(premap_load(path_of("").text, NULL, NULL), PREMAP_EISDIR);
}

Test(open, each_reference_needs_its_close, .description = "the region lives until the last of retain's references is closed") {
  path file = make_file("file", 300 * KIB, 1);
  premap_region region;
  premap_file handle = premap_load(file.text, NULL, &region);
  cr_expect_eq(premap_retain(handle), 0);
  cr_expect_eq(premap_retain(handle), 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_state(handle), PREMAP_READY);
  cr_expect(pattern_equals(region.data, 300 * KIB, 1, 0));
  cr_expect_eq(mappings_left(), 1);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(mappings_left(), 0);
  cr_expect_eq(premap_state(handle), PREMAP_EBADF);
  cr_expect_eq(premap_retain(handle), PREMAP_EBADF);
}

Test(open, references_have_a_documented_limit,
     .description = "one more than PREMAP_REFERENCES_MAX is EOVERFLOW, and all can be closed") {
  premap_file handle = premap_create("file", NULL);
  int result = 0;
  for (int i = 1; i < PREMAP_REFERENCES_MAX && result == 0; i++)
    result = premap_retain(handle);
  cr_expect_eq(result, 0);
  cr_expect_eq(premap_retain(handle), PREMAP_EOVERFLOW);
  for (int i = 0; i < PREMAP_REFERENCES_MAX && result == 0; i++)
    result = premap_close(handle);
  cr_expect_eq(result, 0);
  cr_expect_eq(premap_close(handle), PREMAP_EBADF);
}

Test(open, unlink_and_rename_keep_the_bytes, .description = "a loaded file may be moved or removed, by each backing") {
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    path file = make_file("file", 300 * KIB, 4);
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0);
    cr_assert_eq(rename(file.text, path_of("other").text), 0);
    cr_expect(pattern_equals(region.data, region.size, 4, 0));
    cr_assert_eq(unlink(path_of("other").text), 0);
    cr_expect(pattern_equals(region.data, region.size, 4, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(open, no_descriptor_stays_open, .description = "a ready file has none; with PREMAP_KEEP_OPEN one, until the last close") {
  path file = make_file("file", 300 * KIB, 1);
  premap_file handle = premap_load(file.text, NULL, NULL);
  cr_expect_eq(descriptors_left(), 0);
  cr_expect_eq(premap_close(handle), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_KEEP_OPEN;
  handle = premap_load(file.text, &options, NULL);
  cr_expect_eq(descriptors_left(), 1);
  cr_assert_eq(rename(file.text, path_of("moved").text), 0);
  uint64_t bytes = 0;
  cr_expect_eq(premap_resident(handle, 0, 0, &bytes), 0, "asked the descriptor, not the path");
  cr_expect_eq(bytes, 300 * KIB);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(descriptors_left(), 0);
}

/* ---- From a descriptor */

Test(open, a_descriptor_can_be_loaded,
     .description = "open_fd reads by offset: the caller's position stays, and it may close at once") {
  path file = make_file("file", 300 * KIB, 2);
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    int own = open(file.text, O_RDONLY | O_CLOEXEC);
    cr_assert_eq(lseek(own, 12345, SEEK_SET), 12345);
    premap_file handle = premap_open_fd(own, &options);
    cr_assert_gt(handle, 0);
    premap_region region;
    cr_expect_eq(premap_wait(handle, -1, &region), 0);
    cr_expect(region.size == 300 * KIB && pattern_equals(region.data, region.size, 2, 0));
    cr_expect_eq(lseek(own, 0, SEEK_CUR), 12345);
    cr_expect_eq(premap_close(handle), 0);
    handle = premap_open_fd(own, &options);
    close(own);
    cr_expect_eq(premap_wait(handle, -1, &region), 0);
    cr_expect(region.size == 300 * KIB && pattern_equals(region.data, region.size, 2, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(open, descriptors_of_removed_files_load, .description = "a file without a name loads through its descriptor") {
  path file = make_file("file", 300 * KIB, 2);
  int own = open(file.text, O_RDONLY | O_CLOEXEC);
  cr_assert_eq(unlink(file.text), 0);
  premap_file handle = premap_open_fd(own, NULL);
  close(own);
  premap_region region;
  cr_expect_eq(premap_wait(handle, -1, &region), 0);
  cr_expect(pattern_equals(region.data, 300 * KIB, 2, 0));
  cr_expect_eq(premap_check(handle), PREMAP_ENOTSUP, "there is no path to ask");
  cr_expect_eq(premap_close(handle), 0);
}

Test(open, bad_descriptors_are_refused,
     .description = "closed, negative, write-only, read-only for read-write, path-only, directory, pipe") {
  path file = make_file("file", 8 * KIB, 2);
  premap_options writing = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  const int own[] = {open(file.text, O_WRONLY | O_CLOEXEC), open(file.text, O_RDONLY | O_CLOEXEC),
                     open(file.text, O_PATH | O_CLOEXEC), open(path_of("").text, O_RDONLY | O_CLOEXEC)};
  cr_expect_eq(premap_open_fd(-1, NULL), PREMAP_EBADF);
  cr_expect_eq(premap_open_fd(1 << 20, NULL), PREMAP_EBADF);
  cr_expect_eq(premap_open_fd((intptr_t)INT64_MAX, NULL), PREMAP_EBADF);
  cr_expect_eq(premap_open_fd((intptr_t)((UINT64_C(1) << 32) + (unsigned)own[1]), NULL), PREMAP_EBADF);
  cr_expect_eq(premap_open_fd(own[0], NULL), PREMAP_EACCES);
  cr_expect_eq(premap_open_fd(own[1], &writing), PREMAP_EACCES);
  cr_expect_lt(premap_open_fd(own[2], NULL), 0);
  cr_expect_eq(premap_open_fd(own[3], NULL), PREMAP_EISDIR);
  cr_expect_eq(premap_open_fd(ends[0], NULL), PREMAP_EFTYPE);
  for (size_t i = 0; i < 4; i++)
    close(own[i]);
  close(ends[0]);
  close(ends[1]);
}

Test(open, path_options_need_a_path, .description = "BENEATH and NOFOLLOW with a descriptor: EINVAL") {
  path file = make_file("file", 8 * KIB, 2);
  int own = open(file.text, O_RDONLY | O_CLOEXEC);
  const uint32_t flags[] = {PREMAP_NOFOLLOW, PREMAP_BENEATH};
  for (size_t i = 0; i < 2; i++) {
    premap_options options = PREMAP_OPTIONS_INIT;
    options.flags = flags[i];
    cr_expect_eq(premap_open_fd(own, &options), PREMAP_EINVAL);
  }
  close(own);
}

/* ---- Files that only reading shows */

Test(open, files_without_a_size_are_read,
     .description = "procfs reports no size: the bytes are what read gives, also of a range") {
  FILE *version = fopen("/proc/version", "r");
  if (version == NULL)
    cr_skip_test("SKIPPED: no /proc/version");
  char expected[4096];
  size_t size = fread(expected, 1, sizeof expected, version);
  fclose(version);
  premap_region region;
  premap_file handle = premap_load("/proc/version", NULL, &region);
  cr_assert_gt(handle, 0);
  cr_expect(region.size == size && memcmp(region.data, expected, size) == 0);
  cr_expect_str_eq(info_of(handle).reason, "reports no size, so read to its end");
  cr_expect_eq(premap_close(handle), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.offset = 3;
  options.length = 5;
  handle = premap_load("/proc/version", &options, &region);
  cr_assert_gt(handle, 0);
  cr_expect(region.size == 5 && memcmp(region.data, expected + 3, 5) == 0);
  cr_expect_eq(premap_close(handle), 0);
  options.length = sizeof expected;
  cr_expect_eq(premap_load("/proc/version", &options, NULL), PREMAP_ERANGE);
}

Test(open, long_files_without_a_size_are_whole, .description = "/proc/self/maps of many mappings is read to its end") {
  if (access("/proc/self/maps", R_OK) != 0)
    cr_skip_test("SKIPPED: no /proc/self/maps");
  premap_region region;
  premap_file handle = premap_load("/proc/self/maps", NULL, &region);
  cr_assert_gt(handle, 0);
  const char *text = region.data;
  cr_expect_gt(region.size, 100);
  cr_expect_eq(text[region.size - 1], '\n');
  cr_expect_not_null(memmem(text, region.size, "[vsyscall]", 10) != NULL ? text : memmem(text, region.size, "[stack]", 7));
  cr_expect_eq(premap_close(handle), 0);
}

Test(open, files_that_promise_too_much_are_read,
     .description = "sysfs reports 4096 bytes and has fewer: the region has those") {
  const char *name = "/sys/kernel/mm/transparent_hugepage/enabled";
  FILE *file = fopen(name, "r");
  if (file == NULL)
    cr_skip_test("SKIPPED: no %s", name);
  char expected[256];
  size_t size = fread(expected, 1, sizeof expected, file);
  fclose(file);
  premap_region region;
  premap_file handle = premap_load(name, NULL, &region);
  cr_assert_gt(handle, 0);
  cr_expect(region.size == size && memcmp(region.data, expected, size) == 0);
  cr_expect_eq(info_of(handle).length, size);
  cr_expect_eq(premap_close(handle), 0);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  cr_expect_lt(premap_load(name, &options, NULL), 0, "it cannot be mapped");
}

/* ---- Links */

static int load_with(const char *name, uint32_t flags, int beneath) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = flags;
  options.beneath = beneath;
  premap_region region;
  premap_file handle = premap_load(name, &options, &region);
  if (handle < 0)
    return (int)handle;
  int result = region.size == 5 && memcmp(region.data, "hello", 5) == 0 ? 0 : PREMAP_EIO;
  premap_close(handle);
  return result;
}

Test(open, symbolic_links_are_followed_unless_told, .description = "NOFOLLOW refuses a link as the last component only") {
  make_text("file", "hello");
  cr_assert_eq(mkdir(path_of("real").text, 0755), 0);
  make_text("real/file", "hello");
  cr_assert_eq(symlink("file", path_of("link").text), 0);
  cr_assert_eq(symlink("real", path_of("directory").text), 0);
  cr_expect_eq(load_with(path_of("link").text, 0, -1), 0);
  cr_expect_eq(load_with(path_of("link").text, PREMAP_NOFOLLOW, -1), PREMAP_ELOOP);
  cr_expect_eq(load_with(path_of("file").text, PREMAP_NOFOLLOW, -1), 0);
  cr_expect_eq(load_with(path_of("directory/file").text, PREMAP_NOFOLLOW, -1), 0);
}

Test(open, beneath_keeps_inside,
     .description = "paths within the directory load; what leaves it is EXDEV, or ELOOP where links are refused") {
  cr_assert_eq(mkdir(path_of("top").text, 0755), 0);
  cr_assert_eq(mkdir(path_of("top/sub").text, 0755), 0);
  make_text("top/file", "hello");
  make_text("top/sub/file", "hello");
  path outside = make_text("secret", "hello");
  cr_assert_eq(symlink("../secret", path_of("top/relative").text), 0);
  cr_assert_eq(symlink(outside.text, path_of("top/absolute").text), 0);
  cr_assert_eq(symlink("..", path_of("top/up").text), 0);
  int top = open(path_of("top").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  cr_expect_eq(load_with("file", PREMAP_BENEATH, top), 0);
  cr_expect_eq(load_with("sub/file", PREMAP_BENEATH, top), 0);
  cr_expect_eq(load_with("./sub//file", PREMAP_BENEATH, top), 0);
  cr_expect_eq(load_with("sub/file", PREMAP_BENEATH | PREMAP_NOFOLLOW, top), 0);
  cr_expect_eq(load_with("../secret", PREMAP_BENEATH, top), PREMAP_EXDEV);
  cr_expect_eq(load_with("sub/../../secret", PREMAP_BENEATH, top), PREMAP_EXDEV);
  cr_expect_eq(load_with(outside.text, PREMAP_BENEATH, top), PREMAP_EXDEV);
  const char *const links[] = {"relative", "absolute", "up/secret"};
  for (size_t i = 0; i < 3; i++) {
    int result = load_with(links[i], PREMAP_BENEATH, top);
    cr_expect(result == PREMAP_EXDEV || result == PREMAP_ELOOP, "%s: %s", links[i], premap_err_name(result));
  }
  cr_expect_eq(load_with("missing", PREMAP_BENEATH, top), PREMAP_ENOENT);
  cr_expect_eq(load_with("sub", PREMAP_BENEATH, top), PREMAP_EISDIR);
  close(top);
}

Test(open, beneath_needs_a_directory, .description = "a descriptor that is none, or no directory, is refused by create") {
  path file = make_text("file", "hello");
  int own = open(file.text, O_RDONLY | O_CLOEXEC);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_BENEATH;
  cr_expect_eq(premap_create("file", &options), PREMAP_EBADF);
  options.beneath = own;
  cr_expect_eq(premap_create("file", &options), PREMAP_ENOTDIR);
  close(own);
}

Test(open, beneath_borrows_the_directory, .description = "the caller may close it at once, and none is left after the load") {
  make_text("file", "hello");
  int own = open(path_of("").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_BENEATH;
  options.beneath = own;
  premap_file handle = premap_create("file", &options), unused = premap_create("file", &options);
  close(own);
  cr_expect_eq(descriptors_left(), 2);
  cr_expect_eq(premap_wait(handle, -1, NULL), 0);
  cr_expect_eq(descriptors_left(), 1);
  cr_expect_eq(premap_check(handle), PREMAP_ENOTSUP, "the directory has been given back");
  cr_expect_eq(premap_cancel(unused), 0);
  cr_expect_eq(descriptors_left(), 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_close(unused), 0);
}

/* SPDX-License-Identifier: MIT
 *
 * test_open.c - the ways to name a file, and how long what was loaded lives.
 */
#include "support.h"

#include <string.h>

TestSuite(open, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

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

Test(open, unlink_and_rename_keep_the_bytes,
     .description = "a loaded file may be moved, and removed where a mapping does not hold it") {
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    path file = make_file("file", 300 * KIB, 4);
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0);
    cr_assert_eq(rename_file(file.text, path_of("other").text), 0);
    cr_expect(pattern_equals(region.data, region.size, 4, 0));
    bool is_held = mapped_files_are_held && backing == PREMAP_BACKING_MAPPED;
    int removed = remove_file(path_of("other").text);
    cr_expect(removed == 0 || is_held, "%s", uv_strerror(removed));
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
  cr_assert_eq(rename_file(file.text, path_of("moved").text), 0);
  uint64_t bytes = 0;
  cr_expect_eq(premap_resident(handle, 0, 0, &bytes), 0, "asked the descriptor, not the path");
  cr_expect_eq(bytes, 300 * KIB);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(descriptors_left(), 0);
}

/* ---- From a descriptor */

/* Reads at the file's position, which must be this one. */
static void read_on(uv_file own, uint64_t position, unsigned size) {
  static char bytes[64 * KIB];
  uv_buf_t buffer = uv_buf_init(bytes, size);
  uv_fs_t request;
  cr_assert_eq(uv_fs_read(NULL, &request, own, &buffer, 1, -1, NULL), (int)size);
  uv_fs_req_cleanup(&request);
  cr_expect(pattern_equals(bytes, size, 2, position));
}

Test(open, a_descriptor_can_be_loaded,
     .description = "open_fd reads by offset: the caller's position stays, and it may close at once") {
  path file = make_file("file", 300 * KIB, 2);
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    uv_file own = open_own(file.text, UV_FS_O_RDONLY);
    read_on(own, 0, 12345);
    premap_file handle = premap_open_fd(descriptor_of(own), &options);
    cr_assert_gt(handle, 0);
    premap_region region;
    cr_expect_eq(premap_wait(handle, -1, &region), 0);
    cr_expect(region.size == 300 * KIB && pattern_equals(region.data, region.size, 2, 0));
    read_on(own, 12345, 7);
    cr_expect_eq(premap_close(handle), 0);
    handle = premap_open_fd(descriptor_of(own), &options);
    close_own(own);
    cr_expect_eq(premap_wait(handle, -1, &region), 0);
    cr_expect(region.size == 300 * KIB && pattern_equals(region.data, region.size, 2, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(open, descriptors_of_removed_files_load, .description = "a file without a name loads through its descriptor") {
  path file = make_file("file", 300 * KIB, 2);
  uv_file own = open_own(file.text, UV_FS_O_RDONLY);
  cr_assert_eq(remove_file(file.text), 0);
  premap_file handle = premap_open_fd(descriptor_of(own), NULL);
  close_own(own);
  premap_region region;
  cr_expect_eq(premap_wait(handle, -1, &region), 0);
  cr_expect(pattern_equals(region.data, 300 * KIB, 2, 0));
  cr_expect_eq(premap_check(handle), PREMAP_ENOTSUP, "there is no path to ask");
  cr_expect_eq(premap_close(handle), 0);
}

Test(open, bad_descriptors_are_refused,
     .description = "none, negative, write-only, read-only for read-write, directory, pipe, closed") {
  path file = make_file("file", 8 * KIB, 2);
  premap_options writing = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  uv_file ends[2];
  cr_assert_eq(uv_pipe(ends, 0, 0), 0);
  const uv_file own[] = {open_own(file.text, UV_FS_O_WRONLY), open_own(file.text, UV_FS_O_RDONLY),
                         open_own(path_of("").text, UV_FS_O_RDONLY)};
  const intptr_t none[] = {-1, -2, INTPTR_MIN, 1 << 20, INTPTR_MAX};
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
    cr_expect_eq(premap_open_fd(none[i], NULL), PREMAP_EBADF, "%lld", (long long)none[i]);
  cr_expect_eq(premap_open_fd(descriptor_of(own[0]), NULL), PREMAP_EACCES);
  cr_expect_eq(premap_open_fd(descriptor_of(own[1]), &writing), PREMAP_EACCES);
  cr_expect_eq(premap_open_fd(descriptor_of(own[2]), NULL), PREMAP_EISDIR);
  cr_expect_eq(premap_open_fd(descriptor_of(ends[0]), NULL), PREMAP_EFTYPE);
  intptr_t closed = descriptor_of(own[1]);
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    close_own(own[i]);
  cr_expect_eq(premap_open_fd(closed, NULL), PREMAP_EBADF);
  close_own(ends[0]);
  close_own(ends[1]);
}

Test(open, path_options_need_a_path, .description = "BENEATH and NOFOLLOW with a descriptor: EINVAL") {
  path file = make_file("file", 8 * KIB, 2);
  uv_file own = open_own(file.text, UV_FS_O_RDONLY);
  const uint32_t flags[] = {PREMAP_NOFOLLOW, PREMAP_BENEATH};
  for (size_t i = 0; i < 2; i++) {
    premap_options options = PREMAP_OPTIONS_INIT;
    options.flags = flags[i];
    cr_expect_eq(premap_open_fd(descriptor_of(own), &options), PREMAP_EINVAL);
  }
  close_own(own);
}

/* ---- Links */

static int load_with(const char *name, uint32_t flags, intptr_t beneath) {
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
  cr_assert_eq(make_directory(path_of("real").text), 0);
  make_text("real/file", "hello");
  make_link("file", path_of("link").text);
  make_link("real", path_of("directory").text);
  cr_expect_eq(load_with(path_of("link").text, 0, -1), 0);
  cr_expect_eq(load_with(path_of("link").text, PREMAP_NOFOLLOW, -1), PREMAP_ELOOP);
  cr_expect_eq(load_with(path_of("file").text, PREMAP_NOFOLLOW, -1), 0);
  cr_expect_eq(load_with(path_of("directory/file").text, PREMAP_NOFOLLOW, -1), 0);
}

Test(open, beneath_keeps_inside, .description = "paths within the directory load; what leaves it is EXDEV") {
  cr_assert_eq(make_directory(path_of("top").text), 0);
  cr_assert_eq(make_directory(path_of("top/sub").text), 0);
  make_text("top/file", "hello");
  make_text("top/sub/file", "hello");
  path outside = make_text("secret", "hello");
  uv_file own = open_own(path_of("top").text, UV_FS_O_RDONLY);
  intptr_t top = descriptor_of(own);
  cr_expect_eq(load_with("file", PREMAP_BENEATH, top), 0);
  cr_expect_eq(load_with("sub/file", PREMAP_BENEATH, top), 0);
  cr_expect_eq(load_with("./sub//file", PREMAP_BENEATH, top), 0);
  cr_expect_eq(load_with("sub/file", PREMAP_BENEATH | PREMAP_NOFOLLOW, top), 0);
  cr_expect_eq(load_with("../secret", PREMAP_BENEATH, top), PREMAP_EXDEV);
  cr_expect_eq(load_with("sub/../../secret", PREMAP_BENEATH, top), PREMAP_EXDEV);
  cr_expect_eq(load_with(outside.text, PREMAP_BENEATH, top), PREMAP_EXDEV);
  cr_expect_eq(load_with("missing", PREMAP_BENEATH, top), PREMAP_ENOENT);
  cr_expect_eq(load_with("sub/missing", PREMAP_BENEATH, top), PREMAP_ENOENT);
  cr_expect_eq(load_with("sub", PREMAP_BENEATH, top), PREMAP_EISDIR);
  close_own(own);
}

Test(open, beneath_follows_no_link_outside,
     .description = "relative, absolute and by a directory: EXDEV, or ELOOP where links are refused") {
  cr_assert_eq(make_directory(path_of("top").text), 0);
  path outside = make_text("secret", "hello");
  make_link("../secret", path_of("top/relative").text);
  make_link(outside.text, path_of("top/absolute").text);
  make_link("..", path_of("top/up").text);
  uv_file top = open_own(path_of("top").text, UV_FS_O_RDONLY);
  const char *const links[] = {"relative", "absolute", "up/secret"};
  for (size_t i = 0; i < 3; i++) {
    int result = load_with(links[i], PREMAP_BENEATH, descriptor_of(top));
    cr_expect(result == PREMAP_EXDEV || result == PREMAP_ELOOP, "%s: %s", links[i], premap_err_name(result));
  }
  close_own(top);
}

Test(open, beneath_needs_a_directory, .description = "a descriptor that is none, or no directory, is refused by create") {
  path file = make_text("file", "hello");
  uv_file own = open_own(file.text, UV_FS_O_RDONLY);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_BENEATH;
  cr_expect_eq(premap_create("file", &options), PREMAP_EBADF);
  options.beneath = descriptor_of(own);
  cr_expect_eq(premap_create("file", &options), PREMAP_ENOTDIR);
  close_own(own);
}

Test(open, beneath_borrows_the_directory, .description = "the caller may close it at once, and none is left after the load") {
  make_text("file", "hello");
  uv_file own = open_own(path_of("").text, UV_FS_O_RDONLY);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_BENEATH;
  options.beneath = descriptor_of(own);
  premap_file handle = premap_create("file", &options), unused = premap_create("file", &options);
  close_own(own);
  cr_expect_eq(descriptors_left(), 2);
  cr_expect_eq(premap_wait(handle, -1, NULL), 0);
  cr_expect_eq(descriptors_left(), 1);
  cr_expect_eq(premap_check(handle), PREMAP_ENOTSUP, "the directory has been given back");
  cr_expect_eq(premap_cancel(unused), 0);
  cr_expect_eq(descriptors_left(), 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_close(unused), 0);
}

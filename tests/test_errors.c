/* SPDX-License-Identifier: MIT
 *
 * test_errors.c - what bad paths, bad files and bad options get, and how it is told.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>

TestSuite(errors, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* ---- Paths */

Test(errors, paths_that_cannot_be_one, .description = "null, empty and over 65,535 bytes: refused by create itself") {
  cr_expect_eq(premap_create(NULL, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_create("", NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_open(NULL, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_open("", NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_load(NULL, NULL, NULL), PREMAP_EINVAL);
  static char text[70001];
  memset(text, 'x', 70000);
  cr_expect_eq(premap_create(text, NULL), PREMAP_ENAMETOOLONG);
  text[65536] = '\0';
  cr_expect_eq(premap_create(text, NULL), PREMAP_ENAMETOOLONG);
  text[65535] = '\0';
  premap_file handle = premap_create(text, NULL);
  cr_expect_gt(handle, 0);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ENAMETOOLONG);
  cr_expect_eq(premap_close(handle), 0);
}

Test(errors, names_too_long_for_the_system, .description = "a 300-byte name and a 40,000-byte path: an error at open") {
  static char text[40001];
  memset(text, 'x', 300);
  expect_failure(text, NULL, code_of_long_component, PREMAP_STEP_OPEN);
  for (size_t i = 0; i < 40000; i++)
    text[i] = i % 100 == 99 ? '/' : 'x';
  expect_failure(text, NULL, PREMAP_ENAMETOOLONG, PREMAP_STEP_OPEN);
}

Test(errors, missing_files, .description = "no file, no directory, a file as directory") {
  expect_failure(path_of("missing").text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  expect_failure(path_of("missing/file").text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  make_text("file", "hello");
  expect_failure(path_of("file/file").text, NULL, code_of_file_as_directory, PREMAP_STEP_OPEN);
}

Test(errors, links_that_lead_nowhere, .description = "a link to nothing, and one to itself") {
  make_link("missing", path_of("link").text);
  expect_failure(path_of("link").text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  make_link("loop", path_of("loop").text);
  expect_failure(path_of("loop").text, NULL, PREMAP_ELOOP, PREMAP_STEP_OPEN);
}

Test(errors, directories, .description = "EISDIR at open, also read-write, by any name") {
  cr_assert_eq(make_directory(path_of("directory").text), 0);
  premap_options writing = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  expect_failure(path_of("directory").text, NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  expect_failure(path_of("directory").text, &writing, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  expect_failure(path_of("directory/").text, NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  expect_failure(path_of("directory/.").text, NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  expect_failure(".", NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  expect_failure("/", NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
}

Test(errors, unreadable_files, .description = "no permission for the file, or for its directory: EACCES at open") {
  path file = make_text("file", "hello");
  cr_assert_eq(make_directory(path_of("closed").text), 0);
  path inner = make_text("closed/file", "hello");
  cr_assert_eq(set_permissions(file.text, 0), 0);
  cr_assert_eq(set_permissions(path_of("closed").text, 0), 0);
  need_to_be_nobody();
  expect_failure(file.text, NULL, PREMAP_EACCES, PREMAP_STEP_OPEN);
  expect_failure(inner.text, NULL, PREMAP_EACCES, PREMAP_STEP_OPEN);
  (void)set_permissions(path_of("closed").text, 0755); /* for an owner that is not root, who has to remove it */
}

/* ---- Options */

Test(errors, values_outside_their_enumerations,
     .description = "mode 1 and 7, other bad values, chunks and pauses out of range: EINVAL") {
  static const struct {
    size_t field;
    uint32_t value;
  } bad[] = {
      {offsetof(premap_options, mode), 1},
      {offsetof(premap_options, mode), 4},
      {offsetof(premap_options, mode), 7},
      {offsetof(premap_options, mode), 256},
      {offsetof(premap_options, mode), UINT32_MAX},
      {offsetof(premap_options, prefault), 3},
      {offsetof(premap_options, prefault), 257},
      {offsetof(premap_options, backing), 3},
      {offsetof(premap_options, backing), 256},
      {offsetof(premap_options, advice), 4},
      {offsetof(premap_options, advice), 256},
      {offsetof(premap_options, pause_us), PREMAP_PAUSE_MAX_US + 1},
      {offsetof(premap_options, pause_us), PREMAP_PAUSE_AUTO - 1},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    premap_options options = PREMAP_OPTIONS_INIT;
    memcpy((char *)&options + bad[i].field, &bad[i].value, sizeof bad[i].value);
    cr_expect_eq(premap_create("file", &options), PREMAP_EINVAL, "field at %zu, value %u", bad[i].field, bad[i].value);
    cr_expect_eq(premap_open_fd(0, &options), PREMAP_EINVAL);
  }
  const uint64_t chunks[] = {1, PREMAP_CHUNK_SIZE_MIN - 1};
  for (size_t i = 0; i < 2; i++) {
    premap_options options = PREMAP_OPTIONS_INIT;
    options.chunk_size = chunks[i];
    cr_expect_eq(premap_create("file", &options), PREMAP_EINVAL);
  }
}

Test(errors, options_that_exclude_each_other, .description = "a copy of a read-write file, and advice for a copy: EINVAL") {
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_WRITE);
  cr_expect_eq(premap_create("file", &options), PREMAP_EINVAL);
  options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  options.advice = PREMAP_ADVICE_RANDOM;
  cr_expect_eq(premap_create("file", &options), PREMAP_EINVAL);
}

Test(errors, unknown_flags, .description = "each flag the library does not know is ENOTSUP") {
  const uint32_t known = PREMAP_NOFOLLOW | PREMAP_BENEATH | PREMAP_KEEP_OPEN | PREMAP_LOCK | PREMAP_GENTLE |
                         PREMAP_WAIT_FOR_MEMORY | PREMAP_INLINE_IF_CACHED | PREMAP_KNOWN_REGULAR | PREMAP_CACHE_ONLY;
  for (unsigned bit = 0; bit < 32; bit++) {
    premap_options options = PREMAP_OPTIONS_INIT;
    options.flags = UINT32_C(1) << bit;
    if ((options.flags & known) == 0)
      cr_expect_eq(premap_create("file", &options), PREMAP_ENOTSUP, "bit %u", bit);
  }
}

Test(errors, sizes_of_options,
     .description = "size 0 is EINVAL, smaller is filled up, larger must be zero beyond what is known, else E2BIG") {
  path file = make_text("file", "hello");
  struct {
    premap_options known;
    unsigned char future[64];
  } large = {.known = PREMAP_OPTIONS_INIT};
  large.known.size = 0;
  cr_expect_eq(premap_create(file.text, &large.known), PREMAP_EINVAL);
  large.known.size = sizeof large.known.size - 1;
  cr_expect_eq(premap_create(file.text, &large.known), PREMAP_EINVAL);
  for (size_t size = sizeof large.known.size; size <= sizeof large; size++) {
    large.known.size = size;
    premap_file handle = premap_load(file.text, &large.known, NULL);
    cr_expect_gt(handle, 0, "size %zu", size);
    cr_expect_eq(premap_close(handle), 0);
  }
  for (size_t i = 0; i < sizeof large.future; i++) {
    large.future[i] = 1;
    cr_expect_eq(premap_create(file.text, &large.known), PREMAP_E2BIG, "byte %zu", i);
    large.future[i] = 0;
  }
}

Test(errors, a_smaller_structure_means_its_fields,
     .description = "an old caller's fields count, and the bytes behind them do not") {
  path file = make_file("file", 8 * KIB, 1);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.backing = PREMAP_BACKING_MAPPED;
  options.flags = UINT32_MAX;
  options.offset = 1;
  options.size = offsetof(premap_options, flags);
  premap_file handle = premap_load(file.text, &options, NULL);
  cr_assert_gt(handle, 0);
  cr_expect_eq(info_of(handle).backing, PREMAP_BACKING_MAPPED);
  cr_expect_eq(info_of(handle).offset, 0);
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Names */

Test(errors, the_path_is_as_it_was_given, .description = "before and after the end, of any length, cut at capacity") {
  const char *given = "a\nb/../no such file\xc3\xa4";
  premap_file handle = premap_create(given, NULL);
  int length = (int)strlen(given);
  for (int i = 0; i < 2; i++) {
    cr_expect_eq(premap_path(handle, NULL, 0), length);
    for (size_t capacity = 1; capacity <= (size_t)length + 2; capacity++) {
      char text[64];
      memset(text, '#', sizeof text);
      size_t kept = capacity - 1 < (size_t)length ? capacity - 1 : (size_t)length;
      cr_expect_eq(premap_path(handle, text, capacity), length);
      cr_expect_arr_eq(text, given, kept);
      cr_expect_eq(text[kept], '\0');
      cr_expect_eq(text[capacity], '#');
    }
    cr_expect_lt(premap_wait(handle, -1, NULL), 0);
  }
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Messages */

Test(errors, the_message_names_path_step_and_cause, .description = "the exact sentence of a missing file") {
  premap_file handle = premap_open("no such file", NULL);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ENOENT);
  char text[100];
  const char *expected = "open 'no such file': no such file or directory (ENOENT)";
  cr_expect_eq(premap_error_message(handle, text, sizeof text), (int)strlen(expected));
  cr_expect_str_eq(text, expected);
  cr_expect_eq(premap_close(handle), 0);
}

Test(errors, messages_are_cut_at_capacity, .description = "every capacity gets a terminated beginning and the full length") {
  premap_file handle = premap_open("no such file", NULL);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ENOENT);
  char full[100];
  int length = premap_error_message(handle, full, sizeof full);
  cr_assert_eq((size_t)length, strlen(full));
  cr_expect_eq(premap_error_message(handle, NULL, 0), length);
  for (size_t capacity = 0; capacity <= (size_t)length + 2; capacity++) {
    char text[102];
    memset(text, '#', sizeof text);
    size_t kept = capacity == 0 ? 0 : capacity - 1 < (size_t)length ? capacity - 1 : (size_t)length;
    cr_expect_eq(premap_error_message(handle, text, capacity), length);
    cr_expect_arr_eq(text, full, kept);
    if (capacity > 0)
      cr_expect_eq(text[kept], '\0');
    cr_expect_eq(text[capacity], '#');
  }
  cr_expect_eq(premap_close(handle), 0);
}

Test(errors, control_characters_are_escaped, .description = "a path cannot put line breaks or escape sequences into a log") {
  premap_file handle = premap_open("a\nb\x1b[31m\x01\x7f\xc3\xa4", NULL);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ENOENT);
  expect_message(handle, "open", "a\\x0ab\\x1b[31m\\x01\\x7f\xc3\xa4", ": no such file or directory (ENOENT)");
  cr_expect_eq(premap_close(handle), 0);
}

Test(errors, no_message_without_a_failure, .description = "pending and ready files have code 0 and an empty text") {
  path file = make_text("file", "hello");
  premap_file handle = premap_create(file.text, NULL);
  for (int i = 0; i < 2; i++) {
    char text[4] = "xxx";
    cr_expect_eq(premap_error(handle), 0);
    cr_expect_eq(premap_error_message(handle, text, sizeof text), 0);
    cr_expect_str_empty(text);
    cr_expect_eq(premap_wait(handle, -1, NULL), 0);
  }
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Codes */

Test(errors, every_code_has_name_and_text,
     .description = "names are those of the enumeration, texts are there, and other numbers have some too") {
#define XX(name, value, text)                                                                                                  \
  cr_expect_str_eq(premap_err_name(PREMAP_##name), #name);                                                                     \
  cr_expect_str_not_empty(premap_strerror(PREMAP_##name));                                                                     \
  cr_expect_lt(PREMAP_##name, 0);
  PREMAP_ERRNO_MAP(XX)
  PREMAP_FIXED_MAP(XX)
#undef XX
  const int others[] = {0, 1, 2, -1000000, INT_MAX, INT_MIN};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    cr_expect_str_not_empty(premap_err_name(others[i]));
    cr_expect_str_not_empty(premap_strerror(others[i]));
  }
}

Test(errors, codes_are_those_of_libuv, .description = "equal names have equal values, so that both kinds mix") {
#define XX(name, value, text) cr_expect_eq((int)PREMAP_##name, (int)UV_##name, #name);
  PREMAP_ERRNO_MAP(XX)
#undef XX
  cr_expect_eq((int)PREMAP_UNKNOWN, (int)UV_UNKNOWN);
  cr_expect_eq((int)PREMAP_EFTYPE, (int)UV_EFTYPE);
}

Test(errors, the_version_is_the_header_s, .description = "premap_version gives PREMAP_VERSION") {
  cr_expect_str_eq(premap_version(), PREMAP_VERSION);
}

/* SPDX-License-Identifier: MIT
 *
 * test_errors.c - what bad paths, bad files and bad options get, and how it is told.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

TestSuite(errors, .init = support_begin, .fini = support_end, .timeout = 120);

/* The load must fail at this step with this code, and say so in full. */
static void expect_failure(const char *name, const premap_options *options, int code, premap_step step) {
  static const char *const steps[] = {"load", "open", "size", "map", "read", "populate", "lock"};
  premap_file handle = premap_open(name, options);
  cr_assert_gt(handle, 0);
  premap_region region = {&region, 1};
  int result = premap_wait(handle, -1, &region);
  cr_expect_eq(result, code, "%.80s: %s is not %s", name, premap_err_name(result), premap_err_name(code));
  cr_expect_eq(region.data, &region, "the region of a failed file was written");
  cr_expect_eq(premap_state(handle), PREMAP_FAILED);
  cr_expect_eq(premap_error(handle), code);
  premap_file_info info = info_of(handle);
  cr_expect_eq(info.error, code);
  cr_expect_eq(info.step, (uint32_t)step, "%.80s: step %u", name, info.step);
  char rest[256];
  snprintf(rest, sizeof rest, ": %s (%s)", premap_strerror(code), premap_err_name(code));
  expect_message(handle, steps[step], name, rest);
  cr_expect_eq(premap_close(handle), 0);
}

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

Test(errors, names_too_long_for_the_system, .description = "a 300-byte name and a 4,200-byte path: ENAMETOOLONG at open") {
  static char text[4201];
  memset(text, 'x', 300);
  expect_failure(text, NULL, PREMAP_ENAMETOOLONG, PREMAP_STEP_OPEN);
  for (size_t i = 0; i < 4200; i++)
    text[i] = i % 100 == 99 ? '/' : 'x';
  expect_failure(text, NULL, PREMAP_ENAMETOOLONG, PREMAP_STEP_OPEN);
}

Test(errors, missing_files, .description = "no file, no directory, a file as directory, a link to nothing") {
  expect_failure(path_of("missing").text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  expect_failure(path_of("missing/file").text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  make_text("file", "hello");
  expect_failure(path_of("file/file").text, NULL, PREMAP_ENOTDIR, PREMAP_STEP_OPEN);
  cr_assert_eq(symlink("missing", path_of("link").text), 0);
  expect_failure(path_of("link").text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  cr_assert_eq(symlink("loop", path_of("loop").text), 0);
  expect_failure(path_of("loop").text, NULL, PREMAP_ELOOP, PREMAP_STEP_OPEN);
}

Test(errors, unreadable_files, .description = "no permission for the file, or for its directory: EACCES at open") {
  path file = make_text("file", "hello");
  cr_assert_eq(mkdir(path_of("closed").text, 0755), 0);
  path inner = make_text("closed/file", "hello");
  cr_assert_eq(chmod(file.text, 0), 0);
  cr_assert_eq(chmod(path_of("closed").text, 0), 0);
  if (geteuid() == 0 && !become_nobody())
    cr_skip_test("SKIPPED: privileges cannot be dropped");
  expect_failure(file.text, NULL, PREMAP_EACCES, PREMAP_STEP_OPEN);
  expect_failure(inner.text, NULL, PREMAP_EACCES, PREMAP_STEP_OPEN);
  if (geteuid() == getuid())
    chmod(path_of("closed").text, 0755);
}

Test(errors, what_is_no_regular_file,
     .description = "directory, FIFO, socket, devices: refused at open, and none of them hangs") {
  cr_assert_eq(mkdir(path_of("directory").text, 0755), 0);
  expect_failure(path_of("directory").text, NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  expect_failure("/", NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  cr_assert_eq(mkfifo(path_of("fifo").text, 0644), 0);
  expect_failure(path_of("fifo").text, NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  premap_options writing = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  expect_failure(path_of("fifo").text, &writing, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  expect_failure(path_of("directory").text, &writing, PREMAP_EISDIR, PREMAP_STEP_OPEN);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int own = socket(AF_UNIX, SOCK_STREAM, 0);
  cr_assert_lt(strlen(path_of("socket").text), sizeof address.sun_path);
  memcpy(address.sun_path, path_of("socket").text, strlen(path_of("socket").text) + 1);
  cr_assert_eq(bind(own, (const struct sockaddr *)&address, sizeof address), 0);
  expect_failure(path_of("socket").text, NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  close(own);
  expect_failure("/dev/null", NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  expect_failure("/dev/zero", NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  expect_failure("/dev/tty", NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
}

Test(errors, block_devices, .description = "a block device is no regular file, although it could be mapped") {
  static const char *const names[] = {"/dev/loop0", "/dev/vda", "/dev/sda", "/dev/nvme0n1"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    struct stat status;
    if (stat(names[i], &status) == 0 && S_ISBLK(status.st_mode)) {
      expect_failure(names[i], NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
      return;
    }
  }
  cr_skip_test("SKIPPED: no block device");
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
  const uint32_t known = PREMAP_NOFOLLOW | PREMAP_BENEATH | PREMAP_KEEP_OPEN | PREMAP_LOCK;
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

/* ---- Limits of the system */

/* Lets this process open so many more descriptors; returns the limit before. */
static struct rlimit limit_descriptors(unsigned more) {
  struct rlimit before, limit;
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
  int taken[16], lowest;
  for (unsigned i = 0; i < more; i++)
    taken[i] = dup(0);
  lowest = dup(0);
  close(lowest);
  for (unsigned i = 0; i < more; i++)
    close(taken[i]);
  limit = (struct rlimit){(rlim_t)lowest, before.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
  return before;
}

Test(errors, too_many_open_files,
     .description = "EMFILE of the load at open, and of open_fd and BENEATH in the call; the next load works again") {
  path file = make_text("file", "hello");
  premap_file started = premap_open(file.text, NULL);
  cr_assert_eq(premap_wait(started, -1, NULL), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_BENEATH;
  options.beneath = open(path_of("").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int own = open(file.text, O_RDONLY | O_CLOEXEC);
  struct rlimit before = limit_descriptors(0);
  expect_failure(file.text, NULL, PREMAP_EMFILE, PREMAP_STEP_OPEN);
  cr_expect_eq(premap_open_fd(own, NULL), PREMAP_EMFILE);
  cr_expect_eq(premap_create("file", &options), PREMAP_EMFILE);
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
  close(own);
  close((int)options.beneath);
  premap_file handle = premap_load(file.text, NULL, NULL);
  cr_expect_gt(handle, 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_close(started), 0);
}

/* In a process that never used the library: 0 when the load was refused for want of descriptors or worked, and the next one
 * worked. */
static int start_with_descriptors(const char *name, unsigned more) {
  struct rlimit before = limit_descriptors(more);
  premap_file handle = premap_open(name, NULL);
  int result = handle > 0 ? premap_wait(handle, -1, NULL) : (int)handle;
  if (result != 0 && result != PREMAP_EMFILE)
    return 1;
  if (handle > 0 && premap_close(handle) != 0)
    return 2;
  if (setrlimit(RLIMIT_NOFILE, &before) != 0)
    return 3;
  handle = premap_open(name, NULL);
  return handle > 0 && premap_wait(handle, -1, NULL) == 0 && premap_close(handle) == 0 ? 0 : 4;
}

Test(errors, too_few_descriptors_to_start,
     .description = "with 0 to 12 descriptors left the first load ever works or is EMFILE, and nothing aborts") {
  if (has_thread_sanitizer())
    cr_skip_test("SKIPPED: a forked child cannot make threads under ThreadSanitizer");
  path file = make_text("file", "hello");
  for (unsigned more = 0; more <= 12; more++) {
    pid_t child = fork();
    if (child == 0)
      _exit(start_with_descriptors(file.text, more));
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%u descriptors: status %#x", more, (unsigned)status);
  }
}

Test(errors, sizes_beyond_the_address_space,
     .description = "7 EiB: ENOMEM or EFBIG by each backing and prefault, and no crash") {
  int own = memfd_create("premap", MFD_CLOEXEC);
  if (own < 0 || ftruncate(own, (off_t)7 << 60) != 0)
    cr_skip_test("SKIPPED: no file of 7 EiB can be made");
  for (uint32_t i = 0; i < 9; i++) {
    premap_options options = options_with((premap_prefault)(i % 3), (premap_backing)(i / 3), PREMAP_READ_ONLY);
    premap_file handle = premap_open_fd(own, &options);
    cr_assert_gt(handle, 0);
    int result = premap_wait(handle, -1, NULL);
    cr_expect(result == PREMAP_ENOMEM || result == PREMAP_EFBIG, "backing %u: %s", options.backing, premap_err_name(result));
    cr_expect_eq(info_of(handle).file_size, UINT64_C(7) << 60);
    cr_expect_eq(premap_close(handle), 0);
  }
  close(own);
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

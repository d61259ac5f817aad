/* SPDX-License-Identifier: MIT
 *
 * support.c - see support.h. The same on every system, through libuv, which takes paths in UTF-8 everywhere.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/hooks.h>

/* ---- Files in general */

static int finish(uv_fs_t *request, int result) {
  uv_fs_req_cleanup(request);
  return result;
}

static int open_file(const char *name, int flags) {
  uv_fs_t request;
  return finish(&request, uv_fs_open(NULL, &request, name, flags, 0644, NULL));
}

static void close_file(uv_file file) {
  uv_fs_t request;
  (void)finish(&request, uv_fs_close(NULL, &request, file, NULL));
}

/* At a negative offset: at the file's position. */
static int write_all(uv_file file, const void *bytes, size_t size, int64_t offset) {
  for (size_t done = 0; done < size;) {
    uv_buf_t rest = uv_buf_init((char *)bytes + done, (unsigned)(size - done));
    uv_fs_t request;
    int result = finish(&request, uv_fs_write(NULL, &request, file, &rest, 1, offset < 0 ? -1 : offset + (int64_t)done, NULL));
    if (result < 0)
      return result;
    done += (size_t)result;
  }
  return 0;
}

int write_at(const char *name, uint64_t offset, const void *bytes, size_t size) {
  int file = open_file(name, UV_FS_O_WRONLY);
  if (file < 0)
    return file;
  int result = write_all(file, bytes, size, (int64_t)offset);
  close_file(file);
  return result;
}

int set_size(const char *name, uint64_t size) {
  int file = open_file(name, UV_FS_O_WRONLY);
  if (file < 0)
    return file;
  uv_fs_t request;
  int result = finish(&request, uv_fs_ftruncate(NULL, &request, file, (int64_t)size, NULL));
  close_file(file);
  return result;
}

int rename_file(const char *from, const char *to) {
  uv_fs_t request;
  return finish(&request, uv_fs_rename(NULL, &request, from, to, NULL));
}

int remove_file(const char *name) {
  uv_fs_t request;
  return finish(&request, uv_fs_unlink(NULL, &request, name, NULL));
}

int make_directory(const char *name) {
  uv_fs_t request;
  return finish(&request, uv_fs_mkdir(NULL, &request, name, 0755, NULL));
}

int set_permissions(const char *name, int mode) {
  uv_fs_t request;
  return finish(&request, uv_fs_chmod(NULL, &request, name, mode, NULL));
}

int set_time(const char *name, double seconds_since_1970) {
  uv_fs_t request;
  return finish(&request, uv_fs_utime(NULL, &request, name, seconds_since_1970, seconds_since_1970, NULL));
}

/* Wine says that it made a link, and has not. */
void make_link(const char *target, const char *name) {
  uv_fs_t request;
  int result = finish(&request, uv_fs_symlink(NULL, &request, target, name, 0, NULL));
  if (result == 0)
    result = finish(&request, uv_fs_readlink(NULL, &request, name, NULL));
  if (result != 0)
    cr_skip_test("SKIPPED: no symbolic link can be made here: %s", uv_strerror(result));
}

uv_file open_own(const char *name, int flags) {
  int file = open_file(name, flags);
  cr_assert_geq(file, 0, "%s: %s", name, uv_strerror(file));
  return file;
}

void close_own(uv_file file) {
  close_file(file);
}

intptr_t descriptor_of(uv_file file) {
  return (intptr_t)uv_get_osfhandle(file);
}

/* ---- Each test's own directory */

static path directory;

/* Tests run in children of the runner: its process id names what they share. */
static path directory_of_runner(uv_pid_t runner) {
  path made;
  snprintf(made.text, sizeof made.text, "%.3000s/premap-tests-%ld", support_temporary_root().text, (long)runner);
  return made;
}

/* Criterion counts nothing that goes wrong once the test's own function has returned, so what support_end finds is noted in a
 * file, and the runner counts it. A test that crashed could not clean up: the runner does that too. */
static path notes_of_runner(uv_pid_t runner) {
  path made;
  snprintf(made.text, sizeof made.text, "%.4000s/notes", directory_of_runner(runner).text);
  return made;
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats) {
  static char notes[64 * KIB];
  uv_buf_t buffer = uv_buf_init(notes, sizeof notes - 1);
  uv_fs_t request;
  int file = open_file(notes_of_runner(uv_os_getpid()).text, UV_FS_O_RDONLY);
  if (file >= 0) {
    (void)finish(&request, uv_fs_read(NULL, &request, file, &buffer, 1, 0, NULL));
    close_file(file);
  }
  for (char *line = strtok(notes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    fprintf(stderr, "[FAIL] %s\n", line);
    stats->tests_passed -= stats->tests_passed > 0;
    stats->tests_failed++;
  }
  support_remove_tree(directory_of_runner(uv_os_getpid()).text);
}

void support_begin(void) {
  path parent = directory_of_runner(uv_os_getppid());
  int result = make_directory(parent.text);
  cr_assert(result == 0 || result == UV_EEXIST, "%s: %s", parent.text, uv_strerror(result));
  snprintf(directory.text, sizeof directory.text, "%.4000s/%ld", parent.text, (long)uv_os_getpid());
  result = make_directory(directory.text);
  if (result == UV_EEXIST) { /* of a test that was skipped, and had this process's number */
    support_remove_tree(directory.text);
    result = make_directory(directory.text);
  }
  cr_assert_eq(result, 0, "%s: %s", directory.text, uv_strerror(result));
}

const path *support_directory(void) {
  return &directory;
}

void note_problem(const char *what) {
  char line[512];
  int length = snprintf(line, sizeof line, "%.100s::%.100s: %.250s\n", criterion_current_suite->name,
                        criterion_current_test->name, what);
  int file = open_file(notes_of_runner(uv_os_getppid()).text, UV_FS_O_CREAT | UV_FS_O_APPEND | UV_FS_O_WRONLY);
  cr_assert_geq(file, 0, "%s", line);
  cr_assert_eq(write_all(file, line, (size_t)length, -1), 0, "%s", line);
  close_file(file);
}

void support_end(void) {
  const char *problem = NULL;
  if (premap_shutdown(-1) != 0)
    problem = "the library could not be shut down";
  else if (descriptors_left() > 0)
    problem = "a descriptor of a test's file is left over";
  else if (mappings_left() > 0)
    problem = "a mapping of a test's file is left over";
  const char *other = support_other_problem();
  support_remove_tree(directory.text);
  if (problem != NULL || other != NULL)
    note_problem(problem != NULL ? problem : other);
}

path path_of(const char *name) {
  path made;
  int length = snprintf(made.text, sizeof made.text, "%s%s%s", directory.text, name[0] != '\0' ? "/" : "", name);
  cr_assert_lt((size_t)length, sizeof made.text);
  return made;
}

/* ---- Files with known bytes */

static uint64_t pattern_word(uint64_t index, uint32_t seed) {
  uint64_t word = (index + 1 + ((uint64_t)seed << 32)) * UINT64_C(0x9E3779B97F4A7C15);
  return word ^ word >> 29;
}

/* Whole words are stored without a call, which valgrind and sanitizers would look into. */
void pattern_fill(void *to, size_t size, uint32_t seed, uint64_t offset) {
  unsigned char *bytes = to;
  for (size_t i = 0; i < size;) {
    uint64_t at = offset + i;
    uint64_t word = pattern_word(at / 8, seed);
    size_t skip = (size_t)(at % 8);
    size_t part = size - i < 8 - skip ? size - i : 8 - skip;
    if (part == sizeof word)
      memcpy(bytes + i, &word, sizeof word);
    else
      memcpy(bytes + i, (const unsigned char *)&word + skip, part);
    i += part;
  }
}

bool pattern_equals(const void *data, size_t size, uint32_t seed, uint64_t offset) {
  unsigned char expected[4 * KIB];
  for (size_t i = 0; i < size; i += sizeof expected) {
    size_t part = size - i < sizeof expected ? size - i : sizeof expected;
    pattern_fill(expected, part, seed, offset + i);
    if (memcmp((const unsigned char *)data + i, expected, part) != 0)
      return false;
  }
  return true;
}

static path make_with(const char *name, size_t size, const char *text, uint32_t seed) {
  path made = path_of(name);
  uv_file file = open_own(made.text, UV_FS_O_CREAT | UV_FS_O_TRUNC | UV_FS_O_WRONLY);
  char buffer[64 * KIB];
  for (size_t i = 0; i < size;) {
    size_t part = size - i < sizeof buffer ? size - i : sizeof buffer;
    if (text != NULL)
      memcpy(buffer, text + i, part);
    else
      pattern_fill(buffer, part, seed, i);
    int result = write_all(file, buffer, part, -1);
    if (result != 0)
      cr_assert_fail("%s: %s", made.text, uv_strerror(result));
    i += part;
  }
  close_own(file);
  return made;
}

path make_file(const char *name, size_t size, uint32_t seed) {
  return make_with(name, size, NULL, seed);
}

path make_slow_file(void) {
  static atomic_int made;
  char name[32];
  snprintf(name, sizeof name, "slow%d", atomic_fetch_add(&made, 1));
  return make_file(name, SLOW_SIZE, 1);
}

path make_text(const char *name, const char *text) {
  return make_with(name, strlen(text), text, 0);
}

/* ---- Loads */

premap_options options_with(premap_prefault prefault, premap_backing backing, premap_mode mode) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.prefault = (uint32_t)prefault;
  options.backing = (uint32_t)backing;
  options.mode = (uint32_t)mode;
  return options;
}

premap_options slow_options(void) {
  premap_options options = options_with(PREMAP_PREFAULT_ADVISE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  options.pause_us = PREMAP_PAUSE_MAX_US;
  return options;
}

premap_file_info info_of(premap_file file) {
  premap_file_info info = PREMAP_FILE_INFO_INIT;
  cr_assert_eq(premap_info(file, &info), 0);
  return info;
}

bool has_system_calls(void) {
  return run_child("populates", make_text("probe", "x").text) == 0;
}

bool reaches_state(premap_file file, premap_load_state state) {
  uint64_t begin = uv_hrtime();
  while (premap_state(file) != (int)state) {
    if (uv_hrtime() - begin > UINT64_C(60) * PREMAP_TEST_SLOWNESS * 1000 * 1000 * 1000)
      return false;
    async_yield();
  }
  return true;
}

premap_file open_inline(const char *name, const premap_options *options) {
  uint64_t begin = uv_hrtime();
  while (uv_hrtime() - begin < UINT64_C(60) * PREMAP_TEST_SLOWNESS * 1000 * 1000 * 1000) {
    premap_file file = premap_open(name, options);
    if (strcmp(info_of(file).reason, "already in memory, so read at the start") == 0)
      return file;
    cr_assert_eq(premap_wait(file, -1, NULL), 0);
    cr_assert_eq(premap_close(file), 0);
  }
  return 0;
}

bool makes_progress(premap_file file) {
  uint64_t begin = uv_hrtime(), done = 0;
  while (premap_progress(file, &done, NULL) == 0 && done == 0) {
    if (uv_hrtime() - begin > UINT64_C(60) * PREMAP_TEST_SLOWNESS * 1000 * 1000 * 1000)
      return false;
    async_yield();
  }
  return done > 0;
}

void expect_message(premap_file file, const char *step, const char *name, const char *rest) {
  char expected[2 * PATH_CAPACITY], actual[2 * PATH_CAPACITY];
  int length = snprintf(expected, sizeof expected, "%s '%s'%s", step, name, rest);
  cr_expect_eq(premap_error_message(file, actual, sizeof actual), length);
  cr_expect_str_eq(actual, expected, "\"%s\" is not \"%s\"", actual, expected);
}

void expect_failure(const char *name, const premap_options *options, int code, premap_step step) {
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

/* ---- Threads and processes */

bool has_thread_sanitizer(void) {
  return strstr(PREMAP_TEST_SANITIZE, "thread") != NULL;
}

bool has_address_sanitizer(void) {
  return strstr(PREMAP_TEST_SANITIZE, "address") != NULL;
}

bool has_valgrind(void) {
  return strstr(PREMAP_TEST_LAUNCHER, "valgrind") != NULL;
}

size_t rounds_of(size_t count) {
  return count / PREMAP_TEST_SLOWNESS;
}

typedef struct member {
  uv_thread_t thread;
  uv_barrier_t *start;
  void (*body)(void *shared, unsigned index);
  void *shared;
  unsigned index;
} member;

static void run_member(void *argument) {
  member *self = argument;
  uv_barrier_wait(self->start);
  self->body(self->shared, self->index);
}

void run_threads(unsigned count, void (*body)(void *shared, unsigned index), void *shared) {
  member members[64];
  uv_barrier_t start;
  cr_assert_leq(count, sizeof members / sizeof members[0]);
  cr_assert_eq(uv_barrier_init(&start, count), 0);
  for (unsigned i = 0; i < count; i++) {
    members[i] = (member){.start = &start, .body = body, .shared = shared, .index = i};
    cr_assert_eq(uv_thread_create(&members[i].thread, run_member, &members[i]), 0);
  }
  for (unsigned i = 0; i < count; i++)
    uv_thread_join(&members[i].thread);
  uv_barrier_destroy(&start);
}

/* Beside this program, with the same ending. */
static path child_program(void) {
  path own;
  size_t size = sizeof own.text;
  cr_assert_eq(uv_exepath(own.text, &size), 0);
  const char *ending = strcmp(own.text + size - 4, ".exe") == 0 ? ".exe" : "";
  while (size > 0 && own.text[size - 1] != '/' && own.text[size - 1] != '\\')
    size--;
  snprintf(own.text + size, sizeof own.text - size, "test_child%s", ending);
  return own;
}

static void note_exit(uv_process_t *process, int64_t status, int signal) {
  *(int *)process->data = signal != 0 ? 128 + signal : (int)status;
  uv_close((uv_handle_t *)process, NULL);
}

int run_child(const char *what, const char *file) {
  path program = child_program();
  char *arguments[] = {program.text, (char *)what, (char *)file, NULL};
  uv_stdio_container_t streams[3] = {
      {.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = 1}, {.flags = UV_INHERIT_FD, .data.fd = 2}};
  uv_process_options_t how = {
      .exit_cb = note_exit, .file = program.text, .args = arguments, .stdio_count = 3, .stdio = streams};
  int status = -1;
  uv_process_t process = {.data = &status};
  uv_loop_t loop;
  cr_assert_eq(uv_loop_init(&loop), 0);
  int result = uv_spawn(&loop, &process, &how);
  cr_assert_eq(result, 0, "%s: %s", program.text, uv_strerror(result));
  uv_run(&loop, UV_RUN_DEFAULT);
  cr_assert_eq(uv_loop_close(&loop), 0);
  return status;
}

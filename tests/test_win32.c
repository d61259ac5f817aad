/* SPDX-License-Identifier: MIT
 *
 * test_win32.c - what only Windows has: its paths, names, sharing, locks, and what it refuses while a file is mapped. It is
 * linked with the static library, whose backend some tests call.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <windows.h>

TestSuite(win32, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

enum { SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, WIDE = 2048 };

typedef struct wide_path {
  wchar_t text[WIDE];
} wide_path;

/* Verbatim: as the system takes a name of any length. */
static wide_path widen(const char *name) {
  wide_path made = {L"\\\\?\\"};
  cr_assert_gt(MultiByteToWideChar(CP_UTF8, 0, name, -1, made.text + 4, WIDE - 4), 0);
  for (wchar_t *at = made.text; *at != L'\0'; at++)
    if (*at == L'/')
      *at = L'\\';
  return made;
}

static HANDLE open_wide(const char *name, DWORD access, DWORD share, DWORD flags) {
  HANDLE file = CreateFileW(widen(name).text, access, share, NULL, OPEN_EXISTING, flags, NULL);
  cr_assert_neq(file, INVALID_HANDLE_VALUE, "%s: %lu", name, GetLastError());
  return file;
}

static void expect_bytes(const char *name, const premap_options *options, size_t size, uint32_t seed, uint64_t first) {
  premap_region region = {NULL, 0};
  premap_file handle = premap_load(name, options, &region);
  cr_assert_gt(handle, 0, "%s: %s", name, premap_err_name((int)handle));
  cr_expect_eq(region.size, size);
  cr_expect(pattern_equals(region.data, region.size, seed, first));
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Paths and names */

enum { LONG_PATH = 514 };

/* Directories below the test's own, and in the innermost a file whose path has exactly LONG_PATH characters. */
static path make_long(void) {
  path name = path_of("");
  size_t length = strlen(name.text);
  while (length < LONG_PATH) {
    size_t part = LONG_PATH - length - 1 < 60 ? LONG_PATH - length - 1 : 50;
    bool last = length + 1 + part == LONG_PATH;
    name.text[length] = '/';
    memset(name.text + length + 1, last ? 'f' : 'd', part);
    length += 1 + part;
    name.text[length] = '\0';
    if (!last)
      cr_assert(CreateDirectoryW(widen(name.text).text, NULL), "%s: %lu", name.text, GetLastError());
  }
  path small = make_file("small", 300 * KIB, 1);
  cr_assert(MoveFileW(widen(small.text).text, widen(name.text).text), "%lu", GetLastError());
  return name;
}

Test(win32, long_paths, .description = "514 characters, with slashes of both kinds, dots, and verbatim; each mode") {
  path name = make_long();
  cr_assert_eq(strlen(name.text), LONG_PATH);
  const premap_mode modes[] = {PREMAP_READ_ONLY, PREMAP_READ_WRITE, PREMAP_COPY_ON_WRITE};
  for (size_t i = 0; i < 3; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, modes[i]);
    expect_bytes(name.text, &options, 300 * KIB, 1, 0);
  }
  path other;
  char *folder = strrchr(name.text, '/');
  snprintf(other.text, sizeof other.text, "%.*s/./x/../%s", (int)(folder - name.text), name.text, folder + 1);
  expect_bytes(other.text, NULL, 300 * KIB, 1, 0);
  snprintf(other.text, sizeof other.text, "\\\\?\\%.1000s", name.text);
  for (char *at = other.text; *at != '\0'; at++)
    if (*at == '/')
      *at = '\\';
  expect_bytes(other.text, NULL, 300 * KIB, 1, 0);
}

Test(win32, long_paths_that_are_missing, .description = "ENOENT and the whole path in the message; a directory is EISDIR") {
  path name = make_long();
  strcat(name.text, "x");
  expect_failure(name.text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  *strrchr(name.text, '/') = '\0';
  expect_failure(name.text, NULL, PREMAP_EISDIR, PREMAP_STEP_OPEN);
}

Test(win32, names_of_every_script, .description = "emoji, accents, ideographs, spaces: UTF-8 names what UTF-16 does") {
  static const struct {
    const char *utf8;
    const wchar_t *utf16;
  } names[] = {{"\xf0\x9f\x98\x80.bin", L"\xd83d\xde00.bin"},
               {"\xc3\xa9t\xc3\xa9", L"\x00e9t\x00e9"},
               {"\xe6\x96\x87\xe4\xbb\xb6", L"\x6587\x4ef6"},
               {" a  b ", L" a  b "}};
  path folder = path_of("");
  for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    wide_path wide = widen(folder.text);
    wcscat(wcscat(wide.text, L"\\"), names[i].utf16);
    path plain = make_file("plain", 300 * KIB, i);
    cr_assert(MoveFileW(widen(plain.text).text, wide.text), "name %u: %lu", i, GetLastError());
    if (i < 3) /* a blank at the end is cut off of a name that is not verbatim */
      expect_bytes(path_of(names[i].utf8).text, NULL, 300 * KIB, i, 0);
    path verbatim;
    snprintf(verbatim.text, sizeof verbatim.text, "\\\\?\\%.1000s\\%s", folder.text, names[i].utf8);
    for (char *at = verbatim.text; *at != '\0'; at++)
      if (*at == '/')
        *at = '\\';
    expect_bytes(verbatim.text, NULL, 300 * KIB, i, 0);
  }
}

Test(win32, slashes_and_dots,
     .description = "both kinds of slash, dots, doubled slashes and another case lead to the same file") {
  cr_assert_eq(make_directory(path_of("sub").text), 0);
  make_file("sub/file", 300 * KIB, 1);
  const char *const ways[] = {"sub/file", "sub\\file",       "./sub/./file", "sub/../sub/file", ".\\sub\\..//sub\\\\file",
                              "SUB/File", "sub/file/../file"};
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
    expect_bytes(path_of(ways[i]).text, NULL, 300 * KIB, 1, 0);
}

Test(win32, relative_paths, .description = "are resolved against the working directory of the moment of opening") {
  make_file("file", 300 * KIB, 1);
  premap_file handle = premap_create("file", NULL);
  wchar_t before[WIDE];
  cr_assert_gt(GetCurrentDirectoryW(WIDE, before), 0);
  cr_assert(SetCurrentDirectoryW(widen(path_of("").text).text + 4));
  premap_region region = {NULL, 0};
  int result = premap_wait(handle, -1, &region);
  cr_assert(SetCurrentDirectoryW(before));
  cr_assert_eq(result, 0, "%s", premap_err_name(result));
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_close(handle), 0);
}

Test(win32, invalid_utf8,
     .description = "cut off, overlong, a lone surrogate, beyond Unicode: EILSEQ at open, never another name") {
  const char *const names[] = {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80z"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    premap_file handle = premap_open(path_of(names[i]).text, NULL);
    cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_EILSEQ, "name %zu: %s", i, premap_err_name(premap_error(handle)));
    cr_expect_eq(info_of(handle).step, PREMAP_STEP_OPEN);
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(win32, names_that_cannot_be, .description = "characters that no name may have: ENOENT, with the system's own code") {
  const char *const names[] = {"a*b", "a?b", "a<b", "a>b", "a|b", "a\"b"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    premap_file handle = premap_open(path_of(names[i]).text, NULL);
    cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ENOENT, "%s: %s", names[i], premap_err_name(premap_error(handle)));
    cr_expect_eq(info_of(handle).os_error, ERROR_INVALID_NAME);
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(win32, names_of_devices, .description = "NUL, CON, COM1, pipes and volumes: EFTYPE, and none of them is opened or hangs") {
  const char *const names[] = {"NUL", "nul", "CON", "\\\\.\\NUL", "//./pipe/premap", "\\\\.\\PhysicalDrive0"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    expect_failure(names[i], NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
}

Test(win32, places_that_are_not_there,
     .description = "no such drive, a stream of a missing file, an extra slash behind a file") {
  path file = make_text("file", "hello");
  expect_failure("?:/file", NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  expect_failure(path_of("missing:stream").text, NULL, PREMAP_ENOENT, PREMAP_STEP_OPEN);
  strcat(file.text, "/");
  premap_file handle = premap_open(file.text, NULL);
  cr_expect_lt(premap_wait(handle, -1, NULL), 0);
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Others that use the file */

Test(win32, files_that_are_not_shared,
     .description = "EBUSY (32) at open while another handle shares nothing or too little; afterwards it loads") {
  path file = make_file("file", 300 * KIB, 1);
  HANDLE other = open_wide(file.text, GENERIC_READ, 0, 0);
  expect_failure(file.text, NULL, PREMAP_EBUSY, PREMAP_STEP_OPEN);
  CloseHandle(other);
  other = open_wide(file.text, GENERIC_READ, FILE_SHARE_READ, 0);
  premap_options writing = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  premap_file handle = premap_open(file.text, &writing);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_EBUSY);
  cr_expect_eq(info_of(handle).os_error, ERROR_SHARING_VIOLATION);
  cr_expect_eq(premap_close(handle), 0);
  expect_bytes(file.text, NULL, 300 * KIB, 1, 0);
  CloseHandle(other);
  expect_bytes(file.text, &writing, 300 * KIB, 1, 0);
}

Test(win32, others_may_do_what_they_want_while_it_loads,
     .description = "a file that loads is shared for reading, writing, renaming and deleting") {
  path file = make_file("file", SLOW_SIZE, 1);
  premap_options slow = slow_options();
  premap_file handle = premap_open(file.text, &slow);
  uint64_t total = 0;
  while (total == 0 && premap_progress(handle, NULL, &total) == 0)
    async_yield(); /* until it is open */
  HANDLE other = open_wide(file.text, GENERIC_READ | GENERIC_WRITE | DELETE, SHARE_ALL, 0);
  CloseHandle(other);
  cr_expect_eq(rename_file(file.text, path_of("other").text), 0);
  cr_expect_eq(premap_close(handle), 0);
}

static bool locks_stop_reads(HANDLE reader) {
  char byte;
  DWORD got;
  OVERLAPPED place = {.Offset = 0};
  return !ReadFile(reader, &byte, 1, &got, &place) && GetLastError() == ERROR_LOCK_VIOLATION;
}

Test(win32, mapped_files_know_no_locks,
     .description = "a file of which another handle has locked bytes is mapped all the same") {
  path file = make_file("file", 300 * KIB, 1);
  HANDLE other = open_wide(file.text, GENERIC_READ | GENERIC_WRITE, SHARE_ALL, 0);
  OVERLAPPED place = {.Offset = 0};
  cr_assert(LockFileEx(other, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 100 * KIB, 0, &place));
  expect_bytes(file.text, NULL, 300 * KIB, 1, 0);
  CloseHandle(other);
}

Test(win32, copies_respect_locks, .description = "copying bytes that another handle has locked is EBUSY (33) at step read") {
  path file = make_file("file", 300 * KIB, 1);
  HANDLE other = open_wide(file.text, GENERIC_READ | GENERIC_WRITE, SHARE_ALL, 0);
  HANDLE reader = open_wide(file.text, GENERIC_READ, SHARE_ALL, 0);
  OVERLAPPED place = {.Offset = 0};
  cr_assert(LockFileEx(other, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 100 * KIB, 0, &place));
  bool stopped = locks_stop_reads(reader);
  CloseHandle(reader);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  if (stopped)
    expect_failure(file.text, &options, PREMAP_EBUSY, PREMAP_STEP_READ);
  CloseHandle(other);
  expect_bytes(file.text, &options, 300 * KIB, 1, 0);
  if (!stopped)
    cr_skip_test("SKIPPED: on this system (Wine is one) locks do not stop reads");
}

/* ---- What Windows refuses while a file is mapped */

static DWORD shrink(const char *name) {
  HANDLE file = open_wide(name, GENERIC_WRITE, SHARE_ALL, 0);
  LARGE_INTEGER end = {.QuadPart = 1000};
  DWORD error = ERROR_SUCCESS;
  cr_assert(SetFilePointerEx(file, end, NULL, FILE_BEGIN));
  if (!SetEndOfFile(file))
    error = GetLastError();
  CloseHandle(file);
  return error;
}

Test(win32, a_mapped_file_keeps_its_size,
     .description = "truncation is refused (1224) until the last close; a copy hinders nobody") {
  path file = make_file("file", 300 * KIB, 1);
  premap_region region;
  premap_file handle = premap_load(file.text, NULL, &region);
  cr_assert_gt(handle, 0);
  cr_expect_eq(info_of(handle).backing, PREMAP_BACKING_MAPPED);
  cr_expect_eq(shrink(file.text), ERROR_USER_MAPPED_FILE);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_check(handle), 0);
  cr_expect_eq(premap_close(handle), 0);
  premap_options copied = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  handle = premap_load(file.text, &copied, &region);
  cr_expect_eq(shrink(file.text), ERROR_SUCCESS);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_check(handle), PREMAP_ECHANGED);
  cr_expect_eq(premap_close(handle), 0);
}

Test(win32, a_mapped_file_may_be_renamed_at_least,
     .description = "renaming is allowed; deletion and replacement may be refused (5), but never harm the region") {
  path file = make_file("file", 300 * KIB, 1), other = path_of("other"), third = make_text("third", "hello");
  premap_region region;
  premap_file handle = premap_load(file.text, NULL, &region);
  cr_assert_gt(handle, 0);
  cr_expect(MoveFileW(widen(file.text).text, widen(other.text).text));
  bool replaced = MoveFileExW(widen(third.text).text, widen(other.text).text, MOVEFILE_REPLACE_EXISTING);
  cr_expect(replaced || GetLastError() == ERROR_ACCESS_DENIED, "%lu", GetLastError());
  bool deleted = DeleteFileW(widen(other.text).text);
  cr_expect(deleted || GetLastError() == ERROR_ACCESS_DENIED, "%lu", GetLastError());
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_log_info("replaced: %d, deleted: %d", replaced, deleted);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect(deleted || DeleteFileW(widen(other.text).text), "the last close lets it go");
}

Test(win32, handles_stay_open_where_they_are_needed,
     .description = "none for a mapped file, one for a read-write file until its close, since a flush takes it") {
  path file = make_file("file", 300 * KIB, 1);
  premap_file handle = premap_load(file.text, NULL, NULL);
  cr_expect_eq(descriptors_left(), 0);
  cr_expect_eq(premap_close(handle), 0);
  premap_options writing = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  handle = premap_load(file.text, &writing, NULL);
  cr_expect_eq(descriptors_left(), 1);
  cr_expect_eq(premap_flush(handle, 0, 0), 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(descriptors_left(), 0);
}

/* ---- Views */

Test(win32, views_begin_at_any_byte, .description = "offsets around multiples of 64 KiB, to the end and not, each mode") {
  const size_t size = 3 * 64 * KIB + 5;
  path file = make_file("file", size, 1);
  const premap_mode modes[] = {PREMAP_READ_ONLY, PREMAP_READ_WRITE, PREMAP_COPY_ON_WRITE};
  const size_t offsets[] = {1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB - 1, 192 * KIB - 1, 192 * KIB, size - 1};
  for (size_t i = 0; i < 3 * sizeof offsets / sizeof offsets[0]; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, modes[i % 3]);
    options.offset = offsets[i / 3];
    expect_bytes(file.text, &options, size - offsets[i / 3], 1, offsets[i / 3]);
    options.length = 1;
    expect_bytes(file.text, &options, 1, 1, offsets[i / 3]);
  }
}

Test(win32, what_is_flushed_others_read,
     .description = "a read-write part at an odd offset is in the file after a flush, and only there") {
  path file = make_file("file", 300 * KIB, 1);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  options.offset = 64 * KIB + 77;
  options.length = 10;
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_assert_gt(handle, 0);
  memcpy(region.data, "0123456789", 10);
  cr_expect_eq(premap_flush(handle, 0, 0), 0);
  static char bytes[300 * KIB];
  DWORD got = 0;
  HANDLE reader = open_wide(file.text, GENERIC_READ, SHARE_ALL, 0);
  cr_assert(ReadFile(reader, bytes, sizeof bytes, &got, NULL));
  CloseHandle(reader);
  cr_expect_eq(got, 300 * KIB);
  cr_expect(pattern_equals(bytes, 64 * KIB + 77, 1, 0));
  cr_expect_arr_eq(bytes + 64 * KIB + 77, "0123456789", 10);
  cr_expect(pattern_equals(bytes + 64 * KIB + 87, 300 * KIB - 64 * KIB - 87, 1, 64 * KIB + 87));
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Handles */

Test(win32, handles_that_are_no_files, .description = "an event, the process, the console, one without the right to read") {
  path file = make_file("file", 300 * KIB, 1);
  HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL), process = GetCurrentProcess();
  HANDLE attributes = open_wide(file.text, FILE_READ_ATTRIBUTES, SHARE_ALL, 0);
  HANDLE null = CreateFileW(L"NUL", GENERIC_READ, SHARE_ALL, NULL, OPEN_EXISTING, 0, NULL);
  cr_expect_lt(premap_open_fd((intptr_t)event, NULL), 0);
  cr_expect_eq(premap_open_fd((intptr_t)process, NULL), PREMAP_EBADF);
  cr_expect_eq(premap_open_fd((intptr_t)attributes, NULL), PREMAP_EACCES);
  cr_expect_eq(premap_open_fd((intptr_t)null, NULL), PREMAP_EFTYPE);
  CloseHandle(event);
  CloseHandle(attributes);
  CloseHandle(null);
}

Test(win32, handles_for_overlapped_reads,
     .description = "load too, mapped and copied, and nothing arrives at the completion port of the caller's") {
  path file = make_file("file", 300 * KIB, 1);
  HANDLE own = open_wide(file.text, GENERIC_READ, SHARE_ALL, FILE_FLAG_OVERLAPPED);
  HANDLE port = CreateIoCompletionPort(own, NULL, 1, 1);
  cr_assert_not_null(port);
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    premap_file handle = premap_open_fd((intptr_t)own, &options);
    premap_region region = {NULL, 0};
    cr_expect_eq(premap_wait(handle, -1, &region), 0);
    cr_expect(region.size == 300 * KIB && pattern_equals(region.data, region.size, 1, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
  DWORD size;
  ULONG_PTR key;
  OVERLAPPED *place;
  cr_expect(!GetQueuedCompletionStatus(port, &size, &key, &place, 0));
  cr_expect_eq(GetLastError(), WAIT_TIMEOUT);
  CloseHandle(port);
  CloseHandle(own);
}

/* ---- Memory */

Test(win32, locking_enlarges_the_working_set, .description = "more than the smallest working set can be locked and unlocked") {
  const size_t size = 40 * MIB;
  path file = make_file("file", size, 1);
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    options.flags = PREMAP_LOCK;
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0, "%s", premap_err_name((int)handle));
    cr_expect_eq(present_bytes(&region, false), size);
    cr_expect_eq(premap_unlock(handle, 0, 0), 0);
    cr_expect_eq(premap_unlock(handle, 0, 0), 0);
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(win32, the_working_set_limit_is_a_budget,
     .description = "a mapped file larger than it may grow is READY with PREMAP_PARTIAL") {
  const SIZE_T limit = (SIZE_T)64 * MIB;
  SIZE_T least, most;
  DWORD flags = 0;
  path file = make_file("file", 256 * MIB, 1);
  SetProcessWorkingSetSizeEx(GetCurrentProcess(), MIB, limit, QUOTA_LIMITS_HARDWS_MIN_DISABLE | QUOTA_LIMITS_HARDWS_MAX_ENABLE);
  if (!GetProcessWorkingSetSizeEx(GetCurrentProcess(), &least, &most, &flags) || most != limit ||
      (flags & QUOTA_LIMITS_HARDWS_MAX_ENABLE) == 0)
    cr_skip_test("SKIPPED: this system (Wine is one) limits no working set");
  premap_region region;
  premap_file handle = premap_open(file.text, NULL);
  cr_expect_eq(premap_wait(handle, -1, &region), PREMAP_PARTIAL);
  cr_expect_lt(info_of(handle).present, limit);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_close(handle), 0);
}

Test(win32, the_job_s_limit_is_a_budget_for_copies,
     .description = "a copy beyond the memory that the job allows is ENOMEM at step read") {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {.ProcessMemoryLimit = (SIZE_T)128 * MIB}, seen = {.ProcessMemoryLimit = 0};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_PROCESS_MEMORY;
  path file = make_file("file", 256 * MIB, 1);
  HANDLE job = CreateJobObjectW(NULL, NULL);
  bool limited = SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits) &&
                 AssignProcessToJobObject(job, GetCurrentProcess()) &&
                 QueryInformationJobObject(NULL, JobObjectExtendedLimitInformation, &seen, sizeof seen, NULL) &&
                 seen.ProcessMemoryLimit == limits.ProcessMemoryLimit;
  CloseHandle(job);
  if (!limited)
    cr_skip_test("SKIPPED: this system (Wine is one) tells nothing of a job's limits");
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  expect_failure(file.text, &options, PREMAP_ENOMEM, PREMAP_STEP_READ);
  expect_bytes(file.text, NULL, 256 * MIB, 1, 0);
}

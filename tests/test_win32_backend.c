/* SPDX-License-Identifier: MIT
 *
 * test_win32_backend.c - the Windows backend's own functions, and the DLL as a part of a process. It is linked with the static
 * library.
 */
#include "support.h"

#include <windows.h>

#include "../src/common/os.h"

TestSuite(win32_backend, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* ---- Memory */

Test(win32_backend, memory_that_is_not_there,
     .description = "populate and copy_out are EFAULT where nothing ever is, and raise nothing") {
  char *nowhere = (char *)(uintptr_t)page_size();
  char bytes[16];
  size_t done = 1;
  premap__os_way way;
  cr_expect_eq(premap__os_populate(nowhere + 5, 64 * KIB, &done, &way).code, PREMAP_EFAULT);
  cr_expect_eq(done, 0);
  cr_expect_eq(premap__os_copy_out(bytes, nowhere + 5, sizeof bytes).code, PREMAP_EFAULT);
}

Test(win32_backend, a_page_that_cannot_be_had,
     .description = "populate stops before it with EFAULT, having done all that stands before") {
  enum { PAGES = 64, BAD = 37 };
  size_t page = page_size();
  char *all = VirtualAlloc(NULL, PAGES * page, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  cr_assert_not_null(all);
  DWORD before;
  cr_assert(VirtualProtect(all + BAD * page, page, PAGE_NOACCESS, &before));
  char bytes[16];
  if (ReadProcessMemory(GetCurrentProcess(), all + BAD * page, bytes, 1, NULL))
    cr_skip_test("SKIPPED: this system (Wine is one) copies what may not be read");
  size_t done = 0;
  premap__os_way way;
  cr_expect_eq(premap__os_populate(all + 5, PAGES * page - 5, &done, &way).code, PREMAP_EFAULT);
  cr_expect_eq(done, BAD * page - 5);
  cr_expect_eq(premap__os_populate(all, BAD * page, &done, &way).code, 0);
  cr_expect_eq(done, BAD * page);
  cr_expect_eq(premap__os_copy_out(bytes, all + BAD * page - 8, 16).code, PREMAP_EFAULT);
  cr_expect_eq(premap__os_copy_out(bytes, all + BAD * page - 16, 16).code, 0);
  VirtualFree(all, 0, MEM_RELEASE);
}

/* ---- The DLL */

typedef premap_file open_call(const char *path, const premap_options *options);
typedef int wait_call(premap_file file, int64_t timeout_ms, premap_region *region);
typedef int close_call(premap_file file);
typedef void any_call(void);

static any_call *find(HMODULE library, const char *name) {
  any_call *found = (any_call *)GetProcAddress(library, name);
  cr_assert_not_null(found, "%s", name);
  return found;
}

Test(win32_backend, the_dll_stays_loaded,
     .description = "once a file was started FreeLibrary does not take the code from its threads") {
  if (PREMAP_TEST_DLL[0] == '\0')
    cr_skip_test("SKIPPED: no shared library was built");
  path file = make_file("file", 300 * KIB, 1);
  HMODULE library = LoadLibraryA(PREMAP_TEST_DLL);
  cr_assert_not_null(library, "%s: %lu", PREMAP_TEST_DLL, GetLastError());
  open_call *open = (open_call *)find(library, "premap_open");
  wait_call *wait = (wait_call *)find(library, "premap_wait");
  close_call *close = (close_call *)find(library, "premap_close");
  premap_file handle = open(file.text, NULL);
  cr_assert_gt(handle, 0);
  cr_expect(FreeLibrary(library));
  cr_assert_eq(GetModuleHandleA(PREMAP_TEST_DLL), library);
  premap_region region = {NULL, 0};
  cr_expect_eq(wait(handle, 60000, &region), 0);
  cr_expect(region.size == 300 * KIB && pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(close(handle), 0);
}

/* ---- Errors */

enum { LAST_KNOWN = 20000 };

/* By the codes of premap; a list ends with 0. */
static const struct {
  int code;
  DWORD os_errors[24];
} expected[] = {
    {PREMAP_EACCES,
     {ERROR_ACCESS_DENIED, ERROR_NETWORK_ACCESS_DENIED, ERROR_INVALID_PASSWORD, 225 /* a virus */, ERROR_LOGON_FAILURE,
      ERROR_CANT_ACCESS_FILE}},
    {PREMAP_EBADF, {ERROR_INVALID_HANDLE}},
    {PREMAP_EBUSY, {ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_BUSY, ERROR_PIPE_BUSY, ERROR_USER_MAPPED_FILE}},
    {PREMAP_ECANCELED, {ERROR_OPERATION_ABORTED}},
    {PREMAP_EFAULT, {ERROR_PARTIAL_COPY, ERROR_INVALID_ADDRESS, ERROR_NOACCESS}},
    {PREMAP_EFBIG, {ERROR_FILE_TOO_LARGE}},
    {PREMAP_EILSEQ, {ERROR_NO_UNICODE_TRANSLATION}},
    {PREMAP_EINVAL, {ERROR_INVALID_PARAMETER, ERROR_NOT_LOCKED, ERROR_MAPPED_ALIGNMENT}},
    {PREMAP_EIO,
     {ERROR_CRC, ERROR_SEEK, ERROR_SECTOR_NOT_FOUND, ERROR_WRITE_FAULT, ERROR_READ_FAULT, ERROR_GEN_FAILURE, ERROR_NETWORK_BUSY,
      ERROR_BAD_NET_RESP, ERROR_UNEXP_NET_ERR, ERROR_VC_DISCONNECTED, ERROR_SWAPERROR, ERROR_FILE_INVALID, ERROR_MEDIA_CHANGED,
      ERROR_IO_DEVICE, ERROR_DEVICE_NOT_CONNECTED, ERROR_NETWORK_UNREACHABLE, ERROR_CONNECTION_ABORTED, ERROR_FILE_CORRUPT,
      ERROR_DISK_CORRUPT}},
    {PREMAP_ELOOP, {ERROR_CANT_RESOLVE_FILENAME}},
    {PREMAP_EMFILE, {ERROR_TOO_MANY_OPEN_FILES}},
    {PREMAP_ENAMETOOLONG, {ERROR_BUFFER_OVERFLOW, ERROR_FILENAME_EXCED_RANGE}},
    {PREMAP_ENOENT,
     {ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_INVALID_DRIVE, ERROR_REM_NOT_LIST, ERROR_BAD_NETPATH,
      ERROR_BAD_NET_NAME, ERROR_INVALID_NAME, ERROR_BAD_PATHNAME, ERROR_DELETE_PENDING}},
    {PREMAP_ENOMEM,
     {ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY, ERROR_NO_SYSTEM_RESOURCES, ERROR_WORKING_SET_QUOTA, ERROR_COMMITMENT_LIMIT,
      ERROR_NOT_ENOUGH_QUOTA}},
    {PREMAP_ENOSPC, {ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL, 1295 /* a quota of the disk */}},
    {PREMAP_ENOSYS, {ERROR_CALL_NOT_IMPLEMENTED, ERROR_PROC_NOT_FOUND}},
    {PREMAP_ENOTDIR, {ERROR_DIRECTORY}},
    {PREMAP_ENOTSUP, {ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED}},
    {PREMAP_ENXIO, {ERROR_BAD_UNIT, ERROR_NOT_READY, ERROR_DEV_NOT_EXIST, ERROR_NO_MEDIA_IN_DRIVE}},
    {PREMAP_EPERM, {ERROR_PRIVILEGE_NOT_HELD}},
    {PREMAP_EROFS, {ERROR_WRITE_PROTECT}},
    {PREMAP_ESTALE, {ERROR_NETNAME_DELETED}},
    {PREMAP_ETIMEDOUT, {ERROR_SEM_TIMEOUT, ERROR_TIMEOUT}},
};

static int expected_code(DWORD os_error) {
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
    for (const DWORD *one = expected[i].os_errors; *one != 0; one++)
      if (*one == os_error)
        return expected[i].code;
  return PREMAP_UNKNOWN;
}

Test(win32_backend, each_code_is_translated,
     .description = "those of the list as it says, all others to UNKNOWN, and each keeps its own number") {
  for (DWORD os_error = 1; os_error < LAST_KNOWN; os_error++) {
    premap__status status = premap__os_error((int)os_error);
    int code = expected_code(os_error);
    if (status.code != code || status.os_error != (int)os_error)
      cr_expect_fail("%lu: %s is not %s", os_error, premap_err_name(status.code), premap_err_name(code));
  }
}

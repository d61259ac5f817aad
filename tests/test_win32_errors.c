/* SPDX-License-Identifier: MIT
 *
 * test_win32_errors.c - what each of Windows' error codes becomes.
 */
#include "support.h"

#include <windows.h>

#include "../src/common/os.h"

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

TestSuite(win32_errors, .timeout = SECONDS(60));

Test(win32_errors, each_code_is_translated,
     .description = "those of the list as it says, all others to UNKNOWN, and each keeps its own number") {
  for (DWORD os_error = 1; os_error < LAST_KNOWN; os_error++) {
    premap__status status = premap__os_error((int)os_error);
    int code = expected_code(os_error);
    if (status.code != code || status.os_error != (int)os_error)
      cr_expect_fail("%lu: %s is not %s", os_error, premap_err_name(status.code), premap_err_name(code));
  }
}

/* SPDX-License-Identifier: MIT
 *
 * beneath.c - opening beneath a directory, one component after the other.
 *
 * Only the native call takes a directory's handle and a name in it. It knows no "..", no drives and no device names, so that a
 * component can name nothing but an entry of that directory; links are opened themselves, and then refused.
 */
#include "win32.h"

#include <stdlib.h>
#include <wchar.h>
#include <winternl.h>

#define SEPARATORS L"\\/"

static premap__status open_entry(HANDLE directory, wchar_t *name, size_t length, ACCESS_MASK access, ULONG options,
                                 HANDLE *entered) {
  if (length > USHRT_MAX / sizeof *name)
    return premap__os_error(ERROR_FILENAME_EXCED_RANGE);
  USHORT bytes = (USHORT)(length * sizeof *name);
  UNICODE_STRING text = {.Length = bytes, .MaximumLength = bytes, .Buffer = name};
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, &text, OBJ_CASE_INSENSITIVE, directory, NULL);
  IO_STATUS_BLOCK result;
  NTSTATUS status = NtCreateFile(entered, access | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &attributes, &result, NULL, 0,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_OPEN,
                                 options | FILE_OPEN_REPARSE_POINT | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
  return NT_SUCCESS(status) ? premap__win32_well : premap__win32_nt_error(status);
}

/* Every kind of reparse point is refused: of one that is not a link what lies behind it would have to be opened by name. */
static premap__status enter(HANDLE directory, wchar_t *name, size_t length, ACCESS_MASK access, ULONG options,
                            HANDLE *entered) {
  premap__status status = open_entry(directory, name, length, access, options, entered);
  if (status.code != 0)
    return status;
  FILE_ATTRIBUTE_TAG_INFO found;
  if (!GetFileInformationByHandleEx(*entered, FileAttributeTagInfo, &found, sizeof found))
    status = premap__win32_last_error();
  else if ((found.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0)
    status = (premap__status){PREMAP_ELOOP, 0};
  if (status.code != 0)
    CloseHandle(*entered);
  return status;
}

/* Absolute, or of another drive, or a stream of the directory: no name in it. */
static bool leaves(const wchar_t *path) {
  return path[0] == L'\\' || path[0] == L'/' || wcschr(path, L':') != NULL;
}

static bool is_name(const wchar_t *name, size_t length, const wchar_t *what) {
  return length == wcslen(what) && wmemcmp(name, what, length) == 0;
}

static premap__status walk(HANDLE directory, wchar_t *path, bool writable, HANDLE *file) {
  HANDLE current = directory;
  premap__status status = premap__win32_well;
  for (bool last = false; !last && status.code == 0;) {
    wchar_t *name = path;
    size_t length = wcscspn(name, SEPARATORS);
    path += length + wcsspn(path + length, SEPARATORS);
    last = *path == L'\0';
    bool is_file = last && name[length] == L'\0'; /* "directory/" names the directory */

    if (is_name(name, length, L"..")) {
      status = (premap__status){PREMAP_EXDEV, 0};
    } else if (is_name(name, length, L".")) {
      if (last)
        status = (premap__status){PREMAP_EISDIR, 0};
    } else {
      HANDLE next;
      ACCESS_MASK access = is_file ? writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ : FILE_TRAVERSE;
      status = enter(current, name, length, access, is_file ? 0 : FILE_DIRECTORY_FILE, &next);
      if (status.code == 0 && current != directory)
        CloseHandle(current);
      if (status.code == 0)
        current = next;
    }
  }
  if (status.code == 0)
    *file = current;
  else if (current != directory)
    CloseHandle(current);
  return status;
}

premap__status premap__win32_open_beneath(const premap__os_how *how, HANDLE *file) {
  wchar_t *path;
  premap__status status = premap__win32_widen(how->path, &path);
  if (status.code != 0)
    return status;
  status = leaves(path) ? (premap__status){PREMAP_EXDEV, 0}
                        : walk(premap__win32_handle(how->beneath), path, how->writable, file);
  free(path);
  return status;
}

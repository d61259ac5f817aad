/* SPDX-License-Identifier: MIT
 *
 * file.c - open, duplicate, identify, read, close.
 */
#include "win32.h"

#include <stdlib.h>

/* Bytes of one read, whose size is 32 bits wide. */
#define READ_MAX ((size_t)1 << 30)

/* Everybody may go on reading, writing, renaming and deleting the file. */
enum { SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE };

/* A link, in the widest sense: following it leads to another name. Files that are only stored elsewhere (deduplicated, in a
 * cloud) are reparse points too, but keep their name. */
static bool is_link(HANDLE file, DWORD attributes) {
  FILE_ATTRIBUTE_TAG_INFO tag;
  if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0)
    return false;
  return !GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag, sizeof tag) ||
         IsReparseTagNameSurrogate(tag.ReparseTag);
}

static premap__status describe(HANDLE file, BY_HANDLE_FILE_INFORMATION *found) {
  SetLastError(ERROR_SUCCESS);
  DWORD type = GetFileType(file);
  if (type == FILE_TYPE_UNKNOWN && GetLastError() != ERROR_SUCCESS)
    return premap__win32_last_error();
  if (type != FILE_TYPE_DISK)
    return (premap__status){PREMAP_EFTYPE, 0};
  if (GetFileInformationByHandle(file, found))
    return premap__win32_well;
  /* A volume is of the disk's type too, but no file. */
  if (GetLastError() == ERROR_INVALID_FUNCTION || GetLastError() == ERROR_INVALID_PARAMETER)
    return (premap__status){PREMAP_EFTYPE, (int)GetLastError()};
  return premap__win32_last_error();
}

/* 100 ns to ns. Only ever compared, so that a time beyond the range may wrap. */
static int64_t nanoseconds(LARGE_INTEGER time) {
  return (int64_t)((uint64_t)time.QuadPart * 100U);
}

static premap__status identify(HANDLE file, premap__os_identity *identity) {
  BY_HANDLE_FILE_INFORMATION found;
  premap__status status = describe(file, &found);
  if (status.code != 0)
    return status;
  if (is_link(file, found.dwFileAttributes))
    return (premap__status){PREMAP_ELOOP, 0};
  if ((found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
    return (premap__status){PREMAP_EISDIR, 0};

  LARGE_INTEGER size;
  FILE_BASIC_INFO times;
  if (!GetFileSizeEx(file, &size) || !GetFileInformationByHandleEx(file, FileBasicInfo, &times, sizeof times))
    return premap__win32_last_error();
  identity->device = found.dwVolumeSerialNumber;
  identity->index = (uint64_t)found.nFileIndexHigh << 32 | found.nFileIndexLow;
  identity->size = (uint64_t)size.QuadPart;
  identity->modified_ns = nanoseconds(times.LastWriteTime);
  identity->changed_ns = nanoseconds(times.ChangeTime);
  return premap__win32_well;
}

premap__status premap__os_identify(premap__os_file file, premap__os_identity *identity) {
  return identify(premap__win32_handle(file), identity);
}

/* ---- Open */

static premap__status create(const wchar_t *path, bool writable, DWORD flags, HANDLE *file) {
  DWORD access = writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ;
  /* Should the name be a pipe's, its server may not act in our name. */
  *file = CreateFileW(path, access, SHARE_ALL, NULL, OPEN_EXISTING, flags | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
                      NULL);
  if (*file != INVALID_HANDLE_VALUE)
    return premap__win32_well;
  premap__status status = premap__win32_last_error();
  /* Which is what opening a directory as a file gives too. */
  if (status.os_error == ERROR_ACCESS_DENIED) {
    DWORD attributes = GetFileAttributesW(path);
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
      status.code = PREMAP_EISDIR;
  }
  return status;
}

/* The reparse point itself is opened, which is refused if it is a link. If it is another kind the file behind it is wanted
 * after all: the same name again, which must lead to the same file. */
static premap__status create_nofollow(const wchar_t *path, bool writable, HANDLE *file) {
  premap__status status = create(path, writable, FILE_FLAG_OPEN_REPARSE_POINT, file);
  BY_HANDLE_FILE_INFORMATION found;
  if (status.code != 0 || describe(*file, &found).code != 0 || (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0)
    return status; /* what it is the caller finds out */
  if (is_link(*file, found.dwFileAttributes))
    return status;

  HANDLE behind;
  BY_HANDLE_FILE_INFORMATION now;
  status = create(path, writable, 0, &behind);
  if (status.code == 0)
    status = describe(behind, &now);
  bool is_same = status.code == 0 && now.dwVolumeSerialNumber == found.dwVolumeSerialNumber &&
                 now.nFileIndexHigh == found.nFileIndexHigh && now.nFileIndexLow == found.nFileIndexLow;
  CloseHandle(*file);
  if (is_same) {
    *file = behind;
    return status;
  }
  if (behind != INVALID_HANDLE_VALUE)
    CloseHandle(behind);
  return status.code != 0 ? status : (premap__status){PREMAP_ELOOP, 0};
}

static premap__status open_anywhere(const premap__os_how *how, HANDLE *file) {
  wchar_t *path;
  premap__status status = premap__win32_path(how->path, &path);
  if (status.code != 0)
    return status;
  status = how->nofollow ? create_nofollow(path, how->writable, file) : create(path, how->writable, 0, file);
  free(path);
  return status;
}

premap__status premap__os_open(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity) {
  HANDLE opened;
  premap__status status = how->beneath == PREMAP__NO_FILE ? open_anywhere(how, &opened)
                                                          : premap__win32_open_beneath(how, &opened);
  if (status.code != 0)
    return status;
  status = identify(opened, identity);
  if (status.code != 0) {
    CloseHandle(opened);
    return status;
  }
  *file = (premap__os_file)opened;
  return premap__win32_well;
}

void premap__os_close(premap__os_file file) {
  (void)CloseHandle(premap__win32_handle(file));
}

/* ---- Duplicate */

static premap__status duplicate(HANDLE original, premap__os_file *file) {
  HANDLE copy;
  HANDLE process = GetCurrentProcess();
  if (!DuplicateHandle(process, original, process, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
    return premap__win32_last_error();
  *file = (premap__os_file)copy | PREMAP__WIN32_SHARED;
  return premap__win32_well;
}

/* Small negative numbers stand for the process, the thread and the like. */
static bool is_handle(intptr_t descriptor) {
  return descriptor > 0 && (descriptor & PREMAP__WIN32_TAGS) == 0;
}

/* Whether a handle may be read and written is asked by what needs it: a section, as every use of a duplicate is one. */
static premap__status check_access(HANDLE file, bool writable) {
  HANDLE section = CreateFileMappingW(file, NULL, writable ? PAGE_READWRITE : PAGE_READONLY, 0, 0, NULL);
  if (section != NULL) {
    CloseHandle(section);
    return premap__win32_well;
  }
  premap__status status = premap__win32_last_error();
  return status.os_error == ERROR_ACCESS_DENIED ? status : premap__win32_well; /* other reasons are for the load to report */
}

premap__status premap__os_duplicate(intptr_t descriptor, bool writable, premap__os_file *file) {
  if (!is_handle(descriptor))
    return premap__os_error(ERROR_INVALID_HANDLE);
  HANDLE original = (HANDLE)descriptor;
  premap__os_identity identity;
  premap__status status = identify(original, &identity);
  if (status.code == 0)
    status = check_access(original, writable);
  return status.code == 0 ? duplicate(original, file) : status;
}

premap__status premap__os_duplicate_directory(intptr_t descriptor, premap__os_file *directory) {
  if (!is_handle(descriptor))
    return premap__os_error(ERROR_INVALID_HANDLE);
  BY_HANDLE_FILE_INFORMATION found;
  premap__status status = describe((HANDLE)descriptor, &found);
  if (status.code == PREMAP_EFTYPE)
    return premap__os_error(ERROR_DIRECTORY);
  if (status.code != 0)
    return status;
  if ((found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
    return premap__os_error(ERROR_DIRECTORY);
  return duplicate((HANDLE)descriptor, directory);
}

/* ---- Read */

/* Reading through a duplicate would move the caller's file position, or report to its completion port; a mapping has neither.
 */
static premap__status read_by_mapping(premap__os_file file, void *buffer, size_t size, uint64_t offset, size_t *got) {
  LARGE_INTEGER end;
  if (!GetFileSizeEx(premap__win32_handle(file), &end))
    return premap__win32_last_error();
  if (offset >= (uint64_t)end.QuadPart)
    return premap__win32_well;
  if (size > (uint64_t)end.QuadPart - offset)
    size = (size_t)((uint64_t)end.QuadPart - offset);

  premap__os_mapping window;
  premap__status status = premap__os_map(file, PREMAP_READ_ONLY, offset, size, &window);
  if (status.code != 0)
    return status;
  status = premap__os_copy_out(buffer, window.data, size);
  premap__os_unmap(window.base, window.base_size);
  if (status.code == PREMAP_EFAULT)
    status.code = PREMAP_EIO;
  if (status.code == 0)
    *got = size;
  return status;
}

/* Only disk files come here, and those do not wait. */
bool premap__os_would_wait(premap__os_file file) {
  (void)file;
  return false;
}

premap__status premap__os_read(premap__os_file file, void *buffer, size_t size, uint64_t offset, size_t *got) {
  *got = 0;
  if (size > READ_MAX)
    size = READ_MAX;
  if ((file & PREMAP__WIN32_SHARED) != 0)
    return read_by_mapping(file, buffer, size, offset, got);

  OVERLAPPED place = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
  DWORD count = 0;
  if (!ReadFile(premap__win32_handle(file), buffer, (DWORD)size, &count, &place) && GetLastError() != ERROR_HANDLE_EOF)
    return premap__win32_last_error();
  *got = count;
  return premap__win32_well;
}

/* SPDX-License-Identifier: MIT
 *
 * support_win32.c - the part of support.h that is Windows' own.
 */
#include "support.h"

#include <windows.h>
#include <psapi.h>
#include <winioctl.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

const bool mapped_files_are_held = true;
const int code_of_file_as_directory = PREMAP_ENOENT; /* "the path was not found" */
const int code_of_long_component = PREMAP_ENOENT;    /* "the name is not correct" */
const int code_of_order_advice = PREMAP_ENOSYS;
const size_t lazy_descriptors = 32; /* an event for each lock that threads met at */
const int status_of_termination = 3;

enum { SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE };

/* ---- Directories */

path support_temporary_root(void) {
  wchar_t wide[MAX_PATH + 1];
  path made;
  DWORD length = GetTempPathW(sizeof wide / sizeof wide[0], wide);
  cr_assert(length > 0 && length < sizeof wide / sizeof wide[0]);
  wide[length - 1] = L'\0'; /* a backslash */
  cr_assert_gt(WideCharToMultiByte(CP_UTF8, 0, wide, -1, made.text, sizeof made.text, NULL, NULL), 0);
  return made;
}

/* Verbatim, since names in it may be longer than MAX_PATH. */
static void widen(const char *name, wchar_t *wide, size_t capacity) {
  int length = swprintf(wide, capacity, L"\\\\?\\");
  cr_assert_gt(MultiByteToWideChar(CP_UTF8, 0, name, -1, wide + length, (int)capacity - length), 0);
  for (wchar_t *at = wide; *at != L'\0'; at++)
    if (*at == L'/')
      *at = L'\\';
}

enum { WIDE_CAPACITY = 2048 };

static void remove_wide(const wchar_t *name) {
  wchar_t inner[WIDE_CAPACITY];
  WIN32_FIND_DATAW found;
  swprintf(inner, WIDE_CAPACITY, L"%ls\\*", name);
  HANDLE search = FindFirstFileW(inner, &found);
  for (bool more = search != INVALID_HANDLE_VALUE; more; more = FindNextFileW(search, &found)) {
    if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0)
      continue;
    swprintf(inner, WIDE_CAPACITY, L"%ls\\%ls", name, found.cFileName);
    bool is_directory = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    if (is_directory && (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0)
      remove_wide(inner);
    else if (is_directory)
      RemoveDirectoryW(inner);
    else if (!DeleteFileW(inner) && SetFileAttributesW(inner, FILE_ATTRIBUTE_NORMAL))
      DeleteFileW(inner);
  }
  if (search != INVALID_HANDLE_VALUE)
    FindClose(search);
  RemoveDirectoryW(name);
}

void support_remove_tree(const char *name) {
  wchar_t wide[WIDE_CAPACITY];
  widen(name, wide, WIDE_CAPACITY);
  remove_wide(wide);
}

int make_sparse(const char *name) {
  wchar_t wide[WIDE_CAPACITY];
  DWORD got;
  widen(name, wide, WIDE_CAPACITY);
  HANDLE file = CreateFileW(wide, GENERIC_WRITE, SHARE_ALL, NULL, CREATE_ALWAYS, 0, NULL);
  if (file == INVALID_HANDLE_VALUE)
    return uv_translate_sys_error((int)GetLastError());
  /* Where it cannot be sparse it still is not written before its bytes are. */
  (void)DeviceIoControl(file, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &got, NULL);
  CloseHandle(file);
  return 0;
}

/* ---- What Windows has not */

const char *support_other_problem(void) {
  return NULL;
}

void need_to_be_nobody(void) {
  cr_skip_test("SKIPPED: a Windows process cannot become another user");
}

void need_another_user(void) {
  need_to_be_nobody();
}

void need_lock_limit(uint64_t bytes) {
  cr_skip_test("SKIPPED: Windows knows no limit of %llu locked bytes: the library raises the working set's",
               (unsigned long long)bytes);
}

bool drop_cache(const char *name) {
  (void)name;
  return false; /* there is no call for one file */
}

size_t cached_bytes(const char *name) {
  cr_skip_test("SKIPPED: Windows does not tell what it caches of %s", name);
  return 0;
}

/* libuv reads its setting from the C library's copy of the environment, which uv_os_setenv leaves alone. */
void set_pool_size(const char *threads) {
  cr_assert_eq(_putenv_s("UV_THREADPOOL_SIZE", threads), 0);
}

bool becomes_readable(intptr_t descriptor, int timeout_ms) {
  return WaitForSingleObject((HANDLE)descriptor, (DWORD)timeout_ms) == WAIT_OBJECT_0;
}

/* ---- Handles */

/* Long names contain the test's directory by its long name; so this is what tells it from all others. */
static bool is_inside(const wchar_t *name) {
  const char *tail = strstr(support_directory()->text, "premap-tests-");
  wchar_t wanted[MAX_PATH];
  cr_assert_gt(MultiByteToWideChar(CP_UTF8, 0, tail, -1, wanted, MAX_PATH), 0);
  *wcschr(wanted, L'/') = L'\\';
  return wcsstr(name, wanted) != NULL;
}

static bool is_of_test(HANDLE handle) {
  wchar_t name[WIDE_CAPACITY];
  return GetFileType(handle) == FILE_TYPE_DISK && GetFinalPathNameByHandleW(handle, name, WIDE_CAPACITY, 0) > 0 &&
         is_inside(name);
}

/* Handles are tried one by one, since GetProcessHandleCount is 0 in Wine 8, whose server dies when it lists the handles of all
   processes while one of them has none. They are multiples of 4, given out from low to high. */
static size_t count_handles(bool only_of_test) {
  enum { STEP = 4, WIDEST_GAP = 1024 * STEP };
  size_t count = 0;
  uintptr_t last = 0;
  for (uintptr_t handle = STEP; handle - last <= WIDEST_GAP; handle += STEP) {
    DWORD flags;
    if (GetHandleInformation((HANDLE)handle, &flags)) {
      last = handle;
      count += !only_of_test || is_of_test((HANDLE)handle);
    }
  }
  return count;
}

size_t open_descriptors(void) {
  return count_handles(false);
}

size_t descriptors_left(void) {
  return count_handles(true);
}

uintptr_t thread_number(void) {
  return GetCurrentThreadId();
}

/* ---- Memory */

static bool next_region(uintptr_t address, MEMORY_BASIC_INFORMATION *found) {
  return VirtualQuery((void *)address, found, sizeof *found) != 0;
}

size_t mappings_left(void) {
  size_t count = 0;
  MEMORY_BASIC_INFORMATION found;
  for (uintptr_t at = 0; next_region(at, &found); at = (uintptr_t)found.BaseAddress + found.RegionSize) {
    wchar_t name[WIDE_CAPACITY];
    /* A view whose pages differ in protection is several regions. */
    bool is_view = found.Type == MEM_MAPPED && found.BaseAddress == found.AllocationBase;
    count += is_view && GetMappedFileNameW(GetCurrentProcess(), found.BaseAddress, name, WIDE_CAPACITY) > 0 && is_inside(name);
  }
  return count;
}

size_t page_size(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

static PSAPI_WORKING_SET_EX_BLOCK page_at(uintptr_t address) {
  PSAPI_WORKING_SET_EX_INFORMATION page = {.VirtualAddress = (void *)address};
  cr_assert(QueryWorkingSetEx(GetCurrentProcess(), &page, sizeof page));
  return page.VirtualAttributes;
}

bool loads_inline(void) {
  return false;
}

void need_presence(void) {
}

void need_dropping(void) {
  static _Alignas(4 * KIB) volatile char probe[4 * KIB];
  probe[0] = 1;
  (void)VirtualUnlock((void *)probe, sizeof probe); /* which was not locked: so the call fails, and drops it all the same */
  if (page_at((uintptr_t)probe).Valid)
    cr_skip_test("SKIPPED: this system (Wine does so) keeps pages present that are dropped");
}

void need_advice(void) {
}

uint64_t present_bytes(const premap_region *region, bool only_of_file) {
  uint64_t bytes = 0;
  uintptr_t begin = (uintptr_t)region->data, end = begin + region->size;
  for (uintptr_t at = begin; at < end;) {
    uintptr_t next = (at / page_size() + 1) * page_size();
    PSAPI_WORKING_SET_EX_BLOCK page = page_at(at);
    if (page.Valid && (page.Shared || !only_of_file))
      bytes += (next < end ? next : end) - at;
    at = next;
  }
  return bytes;
}

size_t locked_bytes(void) {
  size_t bytes = 0;
  MEMORY_BASIC_INFORMATION found;
  for (uintptr_t at = 0; next_region(at, &found); at = (uintptr_t)found.BaseAddress + found.RegionSize)
    for (size_t i = 0; found.State == MEM_COMMIT && i < found.RegionSize; i += page_size()) {
      PSAPI_WORKING_SET_EX_BLOCK page = page_at(at + i);
      bytes += page.Valid && page.Locked ? page_size() : 0;
    }
  return bytes;
}

void need_locked_bytes(void) {
  static _Alignas(4 * KIB) char probe[64 * KIB];
  size_t before = locked_bytes();
  bool locked = VirtualLock(probe, sizeof probe);
  bool counts = locked && locked_bytes() == before + sizeof probe;
  if (locked)
    VirtualUnlock(probe, sizeof probe);
  if (!counts)
    cr_skip_test("SKIPPED: this system does not tell which pages are locked");
}

bool count_faults(uint64_t *faults) {
  PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
  if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters) || counters.PageFaultCount == 0)
    return false;
  *faults = counters.PageFaultCount;
  return true;
}

/* malloc's heap: all that is in use. */
size_t allocated_bytes(void) {
  HANDLE heap = (HANDLE)_get_heap_handle();
  size_t bytes = 0;
  PROCESS_HEAP_ENTRY entry = {.lpData = NULL};
  cr_assert(HeapLock(heap));
  while (HeapWalk(heap, &entry))
    if ((entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0)
      bytes += entry.cbData;
  HeapUnlock(heap);
  return bytes;
}

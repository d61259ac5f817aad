/* SPDX-License-Identifier: MIT
 *
 * map.c - maps of files, private pages, and what can be done to a mapped range.
 */
#include "win32.h"

#include <stdatomic.h>

static SYSTEM_INFO system_info(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info;
}

size_t premap__os_page_size(void) {
  static atomic_size_t known;
  size_t size = atomic_load_explicit(&known, memory_order_relaxed);
  if (size == 0) {
    size = system_info().dwPageSize;
    atomic_store_explicit(&known, size, memory_order_relaxed);
  }
  return size;
}

premap__win32_range premap__win32_pages_over(const void *address, size_t size) {
  size_t page = premap__os_page_size();
  size_t before = (uintptr_t)address & (page - 1);
  return (premap__win32_range){(char *)address - before, (before + size + page - 1) & ~(page - 1)};
}

/* ---- Maps */

typedef struct protection {
  DWORD section;
  DWORD view;
} protection;

static protection protection_of(premap_mode mode) {
  switch (mode) {
  case PREMAP_READ_WRITE:
    return (protection){PAGE_READWRITE, FILE_MAP_READ | FILE_MAP_WRITE};
  case PREMAP_COPY_ON_WRITE:
    return (protection){PAGE_WRITECOPY, FILE_MAP_COPY};
  default:
    return (protection){PAGE_READONLY, FILE_MAP_READ};
  }
}

/* Unlike mmap the calls refuse what lies beyond the end, each by codes that mean something else elsewhere. The size the file
 * has by now would not tell: it may have grown again. */
static premap__status section_error(void) {
  premap__status status = premap__win32_last_error();
  if (status.os_error == ERROR_FILE_INVALID) /* it is empty */
    status.code = PREMAP_ECHANGED;
  else if (status.code == PREMAP_ENOTSUP ||
           status.code == PREMAP_EINVAL) /* our arguments are right, so it is the file's kind */
    status.code = PREMAP_ENODEV;
  return status;
}

/* The section allows this access, and the arguments are right: so it can only be too short. */
static premap__status view_error(void) {
  premap__status status = premap__win32_last_error();
  if (status.os_error == ERROR_ACCESS_DENIED || status.os_error == ERROR_INVALID_PARAMETER)
    status.code = PREMAP_ECHANGED;
  return status;
}

premap__status premap__os_map(premap__os_file file, premap_mode mode, uint64_t offset, size_t size,
                              premap__os_mapping *mapping) {
  size_t granularity = system_info().dwAllocationGranularity;
  size_t before = (size_t)(offset & (granularity - 1));
  size_t page = premap__os_page_size();
  if (size > SIZE_MAX - before - page)
    return premap__os_error(ERROR_NOT_ENOUGH_MEMORY);

  /* Of the file's own size: a size given here would enlarge a file that was truncated a moment ago. */
  protection allowed = protection_of(mode);
  HANDLE section = CreateFileMappingW(premap__win32_handle(file), NULL, allowed.section, 0, 0, NULL);
  if (section == NULL)
    return section_error();
  uint64_t begin = offset - before;
  char *base = MapViewOfFile(section, allowed.view, (DWORD)(begin >> 32), (DWORD)begin, before + size);
  premap__status status = base == NULL ? view_error() : premap__win32_well;
  CloseHandle(section); /* the view keeps what it needs of it */
  if (base != NULL)
    *mapping = (premap__os_mapping){.data = base + before, .base = base, .base_size = (before + size + page - 1) & ~(page - 1)};
  return status;
}

void premap__os_unmap(void *base, size_t base_size) {
  (void)base_size;
  (void)UnmapViewOfFile(base);
}

void *premap__os_pages_allocate(size_t size) {
  return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void premap__os_pages_free(void *pages, size_t size) {
  (void)size;
  (void)VirtualFree(pages, 0, MEM_RELEASE);
}

/* ---- What can be done to a range */

bool premap__os_flush_needs_file(void) {
  return true;
}

premap__status premap__os_flush(premap__os_file file, void *address, size_t size) {
  /* The first only hands the pages to the file system. */
  if (!FlushViewOfFile(address, size) || !FlushFileBuffers(premap__win32_handle(file)))
    return premap__win32_last_error();
  return premap__win32_well;
}

premap__status premap__os_release(premap__os_file file, uint64_t offset, void *address, size_t size) {
  (void)offset;
  premap__win32_range pages = {address, size};
  premap__win32_counts counts;
  premap__status status = premap__win32_count_pages(&pages, &counts);
  if (status.code != 0)
    return status;
  if (counts.locked > 0)
    return premap__os_error(ERROR_INVALID_PARAMETER);
  if (file != PREMAP__NO_FILE && !FlushViewOfFile(address, size))
    return premap__win32_last_error();
  /* Pages that are not locked leave the working set: this is the way, and that they were not locked is how it says so. */
  if (!VirtualUnlock(address, size) && GetLastError() != ERROR_NOT_LOCKED)
    return premap__win32_last_error();
  return premap__win32_well;
}

/* SPDX-License-Identifier: MIT
 *
 * cache.c - a file's pages in Linux's page cache.
 */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

enum { PIECE = 1 << 20, FOLIO_WINDOW = 64 << 20 };

static size_t page_size(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

static int open_to_read(const char *path) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  return descriptor < 0 ? -errno : descriptor;
}

int bench_evict(const char *path) {
  int descriptor = open_to_read(path);
  if (descriptor < 0)
    return descriptor;
  /* Dirty pages cannot be dropped. A file system that is read-only has none. */
  int error = fdatasync(descriptor) != 0 && errno != EROFS && errno != EINVAL ? -errno : 0;
  if (error == 0)
    error = -posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  close(descriptor);
  return error;
}

static int64_t resident_by_mincore(int descriptor, size_t size) {
  size_t pages = (size + page_size() - 1) / page_size();
  unsigned char *present = malloc(pages);
  void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
  int64_t resident = 0;
  if (present == NULL || data == MAP_FAILED)
    resident = -ENOMEM;
  else if (mincore(data, size, present) != 0)
    resident = -errno;
  for (size_t i = 0; resident >= 0 && i < pages; i++)
    resident += (present[i] & 1) != 0 ? (int64_t)page_size() : 0;
  if (data != MAP_FAILED)
    munmap(data, size);
  free(present);
  return resident;
}

static int64_t resident_of(int descriptor) {
  struct stat about;
  if (fstat(descriptor, &about) != 0)
    return -errno;
  if (about.st_size == 0)
    return 0;
  struct {
    uint64_t offset, size;
  } range = {0, (uint64_t)about.st_size};
  struct {
    uint64_t cached, dirty, written_back, evicted, evicted_recently; /* pages */
  } counts = {0, 0, 0, 0, 0};
  int64_t resident;
  if (syscall(SYS_cachestat, descriptor, &range, &counts, 0) == 0)
    resident = (int64_t)(counts.cached * page_size());
  else
    resident = resident_by_mincore(descriptor, (size_t)about.st_size);
  return resident < about.st_size ? resident : about.st_size;
}

int64_t bench_resident(const char *path) {
  int descriptor = open_to_read(path);
  if (descriptor < 0)
    return descriptor;
  int64_t resident = resident_of(descriptor);
  close(descriptor);
  return resident;
}

int bench_use_free_memory(uint64_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uint64_t unused = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * page;
  size_t size = (size_t)(bytes < unused ? bytes : unused);
  if (size == 0)
    return 0;
  char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return -errno;
  (void)madvise(memory, size, MADV_HUGEPAGE); /* in such pieces it is given back; else in small ones, which takes longer */
  for (size_t at = 0; at < size; at += page)
    *(volatile char *)(memory + at) = 1;
  munmap(memory, size);
  return 0;
}

int bench_evict_verified(const char *path, uint64_t size) {
  int error = bench_evict(path);
  if (error != 0)
    return error;
  int64_t resident = bench_resident(path);
  if (resident < 0)
    return (int)resident;
  return (uint64_t)resident * 100 >= size && resident > 0 ? BENCH_VOID : 0;
}

int bench_read_in(const char *path) {
  int descriptor = open_to_read(path);
  if (descriptor < 0)
    return descriptor;
  char *piece = malloc(PIECE);
  ssize_t got = piece != NULL ? 1 : -1;
  while (got > 0)
    got = read(descriptor, piece, PIECE);
  int error = got < 0 ? -errno : 0;
  free(piece);
  close(descriptor);
  return error;
}

/* ---- Folios */

/* Of a page's flags as the kernel shows them. */
#define COMPOUND_TAIL ((uint64_t)1 << 16)
#define PRESENT ((uint64_t)1 << 63)
#define FRAME (((uint64_t)1 << 55) - 1)

/* Whether a page of this process is there and is the first of its folio. A small one is its own. */
typedef enum { UNKNOWN, MISSING, FIRST, FURTHER } place;

static place place_of(const volatile unsigned char *page, int map, int flags) {
  uint64_t entry = 0, flag = 0;
  if (pread(map, &entry, sizeof entry, (off_t)((uintptr_t)page / page_size() * sizeof entry)) != sizeof entry)
    return UNKNOWN;
  if ((entry & PRESENT) == 0 || (entry & FRAME) == 0)
    return MISSING;
  if (pread(flags, &flag, sizeof flag, (off_t)((entry & FRAME) * sizeof flag)) != sizeof flag)
    return UNKNOWN;
  return (flag & COMPOUND_TAIL) == 0 ? FIRST : FURTHER;
}

static double median_folio_kib(const volatile unsigned char *data, size_t size, int map, int flags) {
  size_t count = size / page_size(), folios = 0;
  double *folio_kib = malloc((count + 1) * sizeof *folio_kib); /* of each page, so that large ones have their weight */
  double median = NAN;
  size_t pages = 0, first = 0;
  bool known = folio_kib != NULL;
  for (size_t i = 0; known && i <= count; i++) {
    place now = i < count ? place_of(data + i * page_size(), map, flags) : MISSING;
    known = now != UNKNOWN;
    for (size_t page = first; now != FURTHER && page < pages; page++)
      folio_kib[page] = (double)((pages - first) * page_size()) / 1024;
    if (now != FURTHER)
      first = pages;
    folios += now == FIRST;
    pages += now == FIRST || now == FURTHER;
  }
  if (known && folios > 0)
    median = bench_quantile(folio_kib, pages, 0.5);
  free(folio_kib);
  return median;
}

static double folio_kib_of(int descriptor, int map, int flags) {
  struct stat about;
  if (descriptor < 0 || map < 0 || flags < 0 || fstat(descriptor, &about) != 0 || about.st_size == 0)
    return NAN;
  size_t size = about.st_size < FOLIO_WINDOW ? (size_t)about.st_size : FOLIO_WINDOW;
  void *map_begin = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
  if (map_begin == MAP_FAILED)
    return NAN;
  const volatile unsigned char *data = map_begin; /* volatile: reads whose values nobody wants */
  for (size_t at = 0; at < size; at += page_size())
    (void)data[at];
  double median = median_folio_kib(data, size, map, flags);
  munmap(map_begin, size);
  return median;
}

double bench_folio_kib(const char *path) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
  double median = folio_kib_of(descriptor, map, flags);
  int opened[] = {descriptor, map, flags};
  for (int i = 0; i < 3; i++) {
    if (opened[i] >= 0)
      close(opened[i]);
  }
  return median;
}

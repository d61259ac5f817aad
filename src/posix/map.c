/* SPDX-License-Identifier: MIT
 *
 * map.c - maps of files, private pages, and what can be done to a mapped range.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix.h"

/* The large page of x86-64, and of arm64 with pages of 4 KiB. Where it is another, only speed is lost. */
#define LARGE_PAGE ((size_t)2 << 20)

size_t premap__os_page_size(void) {
  static atomic_size_t known;
  size_t size = atomic_load_explicit(&known, memory_order_relaxed);
  if (size == 0) {
    size = (size_t)sysconf(_SC_PAGESIZE);
    atomic_store_explicit(&known, size, memory_order_relaxed);
  }
  return size;
}

premap__posix_range premap__posix_pages_over(const void *address, size_t size) {
  size_t page = premap__os_page_size();
  size_t before = (uintptr_t)address & (page - 1);
  return (premap__posix_range){(char *)address - before, (before + size + page - 1) & ~(page - 1)};
}

/* Maps at an address that equals the offset modulo LARGE_PAGE: else no large page of the file could be mapped as one. */
static void *map_aligned(size_t size, int protection, int flags, int file, uint64_t offset) {
  char *plain = mmap(NULL, size, protection, flags, file, (off_t)offset);
  if (plain == MAP_FAILED || size < LARGE_PAGE || size > SIZE_MAX - LARGE_PAGE)
    return plain;
  if ((((uintptr_t)plain ^ (uintptr_t)offset) & (LARGE_PAGE - 1)) == 0)
    return plain;

  /* Find a place with room to choose in, give it back, and ask for the right part of it. Should another thread be faster the
   * map comes to stand elsewhere; replacing the reservation (MAP_FIXED) instead would leave a hole when it fails, on kernels
   * before 6.12, and another thread's map might be in it before it could be cleaned up. Any failure leaves the plain map, which
   * only is slower. */
  char *place = mmap(NULL, size + LARGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED)
    return plain;
  munmap(place, size + LARGE_PAGE);
  size_t skip = ((uintptr_t)offset - (uintptr_t)place) & (LARGE_PAGE - 1);
  char *aligned = mmap(place + skip, size, protection, flags, file, (off_t)offset);
  if (aligned == MAP_FAILED)
    return plain;
  bool is_right = (((uintptr_t)aligned ^ (uintptr_t)offset) & (LARGE_PAGE - 1)) == 0;
  munmap(is_right ? plain : aligned, size);
  return is_right ? aligned : plain;
}

/* Our arguments are right, so EINVAL is about the file; so is EACCES, save for a writable map of an append-only file. EIO is
 * what some files of procfs give. */
static premap__status map_error(int os_error, premap_mode mode) {
  if (os_error == EINVAL || os_error == EIO || (os_error == EACCES && mode != PREMAP_READ_WRITE)) {
    return (premap__status){PREMAP_ENODEV, os_error};
  }
  return premap__os_error(os_error);
}

premap__status premap__os_map(premap__os_file file, premap_mode mode, uint64_t offset, size_t size,
                              premap__os_mapping *mapping) {
  /* In hugetlbfs, where the block is the huge page, the kernel rounds up to blocks what it maps but not what it unmaps.
   * Elsewhere the rounding costs nothing but addresses. */
  size_t block = premap__os_page_size();
  struct stat found;
  if (fstat((int)file, &found) != 0)
    return premap__os_error(errno);
  if (found.st_blksize > 0 && (found.st_blksize & (found.st_blksize - 1)) == 0 && (size_t)found.st_blksize > block) {
    block = (size_t)found.st_blksize;
  }

  size_t before = (size_t)(offset & (premap__os_page_size() - 1));
  if (size > SIZE_MAX - before - block)
    return premap__os_error(ENOMEM);
  size_t base_size = (before + size + block - 1) & ~(block - 1);

  int protection = mode == PREMAP_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
  int flags = mode == PREMAP_COPY_ON_WRITE ? MAP_PRIVATE : MAP_SHARED;
  char *base = map_aligned(base_size, protection, flags, (int)file, offset - before);
  if (base == MAP_FAILED)
    return map_error(errno, mode);
  *mapping = (premap__os_mapping){.data = base + before, .base = base, .base_size = base_size};
  return premap__posix_well;
}

void premap__os_unmap(void *base, size_t base_size) {
  if (base_size >= LARGE_PAGE)
    premap__posix_leave_pages(base, base_size);
  (void)munmap(base, base_size); /* fails only to split what the kernel merged, at the limit of maps */
}

void *premap__os_pages_allocate(size_t size) {
  size_t page = premap__os_page_size();
  if (size > SIZE_MAX - page)
    return NULL;
  size = (size + page - 1) & ~(page - 1);
  void *pages = map_aligned(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED)
    return NULL;
  if (size >= LARGE_PAGE)
    premap__posix_want_large_pages(pages, size);
  return pages;
}

void premap__os_pages_free(void *pages, size_t size) {
  (void)munmap(pages, size);
}

premap__status premap__os_advise(premap__os_file file, uint64_t offset, void *address, size_t size, premap_advice advice) {
  if (advice == PREMAP_ADVICE_WILL_NEED)
    return premap__posix_advise_will_need(file, offset, address, size);

  int posix_advice = advice == PREMAP_ADVICE_SEQUENTIAL ? POSIX_MADV_SEQUENTIAL
                     : advice == PREMAP_ADVICE_RANDOM   ? POSIX_MADV_RANDOM
                                                        : POSIX_MADV_NORMAL;
  premap__posix_range pages = premap__posix_pages_over(address, size);
  int os_error = posix_madvise(pages.start, pages.size, posix_advice);
  return os_error != 0 ? premap__os_error(os_error) : premap__posix_well;
}

bool premap__os_flush_needs_file(void) {
  return false;
}

premap__status premap__os_flush(premap__os_file file, void *address, size_t size) {
  (void)file;
  premap__posix_range pages = premap__posix_pages_over(address, size);
  int result;
  do {
    result = msync(pages.start, pages.size, MS_SYNC);
  } while (result != 0 && errno == EINTR);
  return result != 0 ? premap__os_error(errno) : premap__posix_well;
}

premap__status premap__os_release(premap__os_file file, uint64_t offset, void *address, size_t size) {
  if (madvise(address, size, MADV_DONTNEED) != 0)
    return premap__os_error(errno);
  return file == PREMAP__NO_FILE ? premap__posix_well : premap__posix_evict(file, offset, size);
}

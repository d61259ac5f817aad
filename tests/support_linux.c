/* SPDX-License-Identifier: MIT
 *
 * support_linux.c - what Linux tells of a process, in /proc and elsewhere.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Only there when the test was built with LeakSanitizer. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

bool support_memory_leaked(void) {
  return __lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0;
}

static size_t count_descriptors(const char *prefix) {
  DIR *all = opendir("/proc/self/fd");
  cr_assert_not_null(all);
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
    char target[PATH_CAPACITY] = "";
    if (entry->d_name[0] == '.' || readlinkat(dirfd(all), entry->d_name, target, sizeof target - 1) < 0)
      continue;
    count += strncmp(target, prefix, strlen(prefix)) == 0;
  }
  closedir(all);
  return count;
}

size_t open_descriptors(void) {
  return count_descriptors("") - 1; /* one is the count's own */
}

size_t descriptors_left(void) {
  return count_descriptors(support_directory()->text);
}

size_t mappings_left(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  cr_assert_not_null(maps);
  size_t count = 0;
  char line[2 * PATH_CAPACITY];
  while (fgets(line, sizeof line, maps) != NULL)
    count += strstr(line, support_directory()->text) != NULL;
  fclose(maps);
  return count;
}

/* An emulator's page map would be that of the machine it runs on. */
void need_presence(void) {
  const size_t size = 64 * KIB;
  char *pages = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cr_assert_neq(pages, MAP_FAILED);
  memset(pages, 1, size);
  const premap_region touched = {pages, size}, fresh = {pages + size, size};
  bool is_told = present_bytes(&touched, false) == size && present_bytes(&fresh, false) == 0;
  munmap(pages, 2 * size);
  if (!is_told)
    cr_skip_test("SKIPPED: the page tables cannot be seen here (an emulator hides them)");
}

/* The kernel refuses what is no advice; qemu does not. */
bool is_emulated(void) {
  return madvise(NULL, 0, INT_MAX) == 0;
}

void need_advice(void) {
  if (is_emulated())
    cr_skip_test("SKIPPED: this emulator ignores all advice");
}

/* The kernel has to know a mount by its number, which a sandbox or tool may refuse, and the file system to tell a read from
 * memory from others. */
bool loads_inline(void) {
  enum { EXT = 0xEF53, XFS = 0x58465342 };
  const unsigned long btrfs = 0x9123683E, f2fs = 0xF2F52010;
  const long ask_of_a_mount = 457;
  struct statfs status;
  cr_assert_eq(statfs(support_directory()->text, &status), 0);
  unsigned long kind = (unsigned long)status.f_type;
  bool is_known = kind == EXT || kind == XFS || kind == btrfs || kind == f2fs;
  bool knows_mounts = syscall(ask_of_a_mount, NULL, NULL, 0, 0) != 0 && errno == EFAULT;
  return is_known && knows_mounts && has_system_calls();
}

uint64_t present_bytes(const premap_region *region, bool only_of_file) {
  const uint64_t is_present = UINT64_C(1) << 63, is_of_file = UINT64_C(1) << 61;
  uint64_t wanted = only_of_file ? is_present | is_of_file : is_present, bytes = 0;
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  cr_assert_geq(pagemap, 0);
  uintptr_t begin = (uintptr_t)region->data, end = begin + region->size;
  for (uintptr_t at = begin; at < end;) {
    uintptr_t next = (at / page_size() + 1) * page_size();
    uint64_t entry = 0;
    if (pread(pagemap, &entry, sizeof entry, (off_t)(at / page_size() * sizeof entry)) != (ssize_t)sizeof entry)
      cr_assert_fail("the page map cannot be read");
    if ((entry & wanted) == wanted)
      bytes += (next < end ? next : end) - at;
    at = next;
  }
  close(pagemap);
  return bytes;
}

/* Tools and emulators take faults of their own. */
bool count_faults(uint64_t *faults) {
  struct rusage usage;
  if (has_thread_sanitizer() || has_valgrind() || is_emulated() || getrusage(RUSAGE_THREAD, &usage) != 0)
    return false;
  *faults = (uint64_t)(usage.ru_minflt + usage.ru_majflt);
  return true;
}

size_t locked_bytes(void) {
  FILE *status = fopen("/proc/self/status", "r");
  cr_assert_not_null(status);
  const char field[] = "VmLck:";
  size_t kib = 0;
  char line[256];
  while (fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, field, strlen(field)) == 0)
      kib = strtoul(line + strlen(field), NULL, 10);
  fclose(status);
  return kib * KIB;
}

size_t allocated_bytes(void) {
  struct mallinfo2 all = mallinfo2();
  return all.uordblks + all.hblkhd;
}

bool drop_cache(const char *name) {
  int descriptor = open(name, O_RDONLY | O_CLOEXEC);
  cr_assert_geq(descriptor, 0, "%s: %s", name, strerror(errno));
  struct stat status;
  bool dropped = fstat(descriptor, &status) == 0 && fdatasync(descriptor) == 0 &&
                 posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0;
  close(descriptor);
  return dropped && cached_bytes(name) <= (size_t)status.st_size / 100;
}

/* SPDX-License-Identifier: MIT
 *
 * support_macos.c - what macOS tells of a process. It does not tell which pages are in the page tables, nor what is locked.
 */
#include "support.h"

#include <fcntl.h>
#include <libproc.h>
#include <malloc/malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

bool support_memory_leaked(void) {
  return false; /* Apple's compilers have no LeakSanitizer */
}

static size_t count_descriptors(const char *prefix) {
  size_t count = 0;
  int limit = getdtablesize();
  for (int descriptor = 0; descriptor < limit; descriptor++) {
    char name[PATH_CAPACITY] = ""; /* stays so for what has no path */
    if (fcntl(descriptor, F_GETFD) >= 0 && (fcntl(descriptor, F_GETPATH, name) >= 0 || prefix[0] == '\0'))
      count += strncmp(name, prefix, strlen(prefix)) == 0;
  }
  return count;
}

size_t open_descriptors(void) {
  return count_descriptors("");
}

size_t descriptors_left(void) {
  return count_descriptors(support_directory()->text);
}

size_t mappings_left(void) {
  size_t count = 0;
  struct proc_regionwithpathinfo found;
  uint64_t address = 0;
  while (proc_pidinfo(getpid(), PROC_PIDREGIONPATHINFO, address, &found, sizeof found) == (int)sizeof found) {
    count += strstr(found.prp_vip.vip_path, support_directory()->text) != NULL;
    address = found.prp_prinfo.pri_address + found.prp_prinfo.pri_size;
  }
  return count;
}

bool loads_inline(void) {
  return false;
}

void need_presence(void) {
  cr_skip_test("SKIPPED: macOS does not tell which pages are in the page tables");
}

void need_advice(void) {
}

uint64_t present_bytes(const premap_region *region, bool only_of_file) {
  (void)region;
  (void)only_of_file;
  need_presence();
  return 0;
}

bool count_faults(uint64_t *faults) {
  struct rusage usage;
  if (has_thread_sanitizer() || getrusage(RUSAGE_SELF, &usage) != 0)
    return false;
  *faults = (uint64_t)(usage.ru_minflt + usage.ru_majflt);
  return true;
}

size_t locked_bytes(void) {
  return 0; /* always, so that need_locked_bytes finds it out */
}

size_t allocated_bytes(void) {
  malloc_statistics_t all;
  malloc_zone_statistics(NULL, &all);
  return all.size_in_use;
}

bool drop_cache(const char *name) {
  (void)name;
  return false; /* there is no call for one file */
}

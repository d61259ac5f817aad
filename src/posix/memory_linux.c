/* SPDX-License-Identifier: MIT
 *
 * memory_linux.c - memory and maps that are left, as procfs tells.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "posix.h"

bool premap__posix_read_text(const char *path, char *text, size_t capacity) {
  int file = -1;
  if (premap__posix_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, &file).code != 0)
    return false;
  size_t length = 0;
  size_t got = 0;
  premap__status status;
  do {
    status = premap__os_read(file, text + length, capacity - 1 - length, length, &got);
    if (status.code != 0)
      break;
    length += got;
  } while (got > 0 && length < capacity - 1);
  premap__os_close(file);
  text[length] = '\0';
  return status.code == 0;
}

bool premap__posix_find_number(const char *text, const char *key, uint64_t *number) {
  size_t length = strlen(key);
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    if (line != text)
      line++;
    if (strncmp(line, key, length) != 0 || line[length] != ' ')
      continue;
    const char *value = line + length + strspn(line + length, " ");
    char *end;
    *number = strtoull(value, &end, 10);
    return end != value;
  }
  return false;
}

premap__os_memory premap__os_memory_available(void) {
  uint64_t least = premap__posix_cgroup_available("");
  char text[4096];
  uint64_t machine_kib;
  if (premap__posix_read_text("/proc/meminfo", text, sizeof text) &&
      premap__posix_find_number(text, "MemAvailable:", &machine_kib) && machine_kib * 1024 < least) {
    least = machine_kib * 1024;
  }
  return (premap__os_memory){.for_copies = least, .for_pages = least, .counts_present_as_free = true};
}

size_t premap__os_map_limit(void) {
  char text[32];
  if (!premap__posix_read_text("/proc/sys/vm/max_map_count", text, sizeof text))
    return SIZE_MAX;
  char *end;
  unsigned long limit = strtoul(text, &end, 10);
  return end == text ? SIZE_MAX : limit;
}

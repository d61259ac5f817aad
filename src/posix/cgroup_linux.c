/* SPDX-License-Identifier: MIT
 *
 * cgroup_linux.c - what the memory limits of control groups leave.
 *
 * /proc/thread-self/cgroup names this process's group, /proc/thread-self/mountinfo where the groups are mounted, and from which
 * of them on: in a container usually not from the root. A limit holds for all groups below, so every level from ours up to the
 * mount is asked. What cannot be read limits nothing that we know of.
 */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "posix.h"

#define PATH_CAPACITY 4096
#define NO_LIMIT (UINT64_MAX / 4) /* version 1 says it by a number near 2^63 */

typedef struct cgroup_version {
  const char *type; /* of its file system */
  const char *controller;
  const char *limits[2];
  const char *usage;
  const char *reclaimable[2];
} cgroup_version;

static const cgroup_version versions[] = {
    {"cgroup2", "", {"memory.max", "memory.high"}, "memory.current", {"active_file", "inactive_file"}},
    {"cgroup",
     "memory",
     {"memory.limit_in_bytes", NULL},
     "memory.usage_in_bytes",
     {"total_active_file", "total_inactive_file"}},
};

static bool join(char *path, const char *a, const char *b, const char *c) {
  int length = snprintf(path, PATH_CAPACITY, "%s%s%s", a, b, c);
  return length >= 0 && length < PATH_CAPACITY;
}

/* Is word one of the words between commas? The empty word is the empty list's. */
static bool listed(const char *list, const char *word) {
  size_t length = strlen(word);
  for (;;) {
    size_t item = strcspn(list, ",");
    if (item == length && strncmp(list, word, item) == 0)
      return true;
    if (list[item] == '\0')
      return false;
    list += item + 1;
  }
}

/* mountinfo writes blanks and backslashes as three octal digits. */
static void unescape(char *text) {
  char *to = text;
  for (const char *from = text; *from != '\0'; to++) {
    if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
        from[3] <= '7') {
      *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
      from += 4;
    } else {
      *to = *from++;
    }
  }
  *to = '\0';
}

static FILE *open_lines(const char *root, const char *path) {
  char full[PATH_CAPACITY];
  return join(full, root, path, "") ? fopen(full, "re") : NULL;
}

/* Lines are  ID:CONTROLLERS:PATH  */
static bool find_group(const char *root, const cgroup_version *version, char group[PATH_CAPACITY]) {
  FILE *lines = open_lines(root, "/proc/thread-self/cgroup");
  if (lines == NULL)
    return false;
  bool found = false;
  char *line = NULL;
  size_t capacity = 0;
  while (!found && getline(&line, &capacity, lines) > 0) {
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL)
      continue;
    *path = '\0';
    found = listed(controllers + 1, version->controller) && join(group, path + 1, "", "");
  }
  free(line);
  (void)fclose(lines);
  return found;
}

/* The part of the group's path below the directory that is mounted; null when the mount does not show it. */
static const char *below(const char *group, const char *mounted) {
  size_t length = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
  if (strncmp(group, mounted, length) != 0)
    return NULL;
  const char *rest = group + length;
  if (strcmp(rest, "/") == 0)
    return "";
  bool outside = strncmp(rest, "/..", 3) == 0 && (rest[3] == '/' || rest[3] == '\0');
  return (rest[0] == '/' && !outside) || rest[0] == '\0' ? rest : NULL;
}

/* Lines are  ID PARENT DEVICE MOUNTED POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS  */
static bool parse_mount(const char *line, const cgroup_version *version, char mounted[PATH_CAPACITY],
                        char point[PATH_CAPACITY]) {
  char type[16];
  char options[PATH_CAPACITY];
  const char *second_half = strstr(line, " - ");
  if (second_half == NULL || sscanf(second_half, " - %15s %*s %4095s", type, options) != 2)
    return false;
  if (strcmp(type, version->type) != 0)
    return false;
  if (version->controller[0] != '\0' && !listed(options, version->controller))
    return false;
  if (sscanf(line, "%*s %*s %*s %4095s %4095s", mounted, point) != 2)
    return false;
  unescape(mounted);
  unescape(point);
  return true;
}

/* Finds the directory of the group, and how much of that path is the mount point. A mount that does not show the group at least
 * shows one above it, or that of the container: its top. */
static bool find_directory(const char *root, const cgroup_version *version, const char *group, char path[PATH_CAPACITY],
                           size_t *top) {
  FILE *lines = open_lines(root, "/proc/thread-self/mountinfo");
  if (lines == NULL)
    return false;
  bool found = false;
  bool shown = false;
  char *line = NULL;
  size_t capacity = 0;
  while (!shown && getline(&line, &capacity, lines) > 0) {
    char mounted[PATH_CAPACITY];
    char point[PATH_CAPACITY];
    if (!parse_mount(line, version, mounted, point))
      continue;
    const char *rest = below(group, mounted);
    shown = rest != NULL;
    if ((shown || !found) && join(path, root, point, shown ? rest : "")) {
      found = true;
      *top = strlen(root) + strlen(point);
    }
  }
  free(line);
  (void)fclose(lines);
  return found;
}

static bool read_number(const char *directory, const char *name, uint64_t *number) {
  char path[PATH_CAPACITY];
  char text[32];
  if (name == NULL || !join(path, directory, "/", name) || !premap__posix_read_text(path, text, sizeof text))
    return false;
  char *end;
  *number = strtoull(text, &end, 10);
  return end != text; /* "max" */
}

static uint64_t level_available(const cgroup_version *version, const char *directory) {
  uint64_t limit = UINT64_MAX;
  for (int i = 0; i < 2; i++) {
    uint64_t other;
    if (read_number(directory, version->limits[i], &other) && other < limit)
      limit = other;
  }
  uint64_t usage;
  if (limit >= NO_LIMIT || !read_number(directory, version->usage, &usage))
    return UINT64_MAX;

  char path[PATH_CAPACITY];
  char text[8192];
  uint64_t reclaimable = 0;
  if (join(path, directory, "/", "memory.stat") && premap__posix_read_text(path, text, sizeof text)) {
    for (int i = 0; i < 2; i++) {
      uint64_t part;
      if (premap__posix_find_number(text, version->reclaimable[i], &part))
        reclaimable += part;
    }
  }
  uint64_t used = usage > reclaimable ? usage - reclaimable : 0;
  return limit > used ? limit - used : 0;
}

uint64_t premap__posix_cgroup_available(const char *root) {
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
    char group[PATH_CAPACITY];
    char path[PATH_CAPACITY];
    size_t top = 0;
    if (!find_group(root, &versions[i], group) || !find_directory(root, &versions[i], group, path, &top))
      continue;
    for (;;) {
      uint64_t available = level_available(&versions[i], path);
      if (available < least)
        least = available;
      if (strlen(path) <= top)
        break;
      *strrchr(path, '/') = '\0';
    }
  }
  return least;
}

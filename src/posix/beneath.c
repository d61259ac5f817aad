/* SPDX-License-Identifier: MIT
 *
 * beneath.c - opening beneath a directory, one component after the other.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "posix.h"

#define NAME_CAPACITY 256 /* no file system has longer names */

/* Links are refused: following one safely would mean resolving its text here, with all its races. */
static premap__status enter(int directory, const char *name, bool last, int flags, int *entered) {
  struct stat found;
  if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
    return premap__os_error(errno);
  if (S_ISLNK(found.st_mode))
    return premap__os_error(ELOOP);
  if (last) {
    premap__status status = premap__posix_check_type(&found);
    if (status.code != 0)
      return status;
    return premap__posix_openat(directory, name, flags | O_NOFOLLOW, entered);
  }
  return premap__posix_openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, entered);
}

premap__status premap__posix_open_beneath_portable(int directory, const char *path, int flags, int *file) {
  if (path[0] == '/')
    return premap__os_error(EXDEV);

  int current = directory;
  premap__status status = premap__posix_well;
  for (bool last = false; !last && status.code == 0;) {
    char name[NAME_CAPACITY];
    size_t length = strcspn(path, "/");
    if (length >= sizeof name) {
      status = premap__os_error(ENAMETOOLONG);
      break;
    }
    memcpy(name, path, length);
    name[length] = '\0';
    last = path[length] == '\0';
    path += length + (last ? 0 : 1);

    if (strcmp(name, "..") == 0) {
      status = premap__os_error(EXDEV);
      break;
    }
    if (length == 0 && !last)
      continue;
    if (length == 0)
      strcpy(name, "."); /* "directory/" names the directory */

    int next = -1;
    status = enter(current, name, last, flags, &next);
    if (status.code != 0)
      break;
    if (current != directory)
      premap__os_close(current);
    current = next;
  }

  if (status.code == 0) {
    *file = current;
  } else if (current != directory) {
    premap__os_close(current);
  }
  return status;
}

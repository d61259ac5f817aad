/* SPDX-License-Identifier: MIT
 *
 * directory.c - adds the files of a directory to a group.
 *
 * Each directory is read and closed before the next, so depth costs neither descriptors nor stack.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <uv.h>

typedef struct directory {
  struct directory *next;
  char path[];
} directory;

static directory *make(const char *parent, const char *name) {
  size_t length = strlen(parent);
  bool separated = *name == '\0' || (length > 0 && parent[length - 1] == '/');
  size_t size = length + !separated + strlen(name) + 1;
  directory *made = malloc(sizeof *made + size);
  if (made == NULL)
    return NULL;
  made->next = NULL;
  memcpy(made->path, parent, length);
  if (!separated)
    made->path[length++] = '/';
  memcpy(made->path + length, name, strlen(name) + 1);
  return made;
}

/* What the system does not say with the name. */
static uv_dirent_type_t type_of(const char *path) {
  uv_fs_t request;
  int code = uv_fs_lstat(NULL, &request, path, NULL);
  uint64_t format = code == 0 ? request.statbuf.st_mode & S_IFMT : 0;
  uv_fs_req_cleanup(&request);
  return format == S_IFREG ? UV_DIRENT_FILE : format == S_IFDIR ? UV_DIRENT_DIR : UV_DIRENT_UNKNOWN;
}

/* Of entries that are neither file nor directory nothing is added; symbolic links are not followed. 1: one file was. */
static int64_t add_entry(premap_group *group, const char *parent, const uv_dirent_t *entry, directory **found) {
  directory *made = make(parent, entry->name);
  if (made == NULL)
    return PREMAP_ENOMEM;
  uv_dirent_type_t type = entry->type == UV_DIRENT_UNKNOWN ? type_of(made->path) : entry->type;
  if (type == UV_DIRENT_DIR) {
    LL_PREPEND(*found, made);
    return 0;
  }
  premap_file file = type == UV_DIRENT_FILE ? premap__group_add(group, made->path, true) : 0;
  free(made);
  return file > 0 ? 1 : file;
}

static int64_t add_entries(premap_group *group, const char *path, directory **found) {
  uv_fs_t request;
  int code = uv_fs_scandir(NULL, &request, path, 0, NULL);
  if (code < 0) {
    premap__status status = premap__os_error(uv_fs_get_system_error(&request));
    uv_fs_req_cleanup(&request);
    return premap__group_add_failed(group, path, status);
  }
  int64_t added = 0;
  uv_dirent_t entry;
  for (int64_t one = 0; one >= 0 && uv_fs_scandir_next(&request, &entry) == 0; added += one) {
    one = add_entry(group, path, &entry, found);
    if (one < 0)
      added = 0; /* the sum is the error */
  }
  uv_fs_req_cleanup(&request);
  return added;
}

int64_t premap_group_add_directory(premap_group *group, const char *path) {
  if (group == NULL || path == NULL || *path == '\0')
    return PREMAP_EINVAL;
  if (premap__group_is_beneath(group))
    return PREMAP_ENOTSUP;
  directory *left = make(path, "");
  int64_t added = left != NULL ? 0 : PREMAP_ENOMEM;
  while (left != NULL) {
    directory *next = left;
    LL_DELETE(left, next);
    int64_t more = added >= 0 ? add_entries(group, next->path, &left) : 0;
    added = more < 0 ? more : added + more;
    free(next);
  }
  return added;
}

/* SPDX-License-Identifier: MIT
 *
 * workload.c - makes and finds files, and puts their pages into the state that a round begins with.
 */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "checksum.h"
#include "harness.h"

enum { FILES_A_DIRECTORY = 1000, PIECE = 1 << 20, PIECE_MAX = 4 << 20, WARM_TRIES = 5 };

static int add_file(bench_workload *workload, const char *path, uint64_t size) {
  if ((workload->count & (workload->count - 1)) == 0) {
    size_t capacity = workload->count == 0 ? 1 : workload->count * 2;
    bench_file *larger = realloc(workload->files, capacity * sizeof *larger);
    if (larger == NULL)
      return -ENOMEM;
    workload->files = larger;
  }
  char *copy = strdup(path);
  if (copy == NULL)
    return -ENOMEM;
  workload->files[workload->count++] = (bench_file){copy, size, 0};
  workload->bytes += size;
  workload->largest = size > workload->largest ? size : workload->largest;
  return 0;
}

/* ---- Made files */

/* Writes the file's bytes, the same at each call, in pieces of the given size. */
static int fill(bench_file *file, size_t index, size_t piece_size) {
  static uint64_t words[PIECE_MAX / 8];
  int descriptor = open(file->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0)
    return -errno;
  int error = 0;
  file->sum = 0;
  for (uint64_t offset = 0; error == 0 && offset < file->size; offset += piece_size) {
    size_t size = file->size - offset < piece_size ? (size_t)(file->size - offset) : piece_size;
    for (size_t word = 0; word < (size + 7) / 8; word++)
      words[word] = bench_mix(((uint64_t)index << 40) + offset / 8 + word);
    file->sum += bench_checksum(offset, words, size);
    ssize_t written = pwrite(descriptor, words, size, (off_t)offset);
    if (written != (ssize_t)size)
      error = written < 0 ? -errno : -ENOSPC;
  }
  if (close(descriptor) != 0 && error == 0)
    error = -errno;
  return error;
}

/* Once for all: a sync of each of 100,000 files would take minutes. */
static int sync_all(const bench_workload *workload) {
  int descriptor = open(workload->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return -errno;
  int error = syncfs(descriptor) != 0 ? -errno : 0;
  close(descriptor);
  return error;
}

static int make_directory(bench_workload *workload, const char *beneath) {
  char path[4096];
  snprintf(path, sizeof path, "%s/files.XXXXXX", beneath);
  if (mkdtemp(path) == NULL)
    return -errno;
  workload->directory = strdup(path);
  return workload->directory != NULL ? 0 : -ENOMEM;
}

/* One path each, ended by NUL. */
static int write_list(bench_workload *workload, const char *beneath) {
  char path[4096];
  snprintf(path, sizeof path, "%s/list.XXXXXX", beneath);
  int descriptor = mkstemp(path);
  if (descriptor < 0)
    return -errno;
  workload->list = strdup(path);
  FILE *list = fdopen(descriptor, "w");
  if (list == NULL || workload->list == NULL)
    return -ENOMEM;
  for (size_t i = 0; i < workload->count; i++)
    fwrite(workload->files[i].path, 1, strlen(workload->files[i].path) + 1, list);
  return fclose(list) == 0 ? 0 : -errno;
}

int bench_workload_make(bench_workload *workload, const char *beneath, size_t count, uint64_t size) {
  *workload = (bench_workload){0};
  int error = make_directory(workload, beneath);
  for (size_t i = 0; error == 0 && i < count; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%03zu", workload->directory, i / FILES_A_DIRECTORY);
    if (i % FILES_A_DIRECTORY == 0 && mkdir(path, 0755) != 0)
      return -errno;
    snprintf(path, sizeof path, "%s/%03zu/%06zu", workload->directory, i / FILES_A_DIRECTORY, i);
    error = add_file(workload, path, size);
    if (error == 0)
      error = fill(&workload->files[i], i, PIECE);
  }
  if (error == 0)
    error = write_list(workload, beneath);
  return error == 0 ? sync_all(workload) : error;
}

/* ---- Trees */

/* nftw has no argument for its visitor. */
static bench_workload *found;

static int find_one(const char *path, const struct stat *about, int kind, struct FTW *place) {
  (void)place;
  if (kind != FTW_F || !S_ISREG(about->st_mode) || about->st_size == 0)
    return 0;
  int evicted = bench_evict_verified(path, (uint64_t)about->st_size);
  if (evicted != 0) {
    found->left_out++;
    return 0;
  }
  return add_file(found, path, (uint64_t)about->st_size);
}

static int sum_up(bench_file *file, char *piece) {
  int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return -errno;
  uint64_t offset = 0;
  ssize_t got = 1;
  while (got > 0) {
    got = pread(descriptor, piece, PIECE, (off_t)offset);
    if (got > 0) {
      file->sum += bench_checksum(offset, piece, (size_t)got);
      offset += (uint64_t)got;
    }
  }
  int error = got < 0 ? -errno : 0;
  close(descriptor);
  return error == 0 && offset != file->size ? -ESTALE : error;
}

int bench_workload_find(bench_workload *workload, const char *beneath, const char *const *trees, size_t tree_count) {
  *workload = (bench_workload){0};
  found = workload;
  char *piece = malloc(PIECE);
  int error = piece != NULL ? 0 : -ENOMEM;
  for (size_t i = 0; error == 0 && i < tree_count; i++) {
    int result = nftw(trees[i], find_one, 64, FTW_PHYS);
    error = result == -1 ? -errno : result;
  }
  for (size_t i = 0; error == 0 && i < workload->count; i++)
    error = sum_up(&workload->files[i], piece);
  free(piece);
  if (error == 0 && workload->count == 0)
    error = -ENOENT;
  return error == 0 ? write_list(workload, beneath) : error;
}

/* ---- The end */

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place) {
  (void)about, (void)kind, (void)place;
  return remove(path);
}

void bench_workload_end(bench_workload *workload) {
  if (workload->directory != NULL && nftw(workload->directory, remove_one, 64, FTW_PHYS | FTW_DEPTH) != 0)
    fprintf(stderr, "cannot delete '%s': %s\n", workload->directory, strerror(errno));
  if (workload->list != NULL && unlink(workload->list) != 0)
    fprintf(stderr, "cannot delete '%s': %s\n", workload->list, strerror(errno));
  for (size_t i = 0; i < workload->count; i++)
    free(workload->files[i].path);
  free(workload->files);
  free(workload->list);
  free(workload->directory);
  *workload = (bench_workload){0};
}

/* ---- The state of the page cache */

static int resident_share(const bench_workload *workload, uint64_t *resident) {
  *resident = 0;
  for (size_t i = 0; i < workload->count; i++) {
    int64_t bytes = bench_resident(workload->files[i].path);
    if (bytes < 0)
      return (int)bytes;
    *resident += (uint64_t)bytes;
  }
  return 0;
}

int bench_workload_make_cold(const bench_workload *workload) {
  int error = 0;
  uint64_t resident = 0;
  for (size_t i = 0; error == 0 && i < workload->count; i++)
    error = bench_evict(workload->files[i].path);
  if (error == 0)
    error = resident_share(workload, &resident);
  if (error == 0 && resident * 100 >= workload->bytes)
    return BENCH_VOID;
  return error;
}

static int read_in_missing(const bench_workload *workload) {
  int error = 0;
  for (size_t i = 0; error == 0 && i < workload->count; i++) {
    int64_t bytes = bench_resident(workload->files[i].path);
    error = bytes < 0 ? (int)bytes : 0;
    if (error == 0 && (uint64_t)bytes < workload->files[i].size)
      error = bench_read_in(workload->files[i].path);
  }
  return error;
}

/* Linux frees memory in the background where it is fragmented, also while much is free: what that takes away is read again. */
int bench_workload_make_warm(const bench_workload *workload) {
  uint64_t resident = 0;
  int error = 0;
  for (int try = 0; error == 0 && resident < workload->bytes && try < WARM_TRIES; try++) {
    error = read_in_missing(workload);
    if (error == 0)
      error = resident_share(workload, &resident);
  }
  return error == 0 && resident < workload->bytes ? BENCH_VOID : error;
}

int bench_workload_rewrite(const bench_workload *workload, size_t piece) {
  int error = bench_workload_make_cold(workload);
  for (size_t i = 0; error == 0 && i < workload->count; i++)
    error = fill(&workload->files[i], i, piece);
  return error == 0 ? sync_all(workload) : error;
}

/* SPDX-License-Identifier: MIT
 *
 * contestant_read.c - open, fstat, read, close by hand: into a buffer that is used again for file after file, or into memory of
 * each file's own, so that in the end all are in memory at once, as in a group.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contestants.h"

enum { HANDLE_SIZE = 256 };

static int read_part(int descriptor, char *buffer, bench_part part) {
  size_t done = 0;
  while (done < part.size) {
    ssize_t got = pread(descriptor, buffer + done, part.size - done, (off_t)(part.offset + done));
    if (got <= 0)
      return got < 0 ? -errno : -EIO;
    done += (size_t)got;
  }
  return 0;
}

static int read_file(const bench_job *job, char *buffer, bench_part part) {
  int descriptor = bench_open(job->workload->files[part.file].path);
  if (descriptor < 0)
    return descriptor;
  int error = read_part(descriptor, buffer, part);
  close(descriptor);
  return error;
}

static int load(bench_worker *worker, bench_part part) {
  char *buffer = bench_worker_buffer(worker, part.size);
  int error = buffer != NULL ? read_file(worker->job, buffer, part) : -ENOMEM;
  if (error == 0)
    worker->job->visit(worker->job, part.file, part.offset, buffer, part.size);
  return error;
}

static int load_on_one(const bench_job *job) {
  return bench_share_out(job, 1, load);
}

static int load_on_two(const bench_job *job) {
  return bench_share_out(job, 2, load);
}

/* ---- All in memory at once */

static int load_and_keep(bench_worker *worker, bench_part part) {
  void **kept = worker->job->kept;
  kept[part.file] = malloc(part.size); /* the whole file: there are not fewer files than threads */
  return kept[part.file] != NULL ? read_file(worker->job, kept[part.file], part) : -ENOMEM;
}

static int keep_all(const bench_job *job, int (*load_one)(bench_worker *worker, bench_part part)) {
  size_t count = job->workload->count;
  bench_job own = *job;
  own.kept = calloc(count, sizeof *own.kept);
  int error = own.kept != NULL ? bench_share_out(&own, count < 2 ? 1 : 2, load_one) : -ENOMEM;
  for (size_t i = 0; own.kept != NULL && i < count; i++) {
    if (error == 0)
      job->visit(job, i, 0, own.kept[i], (size_t)job->workload->files[i].size);
    free(own.kept[i]);
  }
  free(own.kept);
  return error;
}

static int keep_on_two(const bench_job *job) {
  return keep_all(job, load_and_keep);
}

/* What any library has to add that refuses what is no regular file before it opens it, and that remembers each file. */
static int look_load_and_keep(bench_worker *worker, bench_part part) {
  const char *path = worker->job->workload->files[part.file].path;
  struct stat about;
  if (stat(path, &about) != 0)
    return -errno;
  size_t length = strlen(path) + 1;
  char *kept = malloc(part.size + HANDLE_SIZE + length);
  worker->job->kept[part.file] = kept;
  if (kept == NULL)
    return -ENOMEM;
  memset(kept + part.size, 0, HANDLE_SIZE);
  memcpy(kept + part.size + HANDLE_SIZE, path, length);
  return read_file(worker->job, kept, part);
}

static int look_and_keep_on_two(const bench_job *job) {
  return keep_all(job, look_load_and_keep);
}

const bench_contestant bench_family_read[] = {
    {.name = "read-1", .what = "open, fstat, read, close; buffer reused; one thread", .load = load_on_one},
    {.name = "read-2", .what = "open, fstat, read, close; buffer reused; two threads", .load = load_on_two},
    {.name = "read-keep-2",
     .what = "open, fstat, read, close; each file into memory of its own, all of it kept to the end; two threads",
     .load = keep_on_two},
    {.name = "read-look-2",
     .what = "the same, after a look at each file's type, and with 256 bytes and the path beside it; two threads",
     .load = look_and_keep_on_two},
    {.name = NULL}};

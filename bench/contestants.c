/* SPDX-License-Identifier: MIT
 *
 * contestants.c - what the hand-written contestants share: threads, parts of files, mapping and touching.
 */
#include "contestants.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS_MAX = 16, PART_ALIGNMENT = 2 << 20 };

typedef struct {
  const bench_job *job;
  int (*load)(bench_worker *worker, bench_part part);
  size_t parts_of_file; /* 1: whole files */
  atomic_size_t next;
  atomic_int error;
} shared_work;

/* Part i of all, which may be empty at a small file's end. */
static bench_part part_at(const shared_work *work, size_t i) {
  const bench_file *file = &work->job->workload->files[i / work->parts_of_file];
  uint64_t step = (file->size / work->parts_of_file + PART_ALIGNMENT) / PART_ALIGNMENT * PART_ALIGNMENT;
  if (work->parts_of_file == 1)
    step = file->size;
  uint64_t begin = (i % work->parts_of_file) * step;
  uint64_t end = begin + step < file->size ? begin + step : file->size;
  return (bench_part){i / work->parts_of_file, begin, begin < end ? (size_t)(end - begin) : 0};
}

static void *take_parts(void *argument) {
  shared_work *work = argument;
  bench_worker worker = {work->job, NULL, 0};
  size_t parts = work->job->workload->count * work->parts_of_file;
  for (;;) {
    size_t i = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed);
    if (i >= parts || atomic_load_explicit(&work->error, memory_order_relaxed) != 0)
      break;
    bench_part part = part_at(work, i);
    int error = part.size > 0 ? work->load(&worker, part) : 0;
    if (error != 0)
      atomic_store(&work->error, error);
  }
  free(worker.buffer);
  return NULL;
}

int bench_share_out(const bench_job *job, int threads, int (*load)(bench_worker *worker, bench_part part)) {
  pthread_t ids[THREADS_MAX];
  shared_work work = {.job = job, .load = load};
  work.parts_of_file = job->workload->count < (size_t)threads ? (size_t)threads : 1;
  int started = 0;
  while (started < threads - 1 && started < THREADS_MAX) {
    int error = pthread_create(&ids[started], NULL, take_parts, &work);
    if (error != 0) {
      atomic_store(&work.error, -error);
      break;
    }
    started++;
  }
  take_parts(&work);
  while (started > 0)
    pthread_join(ids[--started], NULL);
  return atomic_load(&work.error);
}

void *bench_worker_buffer(bench_worker *worker, size_t size) {
  if (size > worker->capacity) {
    free(worker->buffer);
    worker->buffer = malloc(size);
    worker->capacity = worker->buffer != NULL ? size : 0;
  }
  return worker->buffer;
}

int bench_open(const char *path) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return -errno;
  struct stat about;
  if (fstat(descriptor, &about) != 0) {
    int error = -errno;
    close(descriptor);
    return error;
  }
  return descriptor;
}

int bench_map(const bench_workload *workload, bench_part part, int flags, void **data) {
  int descriptor = bench_open(workload->files[part.file].path);
  if (descriptor < 0)
    return descriptor;
  *data = mmap(NULL, part.size, PROT_READ, MAP_SHARED | flags, descriptor, (off_t)part.offset);
  int error = *data == MAP_FAILED ? -errno : 0;
  close(descriptor);
  return error;
}

void bench_visit_mapped(const bench_job *job, bench_part part, void *data) {
  job->visit(job, part.file, part.offset, data, part.size);
  munmap(data, part.size);
}

void bench_touch(const void *data, size_t size, size_t step) {
  const volatile unsigned char *bytes = data; /* volatile: reads whose values nobody wants */
  for (size_t at = 0; at < size; at += step)
    (void)bytes[at];
}

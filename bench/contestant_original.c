/* SPDX-License-Identifier: MIT
 *
 * contestant_original.c - the design that premap took the place of: a pool of max(4, processors) threads maps each file and
 * gives hints chunk by chunk with pauses between; the program polls until the file says ready.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contestants.h"
#include "original.h"

enum { CHUNK = 4 << 20, PAUSE_US = 100, POLL_US = 100, THREADS_MIN = 4, THREADS_MAX = 64 };

struct bench_original {
  const bench_workload *workload;
  struct slot {
    void *data;
    atomic_int state; /* 0: not yet; 1: ready; below: the error */
  } * slots;
  atomic_size_t next;
  int threads;
  pthread_t ids[THREADS_MAX];
};

static int load(const bench_workload *workload, size_t file, void **data) {
  size_t size = (size_t)workload->files[file].size;
  int error = bench_map(workload, (bench_part){file, 0, size}, 0, data);
  for (size_t at = 0; error == 0 && at < size; at += CHUNK) {
    error = madvise((char *)*data + at, size - at < CHUNK ? size - at : CHUNK, MADV_WILLNEED) != 0 ? -errno : 0;
    usleep(PAUSE_US);
  }
  return error;
}

static void *work(void *argument) {
  bench_original *original = argument;
  for (;;) {
    size_t i = atomic_fetch_add(&original->next, 1);
    if (i >= original->workload->count)
      return NULL;
    int error = load(original->workload, i, &original->slots[i].data);
    atomic_store(&original->slots[i].state, error == 0 ? 1 : error);
  }
}

int bench_original_start(bench_original **started, const bench_workload *workload) {
  bench_original *original = calloc(1, sizeof *original);
  if (original == NULL)
    return -ENOMEM;
  *started = original;
  original->workload = workload;
  original->slots = calloc(workload->count, sizeof *original->slots);
  if (original->slots == NULL)
    return -ENOMEM;
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  int threads = processors > THREADS_MIN ? (int)processors : THREADS_MIN;
  while (original->threads < threads && original->threads < THREADS_MAX) {
    int error = pthread_create(&original->ids[original->threads], NULL, work, original);
    if (error != 0)
      return -error;
    original->threads++;
  }
  return 0;
}

int bench_original_wait(bench_original *original, size_t file, void **data) {
  int state;
  while ((state = atomic_load(&original->slots[file].state)) == 0)
    usleep(POLL_US);
  *data = original->slots[file].data;
  return state > 0 ? 0 : state;
}

void bench_original_end(bench_original *original) {
  if (original == NULL)
    return;
  while (original->threads > 0)
    pthread_join(original->ids[--original->threads], NULL);
  free(original->slots);
  free(original);
}

static int load_all(const bench_job *job) {
  bench_original *original = NULL;
  int error = bench_original_start(&original, job->workload);
  for (size_t i = 0; error == 0 && i < job->workload->count; i++) {
    void *data = NULL;
    error = bench_original_wait(original, i, &data);
    if (error == 0)
      bench_visit_mapped(job, (bench_part){i, 0, (size_t)job->workload->files[i].size}, data);
  }
  bench_original_end(original);
  return error;
}

const bench_contestant bench_family_original[] = {
    {.name = "original", .what = "the original design: WILLNEED per 4 MiB, 100 us pauses, polling", .load = load_all},
    {.name = NULL}};

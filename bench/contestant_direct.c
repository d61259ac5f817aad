/* SPDX-License-Identifier: MIT
 *
 * contestant_direct.c - what the device can do: reads past the page cache (O_DIRECT) by io_uring, 32 of 1 MiB under way.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contestants.h"

enum { DEPTH = 32, BLOCK = 1 << 20, SECTOR = 4096 };

/* A read under way; its block is shown and used again when it is there. */
struct block {
  size_t file;
  uint64_t offset;
  size_t wanted;
};

struct run {
  const bench_job *job;
  struct io_uring ring;
  char *memory; /* DEPTH blocks */
  struct block blocks[DEPTH];
  int *descriptors;
  uint64_t *left; /* bytes of each file not read yet */
  size_t file;    /* where the next read begins */
  uint64_t offset;
  unsigned running;
};

static int begin_file(struct run *run) {
  const bench_file *file = &run->job->workload->files[run->file];
  int descriptor = open(file->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (descriptor < 0)
    return -errno;
  run->descriptors[run->file] = descriptor;
  run->left[run->file] = file->size;
  return 0;
}

/* Puts the next read in the queue, into the block. */
static int begin_read(struct run *run, size_t index) {
  const bench_file *file = &run->job->workload->files[run->file];
  int error = run->offset == 0 ? begin_file(run) : 0;
  if (error != 0)
    return error;
  uint64_t left = file->size - run->offset;
  size_t wanted = left < BLOCK ? (size_t)left : BLOCK;
  run->blocks[index] = (struct block){run->file, run->offset, wanted};
  struct io_uring_sqe *entry = io_uring_get_sqe(&run->ring);
  if (entry == NULL)
    return -EAGAIN;
  /* Only whole sectors can be asked for; what comes ends with the file. */
  unsigned asked = (unsigned)((wanted + SECTOR - 1) / SECTOR * SECTOR);
  io_uring_prep_read(entry, run->descriptors[run->file], run->memory + index * BLOCK, asked, run->offset);
  io_uring_sqe_set_data64(entry, index);
  run->running++;
  run->offset += wanted;
  if (run->offset >= file->size) {
    run->file++;
    run->offset = 0;
  }
  return 0;
}

static int end_read(struct run *run, size_t index, int got) {
  struct block *block = &run->blocks[index];
  run->running--;
  if (got != (int)block->wanted)
    return got < 0 ? got : -EIO;
  run->job->visit(run->job, block->file, block->offset, run->memory + index * BLOCK, block->wanted);
  run->left[block->file] -= block->wanted;
  if (run->left[block->file] == 0) {
    close(run->descriptors[block->file]);
    run->descriptors[block->file] = -1;
  }
  return 0;
}

static int read_all(struct run *run) {
  size_t count = run->job->workload->count;
  int error = 0;
  for (size_t i = 0; error == 0 && i < DEPTH && run->file < count; i++)
    error = begin_read(run, i);
  while (run->running > 0) {
    struct io_uring_cqe *entry;
    int waited = io_uring_submit_and_wait(&run->ring, 1);
    if (waited >= 0)
      waited = io_uring_wait_cqe(&run->ring, &entry);
    if (waited < 0)
      return waited;
    size_t index = (size_t)io_uring_cqe_get_data64(entry);
    int ended = end_read(run, index, entry->res);
    io_uring_cqe_seen(&run->ring, entry);
    error = error != 0 ? error : ended;
    if (error == 0 && run->file < count)
      error = begin_read(run, index);
  }
  return error;
}

static int load(const bench_job *job) {
  struct run run = {.job = job};
  int error = io_uring_queue_init(DEPTH, &run.ring, 0);
  if (error != 0)
    return error;
  run.descriptors = malloc(job->workload->count * sizeof *run.descriptors);
  run.left = calloc(job->workload->count, sizeof *run.left);
  run.memory = aligned_alloc(2 * BLOCK, (size_t)DEPTH * BLOCK);
  if (run.descriptors == NULL || run.left == NULL || run.memory == NULL)
    error = -ENOMEM;
  for (size_t i = 0; error == 0 && i < job->workload->count; i++)
    run.descriptors[i] = -1;
  if (error == 0 && madvise(run.memory, (size_t)DEPTH * BLOCK, MADV_HUGEPAGE) != 0)
    error = -errno;
  if (error == 0)
    error = read_all(&run);
  for (size_t i = 0; run.descriptors != NULL && error != 0 && i < job->workload->count; i++) {
    if (run.descriptors[i] >= 0)
      close(run.descriptors[i]);
  }
  io_uring_queue_exit(&run.ring);
  free(run.descriptors);
  free(run.left);
  free(run.memory);
  return error;
}

const bench_contestant bench_family_direct[] = {
    {.name = "direct", .what = "O_DIRECT, io_uring, 32 reads of 1 MiB under way", .load = load, .traits = BENCH_COLD_ONLY},
    {.name = NULL}};

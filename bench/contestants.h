/* SPDX-License-Identifier: MIT
 *
 * contestants.h - the ways to load files that the suite compares, and what each is given.
 *
 * A contestant loads every file of the workload, shows each of its bytes to job->visit while they are in memory, and lets go of
 * everything again; the suite times all of that together. In a timed round visiting means to read one byte of each page, in a
 * verifying one to take the bytes' checksum.
 */
#ifndef BENCH_CONTESTANTS_H
#define BENCH_CONTESTANTS_H

#include "workload.h"

typedef struct bench_job bench_job;

struct bench_job {
  const bench_workload *workload;
  /* A whole file or a piece of it, at an offset that is a multiple of 8; each byte once. From any thread. */
  void (*visit)(const bench_job *job, size_t file, uint64_t offset, const void *data, size_t size);
  void *context; /* the visitor's */
  void **kept;   /* the contestant's */
};

/* LEAVES_IN_CACHE: a command, which shows nothing to this process; verified by asking what is in the cache after it. COLD_ONLY:
 * reads past the cache, so a warm round would be none. MADE_ONLY: takes the workload's directory, which a tree has not. */
enum { BENCH_LEAVES_IN_CACHE = 1, BENCH_COLD_ONLY = 2, BENCH_MADE_ONLY = 4 };

typedef struct bench_contestant {
  const char *name; /* null: the end of a family */
  const char *what;
  int (*load)(const bench_job *job); /* 0 or a negative code of libuv, premap or errno */
  /* Null, or what a program has done before: starts the threads of a pool. Not timed. */
  int (*prepare)(void);
  unsigned traits;
  const char *absent; /* what is missing; load is null then */
} bench_contestant;

/* Each family has its file, contestant_NAME.c; where the build lacked what it needs, contestant_NAME_absent.c. */
extern const bench_contestant bench_family_premap[];
extern const bench_contestant bench_family_command[];
extern const bench_contestant bench_family_read[];
extern const bench_contestant bench_family_touch[];
extern const bench_contestant bench_family_map_populate[];
extern const bench_contestant bench_family_madvise[];
extern const bench_contestant bench_family_original[];
extern const bench_contestant bench_family_uv_fs[];
extern const bench_contestant bench_family_uv_work[];
extern const bench_contestant bench_family_glib[];
extern const bench_contestant bench_family_vmtouch[];
extern const bench_contestant bench_family_direct[];

#define BENCH_FAMILIES                                                                                                         \
  {                                                                                                                            \
    bench_family_premap, bench_family_command, bench_family_read, bench_family_touch, bench_family_map_populate,               \
        bench_family_madvise, bench_family_original, bench_family_uv_fs, bench_family_uv_work, bench_family_glib,              \
        bench_family_vmtouch, bench_family_direct                                                                              \
  }

/* ---- For contestants that share the files out among threads */

/* A file, or where the workload has fewer files than there are threads, a part of one. */
typedef struct bench_part {
  size_t file;
  uint64_t offset; /* a multiple of 2 MiB */
  size_t size;
} bench_part;

typedef struct bench_worker {
  const bench_job *job;
  void *buffer; /* see bench_worker_buffer */
  size_t capacity;
} bench_worker;

/* Calls load for each part, on this thread and threads - 1 new ones, each of which takes the next part when it is done. Returns
 * the first error. */
int bench_share_out(const bench_job *job, int threads, int (*load)(bench_worker *worker, bench_part part));

/* The worker's buffer of at least size bytes, which it uses again for part after part. Null: no memory. */
void *bench_worker_buffer(bench_worker *worker, size_t size);

/* Opens to read and asks for the size, as who does not know it has to: a descriptor or a negative errno. */
int bench_open(const char *path);

/* Opens, maps a part to read with MAP_SHARED and these flags, and closes: 0 or a negative errno. */
int bench_map(const bench_workload *workload, bench_part part, int flags, void **data);

/* Shows a mapped part to the job's visitor, and unmaps it. */
void bench_visit_mapped(const bench_job *job, bench_part part, void *data);

/* Reads one byte in each step of these bytes. */
void bench_touch(const void *data, size_t size, size_t step);

#endif

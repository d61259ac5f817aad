/* SPDX-License-Identifier: MIT
 *
 * contestant_uv_fs.c - libuv's own file operations: open, fstat, read, close as a chain of requests, several files at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "contestants.h"
#include "uv_warm.h"

enum { CHAINS = 64 };
/* A read of more than 2 GiB is cut by Linux. */
#define READ_MAX ((uint64_t)1 << 30)

struct run;

struct chain {
  uv_fs_t request;
  struct run *run;
  size_t file;
  uv_file descriptor;
  char *buffer; /* used again for file after file */
  size_t capacity;
  uint64_t done;
};

struct run {
  const bench_job *job;
  uv_loop_t loop;
  size_t next;
  int error;
  struct chain chains[CHAINS];
};

static void begin(struct chain *chain);

static void fail(struct chain *chain, int error) {
  chain->run->error = error;
}

static void closed(uv_fs_t *request) {
  struct chain *chain = request->data;
  int error = (int)request->result;
  uv_fs_req_cleanup(request);
  const bench_job *job = chain->run->job;
  if (error < 0)
    fail(chain, error);
  else if (chain->run->error == 0)
    job->visit(job, chain->file, 0, chain->buffer, (size_t)job->workload->files[chain->file].size);
  begin(chain);
}

static void read_on(struct chain *chain);

static void did_read(uv_fs_t *request) {
  struct chain *chain = request->data;
  ssize_t got = request->result;
  uv_fs_req_cleanup(request);
  if (got > 0)
    chain->done += (uint64_t)got;
  else
    fail(chain, got < 0 ? (int)got : UV_EOF);
  read_on(chain);
}

static void read_on(struct chain *chain) {
  uint64_t left = chain->run->job->workload->files[chain->file].size - chain->done;
  int error = chain->run->error;
  if (error == 0 && left > 0) {
    uv_buf_t piece = uv_buf_init(chain->buffer + chain->done, (unsigned)(left < READ_MAX ? left : READ_MAX));
    error = uv_fs_read(&chain->run->loop, &chain->request, chain->descriptor, &piece, 1, (int64_t)chain->done, did_read);
    if (error == 0)
      return;
  }
  if (error != 0)
    fail(chain, error);
  error = uv_fs_close(&chain->run->loop, &chain->request, chain->descriptor, closed);
  if (error != 0)
    fail(chain, error);
}

static void got_size(uv_fs_t *request) {
  struct chain *chain = request->data;
  uint64_t size = request->result == 0 ? request->statbuf.st_size : 0;
  if (request->result < 0)
    fail(chain, (int)request->result);
  uv_fs_req_cleanup(request);
  if (size > chain->capacity) {
    free(chain->buffer);
    chain->buffer = malloc((size_t)size);
    chain->capacity = chain->buffer != NULL ? (size_t)size : 0;
    if (chain->buffer == NULL)
      fail(chain, UV_ENOMEM);
  }
  chain->done = 0;
  read_on(chain);
}

static void opened(uv_fs_t *request) {
  struct chain *chain = request->data;
  chain->descriptor = (uv_file)request->result;
  uv_fs_req_cleanup(request);
  int error = chain->descriptor;
  if (error >= 0)
    error = uv_fs_fstat(&chain->run->loop, &chain->request, chain->descriptor, got_size);
  if (error < 0)
    fail(chain, error);
}

static void begin(struct chain *chain) {
  struct run *run = chain->run;
  if (run->error != 0 || run->next >= run->job->workload->count)
    return;
  chain->file = run->next++;
  int error = uv_fs_open(&run->loop, &chain->request, run->job->workload->files[chain->file].path, UV_FS_O_RDONLY, 0, opened);
  if (error != 0)
    fail(chain, error);
}

static int load(const bench_job *job) {
  struct run *run = calloc(1, sizeof *run);
  int error = run != NULL ? uv_loop_init(&run->loop) : UV_ENOMEM;
  if (error != 0) {
    free(run);
    return error;
  }
  run->job = job;
  for (size_t i = 0; i < CHAINS; i++) {
    run->chains[i].run = run;
    run->chains[i].request.data = &run->chains[i];
    begin(&run->chains[i]);
  }
  uv_run(&run->loop, UV_RUN_DEFAULT);
  error = run->error;
  for (size_t i = 0; i < CHAINS; i++)
    free(run->chains[i].buffer);
  uv_loop_close(&run->loop);
  free(run);
  return error;
}

const bench_contestant bench_family_uv_fs[] = {{.name = "uv-fs",
                                                .what = "uv_fs_open, _fstat, _read, _close; 64 files at a time, buffers reused",
                                                .load = load,
                                                .prepare = bench_uv_warm_pool},
                                               {.name = NULL}};

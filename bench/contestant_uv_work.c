/* SPDX-License-Identifier: MIT
 *
 * contestant_uv_work.c - uv_queue_work with one item a file: open, fstat, read, close in it, or mmap and MAP_POPULATE. What
 * came is looked at on the loop's thread, where a program wants it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "contestants.h"
#include "uv_warm.h"

struct item {
  uv_work_t work;
  const bench_job *job;
  size_t file;
  void *data;
  int error;
  int *first_error;
};

static bench_part whole(const struct item *item) {
  return (bench_part){item->file, 0, (size_t)item->job->workload->files[item->file].size};
}

static void read_file(uv_work_t *work) {
  struct item *item = work->data;
  bench_part part = whole(item);
  int descriptor = bench_open(item->job->workload->files[item->file].path);
  item->error = descriptor < 0 ? descriptor : 0;
  if (descriptor < 0)
    return;
  item->data = malloc(part.size);
  if (item->data == NULL)
    item->error = -ENOMEM;
  for (size_t done = 0; item->error == 0 && done < part.size;) {
    ssize_t got = pread(descriptor, (char *)item->data + done, part.size - done, (off_t)done);
    if (got <= 0)
      item->error = got < 0 ? -errno : -EIO;
    else
      done += (size_t)got;
  }
  close(descriptor);
}

static void after_read(uv_work_t *work, int status) {
  struct item *item = work->data;
  int error = status != 0 ? status : item->error;
  if (error == 0)
    item->job->visit(item->job, item->file, 0, item->data, whole(item).size);
  else
    *item->first_error = error;
  free(item->data);
}

static void populate_file(uv_work_t *work) {
  struct item *item = work->data;
  item->error = bench_map(item->job->workload, whole(item), MAP_POPULATE, &item->data);
}

static void after_populate(uv_work_t *work, int status) {
  struct item *item = work->data;
  int error = status != 0 ? status : item->error;
  if (error == 0)
    bench_visit_mapped(item->job, whole(item), item->data);
  else
    *item->first_error = error;
}

static int load(const bench_job *job, uv_work_cb work, uv_after_work_cb after) {
  uv_loop_t loop;
  int error = uv_loop_init(&loop);
  if (error != 0)
    return error;
  struct item *items = calloc(job->workload->count, sizeof *items);
  if (items == NULL)
    error = UV_ENOMEM;
  int first_error = 0;
  for (size_t i = 0; error == 0 && i < job->workload->count; i++) {
    items[i] = (struct item){.job = job, .file = i, .first_error = &first_error};
    items[i].work.data = &items[i];
    error = uv_queue_work(&loop, &items[i].work, work, after);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  free(items);
  return error != 0 ? error : first_error;
}

static int load_by_read(const bench_job *job) {
  return load(job, read_file, after_read);
}

static int load_by_populate(const bench_job *job) {
  return load(job, populate_file, after_populate);
}

const bench_contestant bench_family_uv_work[] = {{.name = "uv-work-read",
                                                  .what = "uv_queue_work a file: open, fstat, malloc, read, close",
                                                  .load = load_by_read,
                                                  .prepare = bench_uv_warm_pool},
                                                 {.name = "uv-work-populate",
                                                  .what = "uv_queue_work a file: mmap with MAP_POPULATE",
                                                  .load = load_by_populate,
                                                  .prepare = bench_uv_warm_pool},
                                                 {.name = NULL}};

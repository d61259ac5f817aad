/* SPDX-License-Identifier: MIT
 *
 * contestant_glib.c - GLib: GMappedFile in a GThreadPool, touched there, and g_file_load_contents_async.
 */
#include <errno.h>
#include <gio/gio.h>

#include "contestants.h"

enum { AT_A_TIME = 64 };

/* ---- GMappedFile in a pool */

struct pool_run {
  const bench_job *job;
  gint failed;
};

static void load_one_mapped(gpointer item, gpointer context) {
  struct pool_run *run = context;
  size_t file = GPOINTER_TO_SIZE(item) - 1; /* a pool takes no null items */
  GMappedFile *mapped = g_mapped_file_new(run->job->workload->files[file].path, FALSE, NULL);
  if (mapped == NULL) {
    g_atomic_int_set(&run->failed, 1);
    return;
  }
  run->job->visit(run->job, file, 0, g_mapped_file_get_contents(mapped), g_mapped_file_get_length(mapped));
  g_mapped_file_unref(mapped);
}

static int load_mapped(const bench_job *job) {
  struct pool_run run = {job, 0};
  GThreadPool *pool = g_thread_pool_new(load_one_mapped, &run, (gint)g_get_num_processors(), TRUE, NULL);
  if (pool == NULL)
    return -EAGAIN;
  for (size_t i = 0; i < job->workload->count; i++)
    g_thread_pool_push(pool, GSIZE_TO_POINTER(i + 1), NULL);
  g_thread_pool_free(pool, FALSE, TRUE); /* waits for all items */
  return g_atomic_int_get(&run.failed) ? -EIO : 0;
}

/* ---- g_file_load_contents_async */

struct async_run {
  const bench_job *job;
  GMainLoop *loop;
  size_t next;
  size_t running;
  int error;
};

struct async_file {
  struct async_run *run;
  size_t file;
};

static void begin(struct async_run *run);

static void loaded(GObject *source, GAsyncResult *result, gpointer data) {
  struct async_file *one = data;
  struct async_run *run = one->run;
  char *contents = NULL;
  gsize size = 0;
  if (g_file_load_contents_finish(G_FILE(source), result, &contents, &size, NULL, NULL))
    run->job->visit(run->job, one->file, 0, contents, size);
  else
    run->error = -EIO;
  g_free(contents);
  g_free(one);
  run->running--;
  begin(run);
}

static void begin(struct async_run *run) {
  while (run->error == 0 && run->running < AT_A_TIME && run->next < run->job->workload->count) {
    struct async_file *one = g_new(struct async_file, 1);
    *one = (struct async_file){run, run->next++};
    GFile *file = g_file_new_for_path(run->job->workload->files[one->file].path);
    g_file_load_contents_async(file, NULL, loaded, one);
    g_object_unref(file); /* the operation has its own reference */
    run->running++;
  }
  if (run->running == 0)
    g_main_loop_quit(run->loop);
}

static int load_contents(const bench_job *job) {
  struct async_run run = {.job = job, .loop = g_main_loop_new(NULL, FALSE)};
  begin(&run);
  if (run.running > 0)
    g_main_loop_run(run.loop);
  g_main_loop_unref(run.loop);
  return run.error;
}

const bench_contestant bench_family_glib[] = {
    {.name = "glib-mapped", .what = "GMappedFile in a GThreadPool, a thread a processor", .load = load_mapped},
    {.name = "glib-async", .what = "g_file_load_contents_async, 64 files at a time", .load = load_contents},
    {.name = NULL}};

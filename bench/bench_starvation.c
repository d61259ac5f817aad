/* SPDX-License-Identifier: MIT
 *
 * bench_starvation.c - how long uv_fs_stat takes on a host's loop while 4 GiB are loaded cold: through a loader attached to
 * that loop, by uv_queue_work items that populate (one for each thread of the pool), and with nothing loading. Each millisecond
 * one stat is asked for, however many are still out, so that a pool that is blocked counts with all who wait for it.
 */
#include <premap/uv.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "apart.h"
#include "arguments.h"
#include "contestants.h"
#include "harness.h"
#include "latencies.h"
#include "uv_warm.h"

enum { FILES_MAX = 64, LIMIT_S = 600, IDLE_STATS = 2000 };

struct host {
  uv_loop_t loop;
  uv_timer_t timer;
  const bench_workload *workload;
  bench_latencies latencies;
  size_t asked;
  size_t ended; /* loads */
  uint64_t begin_ns;
  double load_s; /* until the last load ended */
  int error;
  struct item {
    uv_work_t work;
    struct host *host;
    int error;
  } items[FILES_MAX];
  premap_file files[FILES_MAX];
  premap_loader *loader;
};

struct turn {
  const bench_workload *workload;
  int (*begin)(struct host *host); /* null: nothing is loaded */
};

/* ---- The stats */

struct question {
  uv_fs_t request;
  struct host *host;
  uint64_t begin_ns;
};

static void answered(uv_fs_t *request) {
  struct question *question = request->data;
  struct host *host = question->host;
  int error = request->result < 0 ? (int)request->result
                                  : bench_latencies_add(&host->latencies, bench_seconds_since(question->begin_ns) * 1e3);
  host->error = host->error != 0 ? host->error : error;
  uv_fs_req_cleanup(request);
  free(question);
}

static void ask(uv_timer_t *timer) {
  struct host *host = timer->data;
  struct question *question = malloc(sizeof *question);
  if (question == NULL) {
    host->error = UV_ENOMEM;
    return;
  }
  question->request.data = question;
  question->host = host;
  question->begin_ns = bench_now_ns();
  int error = uv_fs_stat(&host->loop, &question->request, "/", answered);
  if (error != 0)
    host->error = error;
  host->asked++;
  if (host->begin_ns == 0 && host->asked == IDLE_STATS)
    uv_close((uv_handle_t *)timer, NULL);
}

/* ---- The loads */

static void one_ended(struct host *host, int error) {
  host->error = host->error != 0 ? host->error : error;
  if (++host->ended < host->workload->count)
    return;
  host->load_s = bench_seconds_since(host->begin_ns);
  uv_close((uv_handle_t *)&host->timer, NULL);
  if (host->loader != NULL)
    premap_loader_detach(host->loader, NULL, NULL);
}

static void loaded(premap_file file, int result, void *user_data) {
  (void)file;
  one_ended(user_data, result);
}

static int begin_premap(struct host *host) {
  int result = premap_loader_attach(&host->loader, &host->loop, NULL);
  if (result != 0)
    return result;
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = host->loader;
  options.callback = loaded;
  options.user_data = host;
  for (size_t i = 0; i < host->workload->count; i++) {
    host->files[i] = premap_open(host->workload->files[i].path, &options);
    if (host->files[i] < 0)
      return (int)host->files[i];
  }
  return 0;
}

static void populate(uv_work_t *work) {
  struct item *item = work->data;
  size_t file = (size_t)(item - item->host->items);
  bench_part whole = {file, 0, (size_t)item->host->workload->files[file].size};
  void *data;
  item->error = bench_map(item->host->workload, whole, MAP_POPULATE, &data);
  if (item->error == 0)
    munmap(data, whole.size);
}

static void populated(uv_work_t *work, int status) {
  struct item *item = work->data;
  one_ended(item->host, status != 0 ? status : item->error);
}

static int begin_work(struct host *host) {
  int result = 0;
  for (size_t i = 0; result == 0 && i < host->workload->count; i++) {
    host->items[i].host = host;
    host->items[i].work.data = &host->items[i];
    result = uv_queue_work(&host->loop, &host->items[i].work, populate, populated);
  }
  return result;
}

/* ---- A turn, in a process of its own */

static int measure(void *context, void *answer) {
  const struct turn *turn = context;
  double *values = answer;
  static struct host host;
  host.workload = turn->workload;
  int result = bench_uv_warm_pool();
  if (result == 0)
    result = uv_loop_init(&host.loop);
  if (result != 0)
    return result;
  uv_timer_init(&host.loop, &host.timer);
  host.timer.data = &host;
  uv_timer_start(&host.timer, ask, 1, 1);
  if (turn->begin != NULL) {
    host.begin_ns = bench_now_ns();
    result = turn->begin(&host);
  }
  if (result != 0)
    return result;
  uv_run(&host.loop, UV_RUN_DEFAULT);
  for (size_t i = 0; i < FILES_MAX && host.files[i] > 0; i++)
    premap_close(host.files[i]);
  values[0] = bench_latencies_quantile(&host.latencies, 0.5);
  values[1] = bench_latencies_quantile(&host.latencies, 0.99);
  values[2] = bench_latencies_quantile(&host.latencies, 1);
  values[3] = turn->begin != NULL ? (double)turn->workload->bytes / 1048576 / host.load_s : NAN;
  return host.error;
}

static int run(void *context, double *values) {
  const struct turn *turn = context;
  int result = bench_workload_make_cold(turn->workload);
  return result == 0 ? bench_apart(measure, context, values, BENCH_METRICS_MAX * sizeof *values, LIMIT_S) : result;
}

static int compare(const bench_workload *workload, int rounds) {
  struct turn turns[] = {{workload, NULL}, {workload, begin_premap}, {workload, begin_work}};
  const bench_side sides[] = {{"nothing loads", run, &turns[0]},
                              {"premap_loader_attach", run, &turns[1]},
                              {"uv_queue_work and populate", run, &turns[2]}};
  static const bench_metric metrics[] = {
      {"uv_fs_stat median", "ms", 0}, {"uv_fs_stat p99", "ms", 0}, {"uv_fs_stat longest", "ms", 0}, {"loaded", "MiB/s", 0}};
  bench_comparison comparison = {"stat on the host's loop", metrics, 4, sides, 3, rounds};
  bench_print_header();
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 5};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  size_t count = bench_uv_pool_size() < FILES_MAX ? (size_t)bench_uv_pool_size() : FILES_MAX;
  bench_workload workload;
  int result = bench_workload_make(&workload, arguments.directory, count, ((uint64_t)4 << 30) / count / arguments.scale);
  if (result == 0)
    result = compare(&workload, arguments.rounds);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "bench_starvation: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

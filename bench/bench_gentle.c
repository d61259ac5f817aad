/* SPDX-License-Identifier: MIT
 *
 * bench_gentle.c - how long reads of 4 KiB at random places of another cold file take while 4 GiB are loaded cold: gently, not
 * gently, by the original design, and with nothing loading; and how fast each loads. Loading lasts until each page was touched.
 *
 * One read is due each millisecond, and its time counts from then on, also while the one before still lasts: else those that a
 * long read holds up would not be counted, and the slower the reads were the fewer there would be.
 */
#include <premap/premap.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "apart.h"
#include "arguments.h"
#include "checksum.h"
#include "contestants.h"
#include "harness.h"
#include "latencies.h"
#include "original.h"

enum { LIMIT_S = 600, PAGE = 4096, IDLE_READS = 2000, PERIOD_NS = 1000000 };

struct turn {
  const bench_workload *loaded;
  const bench_workload *read;
  int (*load)(const bench_workload *workload); /* null: nothing is loaded */
};

/* ---- The loads */

static int load_by_premap(const bench_workload *workload, uint32_t flags) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = flags;
  premap_region region;
  premap_file file = premap_load(workload->files[0].path, &options, &region);
  if (file < 0)
    return (int)file;
  bench_touch(region.data, region.size, PAGE);
  return premap_close(file);
}

static int load_gently(const bench_workload *workload) {
  return load_by_premap(workload, PREMAP_GENTLE);
}

static int load_plainly(const bench_workload *workload) {
  return load_by_premap(workload, 0);
}

static int load_originally(const bench_workload *workload) {
  bench_original *original = NULL;
  void *data = NULL;
  int error = bench_original_start(&original, workload);
  if (error == 0)
    error = bench_original_wait(original, 0, &data);
  bench_original_end(original);
  if (error != 0)
    return error;
  bench_touch(data, (size_t)workload->files[0].size, PAGE);
  munmap(data, (size_t)workload->files[0].size);
  return 0;
}

/* ---- A turn, in a process of its own */

struct loading {
  const struct turn *turn;
  _Atomic uint64_t end_ns; /* UINT64_MAX: not yet */
  double seconds;
  int error;
};

static void load(void *argument) {
  struct loading *loading = argument;
  uint64_t begin = bench_now_ns();
  loading->error = loading->turn->load(loading->turn->loaded);
  loading->seconds = bench_seconds_since(begin);
  atomic_store(&loading->end_ns, bench_now_ns());
}

static void wait_until(uint64_t due_ns) {
  uint64_t now = bench_now_ns();
  if (due_ns > now) {
    struct timespec left = {.tv_nsec = (long)(due_ns - now)};
    nanosleep(&left, NULL);
  }
}

static int read_randomly(const bench_workload *workload, struct loading *loading, bench_latencies *latencies) {
  int descriptor = bench_open(workload->files[0].path);
  if (descriptor < 0)
    return descriptor;
  int error = -posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM); /* one page at a time */
  uint64_t pages = workload->bytes / PAGE;
  uint64_t due = bench_now_ns();
  for (uint64_t i = 0; error == 0 && due < atomic_load(&loading->end_ns); i++, due += PERIOD_NS) {
    char page[PAGE];
    wait_until(due);
    if (pread(descriptor, page, PAGE, (off_t)(bench_mix(i) % pages * PAGE)) != PAGE)
      error = -EIO;
    else
      error = bench_latencies_add(latencies, bench_seconds_since(due) * 1e3);
  }
  close(descriptor);
  return error;
}

static int measure(void *context, void *answer) {
  const struct turn *turn = context;
  double *values = answer;
  struct loading loading = {.turn = turn, .end_ns = UINT64_MAX};
  bench_latencies latencies = {NULL, 0, 0};
  uv_thread_t thread;
  if (turn->load == NULL)
    loading.end_ns = bench_now_ns() + (uint64_t)IDLE_READS * PERIOD_NS;
  int error = turn->load != NULL ? uv_thread_create(&thread, load, &loading) : 0;
  if (error != 0)
    return error;
  error = read_randomly(turn->read, &loading, &latencies);
  if (turn->load != NULL)
    uv_thread_join(&thread);
  values[0] = bench_latencies_quantile(&latencies, 0.5);
  values[1] = bench_latencies_quantile(&latencies, 0.99);
  values[2] = turn->load != NULL ? (double)turn->loaded->bytes / 1048576 / loading.seconds : NAN;
  return error != 0 ? error : loading.error;
}

static int run(void *context, double *values) {
  const struct turn *turn = context;
  int result = bench_workload_make_cold(turn->loaded);
  if (result == 0)
    result = bench_workload_make_cold(turn->read);
  return result == 0 ? bench_apart(measure, context, values, BENCH_METRICS_MAX * sizeof *values, LIMIT_S) : result;
}

static int compare(const bench_workload *loaded, const bench_workload *other, int rounds) {
  struct turn turns[] = {
      {loaded, other, load_originally}, {loaded, other, load_gently}, {loaded, other, load_plainly}, {loaded, other, NULL}};
  const bench_side sides[] = {{"original design", run, &turns[0]},
                              {"premap gentle", run, &turns[1]},
                              {"premap not gentle", run, &turns[2]},
                              {"nothing loads", run, &turns[3]}};
  /* Only our own rates are compared: the original design says ready at half the file. */
  static const bench_metric metrics[] = {{"random read median", "ms", 0}, {"random read p99", "ms", 0}, {"loaded", "MiB/s", 2}};
  bench_comparison comparison = {"reads beside a cold load", metrics, 3, sides, 4, rounds};
  bench_print_header();
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 5};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload loaded = {0}, other = {0};
  int result = bench_workload_make(&loaded, arguments.directory, 1, ((uint64_t)4 << 30) / arguments.scale);
  if (result == 0)
    result = bench_workload_make(&other, arguments.directory, 1, ((uint64_t)1 << 30) / arguments.scale);
  if (result == 0)
    result = compare(&loaded, &other, arguments.rounds);
  bench_workload_end(&loaded);
  bench_workload_end(&other);
  if (result != 0)
    fprintf(stderr, "bench_gentle: failed: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

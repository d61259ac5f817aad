/* SPDX-License-Identifier: MIT
 *
 * bench_handoff.c - what one warm file of 4 KiB costs from one thread: by premap on the calling thread against open, fstat,
 * read and close by hand, which a look at the type may precede as in premap; by premap's pool against the same in a work item
 * of libuv's.
 */
#include <premap/premap.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "arguments.h"
#include "contestants.h"
#include "harness.h"
#include "uv_warm.h"

enum { SIZE = 4096, HERE = 5000, AWAY = 1000, TIMEOUT_MS = 60000 };

static const char *path;

static int read_by_hand(char *buffer) {
  int descriptor = bench_open(path);
  if (descriptor < 0)
    return descriptor;
  ssize_t got = read(descriptor, buffer, SIZE);
  close(descriptor);
  return got == SIZE ? 0 : -EIO;
}

static int use(premap_file file, int result, const premap_region *region) {
  if (result == PREMAP_OK)
    bench_touch(region->data, region->size, SIZE);
  int closed = file > 0 ? premap_close(file) : (int)file;
  return result != PREMAP_OK ? result : closed;
}

/* ---- One file, each way: 0 or a negative code */

static int by_hand(void) {
  static char buffer[SIZE];
  int result = read_by_hand(buffer);
  bench_touch(buffer, SIZE, SIZE);
  return result;
}

static int by_hand_with_care(void) {
  struct stat found;
  if (stat(path, &found) != 0)
    return -errno;
  return S_ISREG(found.st_mode) ? by_hand() : -EINVAL;
}

static int load_with(uint32_t flags) {
  premap_options options = PREMAP_OPTIONS_INIT;
  premap_region region;
  options.flags = flags;
  premap_file file = premap_load(path, &options, &region);
  return use(file, file > 0 ? PREMAP_OK : (int)file, &region);
}

static int by_load(void) {
  return load_with(0);
}

static int by_load_of_regular(void) {
  return load_with(PREMAP_KNOWN_REGULAR);
}

static int by_create_and_wait(void) {
  premap_region region;
  premap_file file = premap_create(path, NULL);
  return use(file, premap_wait(file, -1, &region), &region);
}

/* A file that was not READY at once is a failure here. */
static int open_inline_with(uint32_t flags) {
  premap_options options = PREMAP_OPTIONS_INIT;
  premap_region region;
  options.flags = PREMAP_INLINE_IF_CACHED | flags;
  premap_file file = premap_open(path, &options);
  return use(file, premap_region_of(file, &region), &region);
}

static int by_inline_open(void) {
  return open_inline_with(0);
}

static int by_inline_open_of_regular(void) {
  return open_inline_with(PREMAP_KNOWN_REGULAR);
}

static int by_open_and_wait(void) {
  premap_region region;
  premap_file file = premap_open(path, NULL);
  return use(file, premap_wait(file, TIMEOUT_MS, &region), &region);
}

struct item {
  uv_work_t work;
  char buffer[SIZE];
  int result;
};

static void work(uv_work_t *request) {
  struct item *item = request->data;
  item->result = read_by_hand(item->buffer);
}

static int by_queue_work(void) {
  static uv_loop_t loop;
  static bool has_loop;
  static struct item item;
  if (!has_loop && uv_loop_init(&loop) != 0)
    return -ENOMEM;
  has_loop = true;
  item.work.data = &item;
  int result = uv_queue_work(&loop, &item.work, work, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  bench_touch(item.buffer, SIZE, SIZE);
  return result != 0 ? result : item.result;
}

/* ---- */

struct way {
  int (*one)(void);
  int count;
};

static double processor_us(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int run(void *context, double *values) {
  const struct way *way = context;
  double processor_before_us = processor_us();
  uint64_t begin = bench_now_ns();
  for (int i = 0; i < way->count; i++) {
    int result = way->one();
    if (result != 0)
      return result > 0 ? -EIO : result;
  }
  values[0] = bench_seconds_since(begin) * 1e6 / way->count;
  values[1] = (processor_us() - processor_before_us) / way->count;
  return 0;
}

static const bench_metric metrics[] = {{"time a file", "us", 0}, {"processor time a file", "us", 0}};

static int compare_here(int rounds) {
  static struct {
    const char *name;
    struct way way;
  } ways[] = {{"open fstat read close", {by_hand, HERE}},
              {"stat open fstat read close", {by_hand_with_care, HERE}},
              {"premap_load", {by_load, HERE}},
              {"premap_load regular", {by_load_of_regular, HERE}},
              {"premap_create and wait", {by_create_and_wait, HERE}},
              {"premap_open if cached", {by_inline_open, HERE}},
              {"premap_open if cached regular", {by_inline_open_of_regular, HERE}}};
  enum { SIDES = sizeof ways / sizeof ways[0] };
  bench_side sides[SIDES];
  for (size_t i = 0; i < SIDES; i++)
    sides[i] = (bench_side){ways[i].name, run, &ways[i].way};
  bench_comparison comparison = {"one 4 KiB file here", metrics, 2, sides, SIDES, rounds};
  return bench_compare(&comparison);
}

static int compare_away(int rounds) {
  static struct way queue = {by_queue_work, AWAY}, open = {by_open_and_wait, AWAY};
  const bench_side sides[] = {{"uv_queue_work", run, &queue}, {"premap_open and timed wait", run, &open}};
  bench_comparison comparison = {"one 4 KiB file by the pool", metrics, 2, sides, 2, rounds};
  return bench_compare(&comparison);
}

int main(int argc, char **argv) {
  bench_arguments arguments = {.rounds = 15};
  if (bench_arguments_read(&arguments, argc, argv) != 0)
    return 2;
  bench_workload workload;
  int result = bench_workload_make(&workload, arguments.directory, 1, SIZE);
  if (result == 0) {
    path = workload.files[0].path;
    bench_print_header();
    result = compare_here(arguments.rounds);
  }
  if (result == 0)
    result = bench_uv_warm_pool();
  if (result == 0)
    result = compare_away(arguments.rounds);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "bench_handoff: %s\n", uv_strerror(result));
  return result == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: MIT
 *
 * test_schedule.c - which of many files comes first: priorities, deadlines, what interrupts what, limits, and loaders.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <premap/uv.h>

TestSuite(schedule, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

static const int64_t minute_ms = 60000;

/* A load that has begun, does not end by itself, and is less urgent than any other. */
static premap_file open_slow(premap_loader *loader) {
  static int count;
  char name[32];
  snprintf(name, sizeof name, "slow%d", count++);
  premap_options slow = slow_options();
  slow.priority = PREMAP_PRIORITY_MIN;
  slow.loader = loader;
  premap_file handle = premap_open(make_file(name, SLOW_SIZE, 1).text, &slow);
  cr_assert_gt(handle, 0);
  cr_assert(reaches_state(handle, PREMAP_LOADING));
  return handle;
}

static void close_all(premap_file *files, size_t count) {
  for (size_t i = 0; i < count; i++)
    cr_expect_eq(premap_close(files[i]), 0);
}

static premap_loader_metrics metrics_of(premap_loader *loader) {
  premap_loader_metrics metrics = {.size = sizeof metrics};
  cr_assert_eq(premap_metrics(loader, &metrics), 0);
  return metrics;
}

/* ---- Order */

/* The queue tells the order of the ends, which is that of the loads where the pool has one thread. The gate keeps that thread
 * busy until all are queued: it has the highest priority of all. */
typedef struct line {
  premap_queue *queue;
  premap_file gate;
  premap_file files[16];
  size_t count;
} line;

static line line_begin(void) {
  set_pool_size("1");
  line made = {.count = 0};
  cr_assert_eq(premap_queue_create(&made.queue), 0);
  premap_options slow = slow_options();
  slow.priority = PREMAP_PRIORITY_MAX;
  made.gate = premap_open(make_file("gate", SLOW_SIZE, 1).text, &slow);
  cr_assert_gt(made.gate, 0);
  cr_assert(reaches_state(made.gate, PREMAP_LOADING));
  return made;
}

static premap_file line_add(line *of, int32_t priority, uint32_t deadline_ms) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.priority = priority;
  options.deadline_ms = deadline_ms;
  options.queue = of->queue;
  options.user_data = (void *)(uintptr_t)of->count;
  char name[32];
  snprintf(name, sizeof name, "file%zu", of->count);
  premap_file handle = premap_open(make_text(name, name).text, &options);
  cr_assert_gt(handle, 0);
  of->files[of->count++] = handle;
  return handle;
}

/* Opens the gate, and expects the files to end in this order. */
static void line_expect(line *of, const size_t *order) {
  cr_expect_eq(metrics_of(NULL).queued, of->count);
  cr_expect_eq(premap_close(of->gate), 0);
  for (size_t i = 0; i < of->count; i++) {
    premap_completion ended;
    cr_assert_eq(premap_queue_poll(of->queue, &ended, 1, minute_ms), 1);
    cr_expect_eq((size_t)(uintptr_t)ended.user_data, order[i], "%zu ended as number %zu", (size_t)(uintptr_t)ended.user_data,
                 i);
    cr_expect_eq(ended.file, of->files[order[i]]);
    cr_expect_eq(ended.result, 0);
  }
  close_all(of->files, of->count);
  premap_queue_close(of->queue);
}

Test(schedule, first_come_first_served, .description = "within one priority") {
  line files = line_begin();
  for (int i = 0; i < 5; i++)
    line_add(&files, 7, 0);
  line_expect(&files, (size_t[]){0, 1, 2, 3, 4});
}

Test(schedule, higher_priorities_first, .description = "negative, zero, positive and the extremes") {
  line files = line_begin();
  const int32_t priorities[] = {0, PREMAP_PRIORITY_MIN, 5, PREMAP_PRIORITY_MAX, -1, 5};
  for (int i = 0; i < 6; i++)
    line_add(&files, priorities[i], 0);
  line_expect(&files, (size_t[]){3, 2, 5, 0, 4, 1});
}

Test(schedule, earlier_deadlines_first, .description = "within one priority, and before files without") {
  line files = line_begin();
  const struct {
    int32_t priority;
    uint32_t deadline_ms;
  } of[] = {{0, 0}, {0, 900000}, {0, 100000}, {1, 0}, {0, 500000}, {-1, 1}, {0, 300000}, {0, 700000}};
  for (int i = 0; i < 8; i++)
    line_add(&files, of[i].priority, of[i].deadline_ms);
  line_expect(&files, (size_t[]){3, 2, 6, 4, 7, 1, 0, 5});
}

Test(schedule, the_order_can_change, .description = "priority and deadline of queued files, forth and back") {
  line files = line_begin();
  for (int i = 0; i < 6; i++)
    line_add(&files, 0, 0);
  cr_expect_eq(premap_set_priority(files.files[4], 1), 0);
  cr_expect_eq(premap_set_deadline(files.files[3], minute_ms), 0);
  cr_expect_eq(premap_set_deadline(files.files[2], 1), 0);
  cr_expect_eq(premap_set_priority(files.files[0], -1), 0);
  cr_expect_eq(premap_set_deadline(files.files[5], 1), 0);
  cr_expect_eq(premap_set_deadline(files.files[5], -1), 0);
  line_expect(&files, (size_t[]){4, 2, 3, 1, 5, 0});
}

Test(schedule, the_order_of_what_is_not_there, .description = "stale handles and priorities out of range are errors") {
  premap_file handle = premap_load(make_text("file", "x").text, NULL, NULL);
  cr_expect_eq(premap_set_priority(handle, PREMAP_PRIORITY_MAX + 1), PREMAP_EINVAL);
  cr_expect_eq(premap_set_priority(handle, PREMAP_PRIORITY_MIN - 1), PREMAP_EINVAL);
  cr_expect_eq(premap_set_priority(handle, PREMAP_PRIORITY_MAX), 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_set_priority(handle, 0), PREMAP_EBADF);
  cr_expect_eq(premap_set_deadline(handle, 1), PREMAP_EBADF);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.priority = PREMAP_PRIORITY_MAX + 1;
  cr_expect_eq(premap_create("file", &options), PREMAP_EINVAL);
}

Test(schedule, missed_deadlines_are_counted, .description = "a file that ends late is READY all the same") {
  premap_options options = PREMAP_OPTIONS_INIT;
  path file = make_text("file", "x");
  premap_file slow = open_slow(NULL);
  premap_file in_time, late;
  options.deadline_ms = 3600000;
  cr_assert_gt(in_time = premap_open(file.text, &options), 0);
  cr_expect_eq(premap_wait(in_time, minute_ms, NULL), 0);
  cr_expect_eq(metrics_of(NULL).deadlines_missed, 0);
  cr_assert_gt(late = premap_create(file.text, NULL), 0);
  cr_expect_eq(premap_set_deadline(late, 0), 0);
  cr_expect_eq(premap_wait(late, minute_ms, NULL), 0);
  cr_expect_eq(metrics_of(NULL).deadlines_missed, 1);
  close_all((premap_file[]){slow, in_time, late}, 3);
}

/* ---- Interruption */

Test(schedule, the_urgent_interrupt,
     .description = "every thread has a slow load: a file of higher priority is READY meanwhile") {
  set_pool_size("2");
  premap_file slow[3] = {open_slow(NULL), open_slow(NULL), 0};
  path file = make_file("urgent", 3 * MIB, 2);
  for (int i = 0; i < 10; i++) {
    premap_region region;
    slow[2] = premap_open(file.text, NULL);
    cr_expect_eq(premap_wait(slow[2], minute_ms, &region), 0);
    cr_expect(pattern_equals(region.data, region.size, 2, 0));
    cr_expect_eq(premap_close(slow[2]), 0);
  }
  cr_expect_eq(premap_state(slow[0]), PREMAP_LOADING);
  cr_expect_eq(premap_state(slow[1]), PREMAP_LOADING);
  cr_expect_gt(metrics_of(NULL).interruptions, 0);
  close_all(slow, 2);
}

Test(schedule, a_part_comes_first, .description = "of a file that loads, by a second handle with a higher priority") {
  set_pool_size("1");
  premap_file whole = open_slow(NULL);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.offset = SLOW_SIZE - 100000;
  options.length = 70000;
  premap_region region = {NULL, 0};
  premap_file part = premap_open(path_of("slow0").text, &options);
  cr_expect_eq(premap_wait(part, minute_ms, &region), 0);
  cr_expect(region.size == 70000 && pattern_equals(region.data, region.size, 1, SLOW_SIZE - 100000));
  cr_expect_eq(premap_state(whole), PREMAP_LOADING);
  close_all((premap_file[]){whole, part}, 2);
}

Test(schedule, the_interrupted_go_on, .description = "loads that gave way again and again have every byte in the end") {
  set_pool_size("1");
  const premap_backing backings[] = {PREMAP_BACKING_MAPPED, PREMAP_BACKING_COPIED};
  path large = make_file("large", 16 * MIB, 3), small = make_text("small", "x");
  for (int i = 0; i < 2; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backings[i], PREMAP_READ_ONLY);
    options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
    options.pause_us = 2000; /* long enough to be cut short */
    options.priority = -1;
    premap_file low = premap_open(large.text, &options);
    while (premap_state(low) < PREMAP_READY) {
      premap_file high = premap_open(small.text, NULL);
      cr_expect_eq(premap_wait(high, minute_ms, NULL), 0);
      cr_expect_eq(premap_close(high), 0);
    }
    premap_region region;
    cr_expect_eq(premap_region_of(low, &region), 0);
    cr_expect_eq(region.size, 16 * MIB);
    cr_expect(pattern_equals(region.data, region.size, 3, 0));
    cr_expect_eq(info_of(low).present, 16 * MIB);
    cr_expect_eq(premap_close(low), 0);
  }
  cr_expect_gt(metrics_of(NULL).interruptions, 10);
}

Test(schedule, what_does_not_pause_gives_way_too, .description = "a copy and a mapping, both right in the end") {
  enum { SIZE = 32 * MIB, LOADS = 8, TRIES = 50 };
  if (has_valgrind())
    cr_skip_test("SKIPPED: here threads take turns, and long ones");
  set_pool_size("1");
  path large = make_file("large", SIZE, 3), small = make_text("small", "x");
  premap_options urgent = PREMAP_OPTIONS_INIT;
  urgent.priority = 1;
  for (int backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    uint64_t before = metrics_of(NULL).interruptions;
    /* All large ones may have ended before the small one comes, or it may come between two of them. */
    for (int try = 0; try < TRIES && metrics_of(NULL).interruptions == before; try++) {
      premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
      options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
      premap_file files[LOADS + 1];
      for (int i = 0; i < LOADS; i++)
        files[i] = premap_open(large.text, &options);
      while (premap_state(files[0]) == PREMAP_PENDING)
        async_yield();
      files[LOADS] = premap_open(small.text, &urgent);
      cr_expect_eq(premap_wait(files[LOADS], minute_ms, NULL), 0);
      for (int i = 0; i < LOADS; i++) {
        premap_region region = {NULL, 0};
        cr_expect_eq(premap_wait(files[i], minute_ms, &region), 0);
        cr_expect(region.size == SIZE && pattern_equals(region.data, SIZE, 3, 0));
      }
      close_all(files, LOADS + 1);
    }
    cr_expect_gt(metrics_of(NULL).interruptions, before);
  }
}

Test(schedule, what_runs_can_become_less_urgent, .description = "than what is queued, by its priority: that comes first then") {
  set_pool_size("1");
  premap_options options = slow_options();
  options.priority = 5;
  premap_file slow = premap_open(make_file("slow", SLOW_SIZE, 1).text, &options);
  cr_assert(reaches_state(slow, PREMAP_LOADING));
  premap_file file = premap_open(make_text("file", "x").text, NULL);
  cr_expect_eq(metrics_of(NULL).queued, 1);
  cr_expect_eq(premap_set_priority(slow, -1), 0);
  cr_expect_eq(premap_wait(file, minute_ms, NULL), 0);
  cr_expect_eq(premap_state(slow), PREMAP_LOADING);
  cr_expect_eq(metrics_of(NULL).interruptions, 1);
  close_all((premap_file[]){slow, file}, 2);
}

Test(schedule, the_interrupted_can_be_cancelled, .description = "closed, cancelled, waited for and shut down while put aside") {
  set_pool_size("1");
  premap_options gate = slow_options();
  path name = make_file("slow", SLOW_SIZE, 1);
  premap_file low[3];
  for (int i = 0; i < 3; i++) {
    gate.priority = i;
    low[i] = premap_open(name.text, &gate);
    cr_assert(reaches_state(low[i], PREMAP_LOADING));
  }
  cr_expect_eq(metrics_of(NULL).interrupted, 2);
  cr_expect_eq(premap_cancel(low[0]), 0);
  cr_expect_eq(premap_error(low[0]), PREMAP_ECANCELED);
  cr_expect_eq(metrics_of(NULL).interrupted, 1);
  cr_expect_eq(premap_close(low[1]), 0);
  cr_expect_eq(metrics_of(NULL).interrupted, 0);
  cr_assert(makes_progress(low[2]));
  cr_expect_eq(mappings_left(), 1);
  cr_assert_gt(low[1] = premap_open(name.text, &gate), 0);
  gate.priority = PREMAP_PRIORITY_MAX;
  premap_file high = premap_open(name.text, &gate);
  cr_assert(reaches_state(high, PREMAP_LOADING));
  cr_expect_eq(premap_shutdown(-1), 0);
  for (int i = 0; i < 3; i++)
    cr_expect_eq(premap_error(low[i]), PREMAP_ECANCELED);
  cr_expect_eq(premap_error(high), PREMAP_ECANCELED);
  cr_expect_eq(mappings_left(), 0);
  cr_expect_eq(descriptors_left(), 0);
  close_all(low, 3);
  cr_expect_eq(premap_close(high), 0);
}

Test(schedule, a_waiting_thread_takes_over, .description = "a wait for ever finishes on its own thread what was put aside") {
  set_pool_size("1");
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  options.pause_us = 50000;
  options.priority = -1;
  path slow = make_file("slow", SLOW_SIZE, 1); /* first, since that takes an emulator longer than the other's load */
  premap_file low = premap_open(make_file("low", 4 * MIB, 4).text, &options);
  cr_assert(reaches_state(low, PREMAP_LOADING));
  premap_options gate = slow_options();
  premap_file high = premap_open(slow.text, &gate);
  cr_assert(reaches_state(high, PREMAP_LOADING));
  cr_expect_eq(metrics_of(NULL).interrupted, 1);
  premap_region region;
  cr_expect_eq(premap_wait(low, -1, &region), 0);
  cr_expect(pattern_equals(region.data, region.size, 4, 0));
  cr_expect_eq(premap_state(high), PREMAP_LOADING);
  close_all((premap_file[]){low, high}, 2);
}

/* ---- Loaders and limits */

static premap_loader *loader_with(const premap_loader_options *options) {
  premap_loader *loader = NULL;
  cr_assert_eq(premap_loader_create(&loader, options), 0);
  return loader;
}

Test(schedule, loader_options_are_checked, .description = "sizes, flags and limits out of range; null pointers") {
  premap_loader *loader;
  premap_loader_options options = PREMAP_LOADER_OPTIONS_INIT;
  options.size = 0;
  cr_expect_eq(premap_loader_create(&loader, &options), PREMAP_EINVAL);
  cr_expect_null(loader);
  options = (premap_loader_options)PREMAP_LOADER_OPTIONS_INIT;
  options.flags = 1;
  cr_expect_eq(premap_loader_create(&loader, &options), PREMAP_ENOTSUP);
  options = (premap_loader_options)PREMAP_LOADER_OPTIONS_INIT;
  options.bytes_in_flight_max = 1;
  cr_expect_eq(premap_loader_create(&loader, &options), PREMAP_EINVAL);
  cr_expect_eq(premap_loader_create(NULL, NULL), PREMAP_EINVAL);
  cr_expect_eq(premap_loader_close(NULL, 0), PREMAP_EINVAL);
  cr_expect_eq(premap_metrics(NULL, NULL), PREMAP_EINVAL);
}

Test(schedule, a_full_queue_says_so, .description = "ENOBUFS at once, or after a time; room when one leaves") {
  set_pool_size("1");
  premap_loader_options options = PREMAP_LOADER_OPTIONS_INIT;
  options.queued_max = 2;
  premap_loader *loader = loader_with(&options);
  premap_file slow = open_slow(NULL);
  cr_expect_eq(premap_set_priority(slow, PREMAP_PRIORITY_MAX), 0);
  premap_options file_options = PREMAP_OPTIONS_INIT;
  file_options.loader = loader;
  path file = make_text("file", "x");
  premap_file files[3];
  for (int i = 0; i < 2; i++)
    cr_expect_gt(files[i] = premap_open(file.text, &file_options), 0);
  cr_expect_eq(premap_open(file.text, &file_options), PREMAP_ENOBUFS);
  cr_expect_eq(metrics_of(loader).queued, 2);
  cr_expect_eq(metrics_of(loader).queued_max, 2);
  cr_expect_eq(premap_close(files[0]), 0);
  cr_expect_gt(files[0] = premap_open(file.text, &file_options), 0);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_loader_drain(loader, minute_ms), 0);
  cr_expect_eq(metrics_of(loader).ready, 2);
  close_all(files, 2);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

/* A loader whose queue has room for one file, for which starts wait, and that has it already: the pool's only thread is busy.
 */
typedef struct full {
  premap_loader *loader;
  premap_file slow;
  premap_file queued;
  premap_options options;
} full;

static full fill_queue(int64_t queued_wait_ms) {
  set_pool_size("1");
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.queued_max = 1;
  limits.queued_wait_ms = queued_wait_ms;
  full made = {.loader = loader_with(&limits), .slow = open_slow(NULL), .options = PREMAP_OPTIONS_INIT};
  made.options.loader = made.loader;
  premap_options slow = slow_options();
  slow.loader = made.loader;
  slow.priority = PREMAP_PRIORITY_MIN;
  made.queued = premap_open(make_file("queued", SLOW_SIZE, 1).text, &slow);
  cr_assert_gt(made.queued, 0);
  return made;
}

static void end_full(full *of) {
  close_all((premap_file[]){of->slow, of->queued}, 2);
  cr_expect_eq(premap_loader_close(of->loader, minute_ms), 0);
}

typedef struct opening {
  const full *of;
  uv_sem_t begins;
  premap_file file;
} opening;

static void open_one_more(void *argument) {
  opening *one = argument;
  uv_sem_post(&one->begins);
  one->file = premap_open(path_of("file").text, &one->of->options);
}

Test(schedule, room_comes_when_a_file_is_taken,
     .description = "a start that waits for it goes on, although nothing has ended") {
  make_text("file", "x");
  full of = fill_queue(-1);
  opening one = {.of = &of};
  uv_thread_t thread;
  cr_assert_eq(uv_sem_init(&one.begins, 0), 0);
  cr_assert_eq(uv_thread_create(&thread, open_one_more, &one), 0);
  uv_sem_wait(&one.begins);
  for (int i = 0; i < 1000; i++)
    async_yield(); /* so that it waits by now, mostly */
  cr_expect_eq(premap_set_priority(of.queued, PREMAP_PRIORITY_MAX), 0);
  uv_thread_join(&thread);
  cr_expect_gt(one.file, 0);
  cr_expect_eq(premap_state(of.queued), PREMAP_LOADING);
  cr_expect_eq(premap_close(one.file), 0);
  uv_sem_destroy(&one.begins);
  end_full(&of);
}

Test(schedule, starts_wait_so_long_as_chosen,
     .description = "for room: ENOBUFS then, or ETIMEDOUT where the wait has less time") {
  full of = fill_queue(20);
  path name = make_text("file", "x");
  uint64_t begin = uv_hrtime();
  cr_expect_eq(premap_open(name.text, &of.options), PREMAP_ENOBUFS);
  cr_expect_geq(uv_hrtime() - begin, UINT64_C(20) * 1000 * 1000);
  premap_file file = premap_create(name.text, &of.options);
  cr_expect_eq(premap_wait(file, 1, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait(file, minute_ms, NULL), PREMAP_ENOBUFS);
  cr_expect_eq(premap_state(file), PREMAP_PENDING);
  cr_expect_eq(premap_close(file), 0);
  end_full(&of);
}

Test(schedule, maps_are_limited,
     .description = "beyond a loader's maps: copied where that may be chosen, else ENOMEM; one that goes makes room") {
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.maps_max = 1;
  premap_loader *loader = loader_with(&limits);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  path name = make_file("file", MIB, 1);
  premap_file files[3] = {premap_load(name.text, &options, NULL), premap_load(name.text, &options, NULL)};
  cr_expect_eq(info_of(files[0]).backing, PREMAP_BACKING_MAPPED);
  cr_expect_eq(info_of(files[1]).backing, PREMAP_BACKING_COPIED);
  cr_expect_str_eq(info_of(files[1]).reason, "the limit of maps is reached, so read");
  cr_expect_eq(metrics_of(loader).maps, 1);
  cr_expect_eq(metrics_of(loader).maps_max, 1);
  options.backing = PREMAP_BACKING_MAPPED;
  cr_expect_eq(premap_load(name.text, &options, NULL), PREMAP_ENOMEM);
  cr_expect_eq(premap_close(files[0]), 0);
  cr_expect_eq(metrics_of(loader).maps, 0);
  files[2] = premap_load(name.text, &options, NULL);
  cr_expect_gt(files[2], 0);
  close_all(&files[1], 2);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(schedule, waits_end_in_time, .description = "also when a full queue does not let their files start") {
  full of = fill_queue(-1);
  premap_file file = premap_create(make_text("file", "x").text, &of.options);
  cr_expect_eq(premap_wait(file, 10, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait_all(&file, 1, 10), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait_any(&file, 1, 10, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait(file, 0, NULL), PREMAP_ETIMEDOUT);
  premap_group *group = NULL;
  cr_assert_eq(premap_group_create(&group, &of.options), 0);
  cr_expect_gt(premap_group_add(group, path_of("file").text), 0);
  premap_completion ended;
  cr_expect_eq(premap_group_wait(group, 10), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_group_next(group, 10, &ended), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_state(file), PREMAP_PENDING);
  premap_group_close(group);
  cr_expect_eq(premap_close(file), 0);
  end_full(&of);
}

Test(schedule, waits_for_ever_pass_a_full_queue,
     .description = "who waits for many loads them, while no thread of the pool does") {
  full of = fill_queue(-1);
  path name = make_text("file", "x");
  premap_file files[5];
  for (int i = 0; i < 5; i++)
    files[i] = premap_create(name.text, &of.options);
  cr_expect_eq(premap_wait_all(files, 4, -1), 0);
  cr_expect_eq(premap_wait_any(&files[4], 1, -1, NULL), 0);
  premap_group *group = NULL;
  cr_assert_eq(premap_group_create(&group, &of.options), 0);
  for (int i = 0; i < 5; i++)
    cr_expect_gt(premap_group_add(group, name.text), 0);
  cr_expect_eq(premap_group_wait(group, -1), 0);
  premap_group_close(group);
  cr_assert_eq(premap_group_create(&group, &of.options), 0);
  for (int i = 0; i < 5; i++)
    cr_expect_gt(premap_group_add(group, name.text), 0);
  premap_completion ended;
  for (int i = 0; i < 5; i++)
    cr_expect_eq(premap_group_next(group, -1, &ended), 0);
  premap_group_close(group);
  close_all(files, 5);
  end_full(&of);
}

static void wait_for_group(void *group) {
  cr_expect_eq(premap_group_wait(group, -1), PREMAP_ECANCELED);
}

static void wait_for_files(void *files) {
  cr_expect_eq(premap_wait_all(files, 2, -1), PREMAP_ECANCELED);
}

Test(schedule, waits_for_ever_end_with_the_loader,
     .description = "when what it was closed with could neither start nor be loaded") {
  set_pool_size("1");
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.queued_max = 1;
  limits.queued_wait_ms = -1;
  limits.open_files_max = 1;
  premap_loader *loader = loader_with(&limits);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  premap_file slow = open_slow(loader);
  path name = make_text("file", "x");
  premap_file queued = premap_open(name.text, &options);
  premap_group *group = NULL;
  cr_assert_eq(premap_group_create(&group, &options), 0);
  cr_expect_gt(premap_group_add(group, name.text), 0);
  premap_file files[2] = {premap_create(name.text, &options), premap_create(name.text, &options)};
  uv_thread_t threads[2];
  cr_assert_eq(uv_thread_create(&threads[0], wait_for_group, group), 0);
  cr_assert_eq(uv_thread_create(&threads[1], wait_for_files, files), 0);
  for (int i = 0; i < 1000; i++)
    async_yield(); /* so that it waits by now, mostly */
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  for (int i = 0; i < 2; i++)
    uv_thread_join(&threads[i]);
  premap_group_close(group);
  close_all((premap_file[]){slow, queued, files[0], files[1]}, 4);
}

Test(schedule, a_loader_keeps_its_workers, .description = "one worker of four: never more than one file LOADING") {
  set_pool_size("4");
  premap_loader_options options = PREMAP_LOADER_OPTIONS_INIT;
  options.workers_max = 1;
  premap_loader *loader = loader_with(&options);
  premap_options slow = slow_options();
  slow.loader = loader;
  path file = make_file("slow", SLOW_SIZE, 1);
  premap_file files[3];
  for (int i = 0; i < 3; i++)
    files[i] = premap_open(file.text, &slow);
  cr_assert(reaches_state(files[0], PREMAP_LOADING));
  premap_file other = premap_open(make_text("other", "x").text, NULL);
  cr_expect_eq(premap_wait(other, minute_ms, NULL), 0);
  cr_expect_eq(metrics_of(loader).loading, 1);
  cr_expect_eq(metrics_of(loader).queued, 2);
  cr_expect_eq(metrics_of(NULL).loading, 0);
  cr_expect_eq(premap_close(other), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  for (int i = 0; i < 3; i++)
    cr_expect_eq(premap_error(files[i]), PREMAP_ECANCELED);
  close_all(files, 3);
}

Test(schedule, open_files_are_limited, .description = "with two files begun a third waits, however urgent") {
  set_pool_size("4");
  premap_loader_options options = PREMAP_LOADER_OPTIONS_INIT;
  options.open_files_max = 2;
  premap_loader *loader = loader_with(&options);
  premap_file slow[2] = {open_slow(loader), open_slow(loader)};
  premap_options urgent = PREMAP_OPTIONS_INIT;
  urgent.loader = loader;
  urgent.priority = PREMAP_PRIORITY_MAX;
  premap_file file = premap_open(make_text("file", "x").text, &urgent);
  cr_expect_eq(premap_wait(file, 20, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_close(slow[0]), 0);
  cr_expect_eq(premap_wait(file, minute_ms, NULL), 0);
  cr_expect_eq(premap_close(slow[1]), 0);
  cr_expect_eq(premap_close(file), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

/* Until the file, of all that the loader has, waits for memory. */
static void await_starved(premap_loader *loader, premap_file file) {
  while (metrics_of(loader).starved == 0)
    cr_assert_eq(premap_wait(file, 1, NULL), PREMAP_ETIMEDOUT, "it has ended");
}

Test(schedule, memory_is_limited,
     .description = "beyond a loader's memory: partial, ENOMEM, or a wait until others give back") {
  set_pool_size("2");
  premap_loader_options options = PREMAP_LOADER_OPTIONS_INIT;
  options.memory_max = 8 * MIB;
  premap_loader *loader = loader_with(&options);
  path file = make_file("file", 6 * MIB, 5);
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  mapped.loader = loader;
  premap_options copied = mapped;
  copied.backing = PREMAP_BACKING_COPIED;
  premap_file first = premap_open(file.text, &mapped);
  cr_expect_eq(premap_wait(first, minute_ms, NULL), 0);
  cr_expect_eq(metrics_of(loader).memory, 6 * MIB);
  cr_expect_eq(metrics_of(loader).memory_available, 2 * MIB);
  cr_expect_gt(metrics_of(NULL).memory_available, 2 * MIB);
  premap_file failed = premap_open(file.text, &copied);
  cr_expect_eq(premap_wait(failed, minute_ms, NULL), PREMAP_ENOMEM);
  /* Nothing is under way that could give any back, so this does not wait for ever. */
  copied.flags = PREMAP_WAIT_FOR_MEMORY;
  premap_file alone = premap_open(file.text, &copied);
  cr_expect_eq(premap_wait(alone, minute_ms, NULL), PREMAP_ENOMEM);

  premap_file slow = open_slow(NULL); /* something is under way */
  premap_file waits = premap_open(file.text, &copied);
  await_starved(loader, waits);
  cr_expect_eq(premap_wait(waits, 50, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_close(first), 0);
  premap_region region;
  cr_expect_eq(premap_wait(waits, minute_ms, &region), 0);
  cr_expect(pattern_equals(region.data, region.size, 5, 0));
  cr_expect_eq(metrics_of(loader).memory, 6 * MIB);
  cr_expect_eq(premap_close(waits), 0);
  cr_expect_eq(premap_shutdown(-1), 0); /* who has just loaded it may still have it */
  cr_expect_eq(metrics_of(loader).memory, 0);
  close_all((premap_file[]){failed, alone, slow}, 3);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

/* A loader of one open file, whose memory another file has, and a copy that waits for that. */
typedef struct starved {
  premap_loader *loader;
  premap_file slow; /* keeps the copy waiting: there is something under way */
  premap_file holds;
  premap_file waits;
  premap_file urgent; /* queued behind it */
} starved;

static starved starve(void) {
  set_pool_size("2");
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = 4 * MIB;
  limits.open_files_max = 1;
  starved made = {.loader = loader_with(&limits), .slow = open_slow(NULL)};
  premap_options copied = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  copied.loader = made.loader;
  copied.flags = PREMAP_WAIT_FOR_MEMORY;
  path file = make_file("file", 3 * MIB, 5);
  made.holds = premap_open(file.text, &copied);
  cr_assert_eq(premap_wait(made.holds, minute_ms, NULL), 0);
  made.waits = premap_open(file.text, &copied);
  await_starved(made.loader, made.waits);
  copied.priority = 1;
  made.urgent = premap_open(make_text("urgent", "x").text, &copied);
  cr_assert_gt(made.urgent, 0);
  return made;
}

static void let_go(starved *of) {
  close_all((premap_file[]){of->waits, of->urgent}, 2);
  cr_expect_eq(premap_loader_close(of->loader, minute_ms), 0);
}

Test(schedule, who_waits_for_memory_goes_on, .description = "while one that is more urgent may not begin before it ends") {
  starved of = starve();
  cr_expect_eq(premap_close(of.holds), 0);
  cr_expect_eq(premap_wait(of.waits, minute_ms, NULL), 0);
  cr_expect_eq(premap_wait(of.urgent, minute_ms, NULL), 0);
  cr_expect_eq(premap_close(of.slow), 0);
  let_go(&of);
}

Test(schedule, who_waits_for_memory_gives_up, .description = "when only files are left that cannot begin before it ends") {
  starved of = starve();
  cr_expect_eq(premap_close(of.slow), 0);
  cr_expect_eq(premap_wait(of.waits, minute_ms, NULL), PREMAP_ENOMEM);
  cr_expect_eq(premap_wait(of.urgent, minute_ms, NULL), 0);
  cr_expect_eq(premap_close(of.holds), 0);
  let_go(&of);
}

Test(schedule, mapped_files_wait_for_memory, .description = "until a file gives it back, and are whole then") {
  set_pool_size("2");
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = 4 * MIB;
  path names[2] = {make_file("first", 3 * MIB, 1), make_file("second", 3 * MIB, 2)};
  if (!drop_cache(names[0].text) || !drop_cache(names[1].text))
    cr_skip_test("SKIPPED: the system keeps what was written in memory");
  premap_loader *loader = loader_with(&limits);
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  mapped.loader = loader;
  premap_file first = premap_open(names[0].text, &mapped);
  cr_expect_eq(premap_wait(first, minute_ms, NULL), 0);
  mapped.flags = PREMAP_WAIT_FOR_MEMORY;
  premap_file slow = open_slow(NULL); /* something is under way */
  premap_file waits = premap_open(names[1].text, &mapped);
  await_starved(loader, waits);
  cr_expect_eq(premap_close(first), 0);
  premap_region region;
  cr_expect_eq(premap_wait(waits, minute_ms, &region), 0);
  cr_expect(pattern_equals(region.data, region.size, 2, 0));
  cr_expect_eq(info_of(waits).present, 3 * MIB);
  cr_expect_eq(metrics_of(loader).memory, 3 * MIB);
  close_all((premap_file[]){waits, slow}, 2);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(schedule, what_is_in_memory_takes_none,
     .description = "beyond a loader's memory: a file that was there is whole, one that was not is partial") {
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = MIB;
  path name = make_file("file", 6 * MIB, 1);
  if (!has_system_calls() || cached_bytes(name.text) < 6 * MIB)
    cr_skip_test("SKIPPED: what is in memory is not known here, or not kept");
  premap_loader *loader = loader_with(&limits);
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  mapped.loader = loader;
  premap_region region;
  premap_file file = premap_load(name.text, &mapped, &region);
  cr_assert_gt(file, 0);
  cr_expect_eq(premap_wait(file, 0, NULL), 0);
  cr_expect_eq(info_of(file).present, 6 * MIB);
  cr_expect_eq(present_bytes(&region, true), 6 * MIB);
  cr_expect_eq(metrics_of(loader).memory, 6 * MIB);
  cr_expect_eq(metrics_of(loader).memory_available, 0);
  cr_expect_eq(premap_close(file), 0);
  /* Now what is read ahead is there too by the time its turn comes: it was not when the load began. */
  if (drop_cache(name.text)) {
    mapped.chunk_size = 256 * KIB;
    file = premap_load(name.text, &mapped, NULL);
    cr_expect_eq(premap_wait(file, 0, NULL), PREMAP_PARTIAL);
    cr_expect_leq(info_of(file).present, MIB);
    cr_expect_gt(info_of(file).present, 0);
    cr_expect_eq(premap_close(file), 0);
  }
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(schedule, more_than_fits_is_opened_first,
     .description = "before anything is waited for: what fits is READY, the rest gives up, and nothing hangs") {
  enum { FILES = 8 };
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = 4 * MIB;
  const uint64_t open_files[] = {0, 1, 4};
  set_pool_size("3");
  path name = make_file("file", 3 * MIB / 2, 1);
  for (size_t limit = 0; limit < 3; limit++) {
    limits.open_files_max = open_files[limit];
    premap_loader *loader = loader_with(&limits);
    premap_options copied = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
    copied.loader = loader;
    copied.flags = PREMAP_WAIT_FOR_MEMORY;
    premap_file files[FILES];
    for (int i = 0; i < FILES; i++)
      cr_assert_gt(files[i] = premap_open(name.text, &copied), 0);
    cr_expect_eq(premap_wait_all(files, FILES, minute_ms), PREMAP_ENOMEM);
    cr_expect_eq(metrics_of(loader).ready, 2);
    cr_expect_eq(metrics_of(loader).failed, FILES - 2);
    close_all(files, FILES);
    cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  }
}

Test(schedule, bytes_in_flight_are_limited, .description = "whenever one looks, of copies and of mapped files") {
  set_pool_size("4");
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.bytes_in_flight_max = 2 * PREMAP_CHUNK_SIZE_MIN;
  premap_loader *loader = loader_with(&limits);
  path name = make_file("file", 8 * MIB, 1);
  premap_file files[8];
  for (int i = 0; i < 8; i++) {
    premap_options how = options_with(PREMAP_PREFAULT_POPULATE, i % 2 == 0 ? PREMAP_BACKING_MAPPED : PREMAP_BACKING_COPIED,
                                      PREMAP_READ_ONLY);
    how.loader = loader;
    cr_assert_gt(files[i] = premap_open(name.text, &how), 0);
  }
  uint64_t most = 0;
  premap_loader_metrics metrics;
  do {
    metrics = metrics_of(loader);
    most = metrics.bytes_in_flight > most ? metrics.bytes_in_flight : most;
  } while (metrics.ready + metrics.failed < 8);
  cr_expect_leq(most, 2 * PREMAP_CHUNK_SIZE_MIN, "%llu bytes were in flight", (unsigned long long)most);
  cr_expect_gt(most, 0);
  cr_expect_eq(metrics.ready, 8);
  close_all(files, 8);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(schedule, little_in_flight_loses_nothing, .description = "many threads, gentle or by a limit: every byte is right") {
  set_pool_size("4");
  premap_loader_options options = PREMAP_LOADER_OPTIONS_INIT;
  options.bytes_in_flight_max = PREMAP_CHUNK_SIZE_MIN;
  premap_loader *loader = loader_with(&options);
  premap_file files[8];
  for (int i = 0; i < 8; i++) {
    premap_options how = options_with(PREMAP_PREFAULT_POPULATE, i % 2 == 0 ? PREMAP_BACKING_MAPPED : PREMAP_BACKING_COPIED,
                                      PREMAP_READ_ONLY);
    how.loader = i < 4 ? loader : NULL;
    how.flags = i % 4 > 1 ? PREMAP_GENTLE : 0;
    char name[32];
    snprintf(name, sizeof name, "file%d", i);
    files[i] = premap_open(make_file(name, 2 * MIB + 1, (uint32_t)i).text, &how);
  }
  for (int i = 0; i < 8; i++) {
    premap_region region = {NULL, 0};
    cr_expect_eq(premap_wait(files[i], minute_ms, &region), 0);
    cr_expect_eq(region.size, 2 * MIB + 1);
    cr_expect(pattern_equals(region.data, region.size, (uint32_t)i, 0));
  }
  cr_expect_eq(metrics_of(loader).bytes_in_flight, 0);
  close_all(files, 8);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(schedule, closing_a_loader_leaves_its_files,
     .description = "READY files stay readable; unfinished ones are cancelled; none can be started") {
  premap_loader *loader = loader_with(NULL);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  path file = make_file("file", MIB, 6);
  premap_file ready = premap_open(file.text, &options), created = premap_create(file.text, &options);
  premap_region region;
  cr_expect_eq(premap_wait(ready, minute_ms, &region), 0);
  premap_file slow = open_slow(loader);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  cr_expect(pattern_equals(region.data, region.size, 6, 0));
  cr_expect_eq(premap_error(slow), PREMAP_ECANCELED);
  cr_expect_eq(premap_start(created), PREMAP_ECANCELED);
  close_all((premap_file[]){ready, created, slow}, 3);
}

/* ---- Limits and those who wait */

typedef struct starter {
  premap_file file;
  atomic_bool begins;
  int result;
  int cancelled;
} starter;

static void start_or_cancel(void *shared, unsigned index) {
  starter *of = shared;
  if (index == 0) {
    atomic_store(&of->begins, true);
    of->result = premap_start(of->file);
    return;
  }
  while (!atomic_load(&of->begins))
    async_yield();
  of->cancelled = premap_cancel(of->file);
}

static atomic_int told;

static void count_told(premap_file file, int result, void *user_data) {
  (void)file;
  (void)user_data;
  atomic_fetch_add(&told, result == PREMAP_ECANCELED ? 1 : 100);
}

Test(schedule, who_waits_for_room_hears_of_a_cancel, .description = "premap_start comes back, and the callback is made once") {
  set_pool_size("1");
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.queued_max = 1;
  limits.queued_wait_ms = -1;
  premap_loader *loader = loader_with(&limits);
  premap_file slow = open_slow(NULL);
  cr_expect_eq(premap_set_priority(slow, PREMAP_PRIORITY_MAX), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  path file = make_text("file", "x");
  premap_file first = premap_open(file.text, &options);
  options.callback = count_told;
  static starter of;
  of.file = premap_create(file.text, &options);
  run_threads(2, start_or_cancel, &of);
  cr_expect_eq(of.result, 0);
  cr_expect_eq(of.cancelled, 0);
  cr_expect_eq(premap_error(of.file), PREMAP_ECANCELED);
  cr_expect_eq(premap_close(of.file), 0);
  cr_expect_eq(premap_close(first), 0);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  cr_expect_eq(premap_shutdown(minute_ms), 0);
  cr_expect_eq(told, 1);
}

Test(schedule, who_waits_for_ever_keeps_the_limit, .description = "of open files, and loads its file when there is room") {
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.open_files_max = 1;
  premap_loader *loader = loader_with(&limits);
  premap_file slow = open_slow(loader);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  premap_file next = premap_open(make_text("file", "x").text, &options);
  cr_expect_eq(premap_wait(next, 300, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(metrics_of(loader).loading, 1);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_wait(next, -1, NULL), 0);
  cr_expect_eq(premap_close(next), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

typedef struct waiting {
  const premap_file *files;
  size_t count;
  uv_sem_t begins;
  int64_t timeout_ms;
  size_t index;
  int result;
} waiting;

static void wait_for_the_one(void *argument) {
  waiting *of = argument;
  uv_sem_post(&of->begins);
  of->result = premap_wait(of->files[0], of->timeout_ms, NULL);
}

static void wait_for_any_of_them(void *argument) {
  waiting *of = argument;
  uv_sem_post(&of->begins);
  of->result = premap_wait_any(of->files, of->count, of->timeout_ms, &of->index);
}

/* On another thread, which waits by the return, mostly. */
static uv_thread_t begin_waiting(waiting *of, void (*wait)(void *)) {
  uv_thread_t thread;
  cr_assert_eq(uv_sem_init(&of->begins, 0), 0);
  cr_assert_eq(uv_thread_create(&thread, wait, of), 0);
  uv_sem_wait(&of->begins);
  for (int i = 0; i < 1000; i++)
    async_yield();
  uv_sem_destroy(&of->begins);
  return thread;
}

Test(schedule, who_waits_for_ever_waits_for_room,
     .description = "where neither the queue nor the limit of open files has any, whatever the loader's owner chose") {
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.open_files_max = 1;
  limits.queued_max = 1;
  const int64_t chosen[] = {0, 1, -1};
  for (size_t i = 0; i < 3; i++) {
    limits.queued_wait_ms = chosen[i];
    premap_loader *loader = loader_with(&limits);
    premap_options options = PREMAP_OPTIONS_INIT;
    options.loader = loader;
    path name = make_text("file", "x");
    premap_file slow = open_slow(loader);
    premap_file queued = premap_open(name.text, &options);
    premap_file file = premap_create(name.text, &options);
    waiting of = {.files = &file, .count = 1, .timeout_ms = -1};
    uv_thread_t thread = begin_waiting(&of, wait_for_the_one);
    cr_expect_eq(premap_close(slow), 0);
    uv_thread_join(&thread);
    cr_expect_eq(of.result, 0, "%s", premap_strerror(of.result));
    cr_expect_eq(premap_wait(queued, minute_ms, NULL), 0);
    close_all((premap_file[]){queued, file}, 2);
    cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  }
}

Test(schedule, who_waits_for_any_has_the_first,
     .description = "also while another of them waits for room in a queue, which there is none in the whole time") {
  full of = fill_queue(-1);
  premap_options slow = slow_options();
  slow.priority = PREMAP_PRIORITY_MIN;
  premap_file files[2] = {premap_open(make_file("other", SLOW_SIZE, 1).text, &slow),
                          premap_create(make_text("file", "x").text, &of.options)};
  waiting any = {.files = files, .count = 2, .timeout_ms = 60 * minute_ms};
  uv_thread_t thread = begin_waiting(&any, wait_for_any_of_them);
  cr_expect_eq(premap_cancel(files[0]), 0);
  uv_thread_join(&thread);
  cr_expect_eq(any.result, 0);
  cr_expect_eq(any.index, 0);
  cr_expect_eq(premap_state(files[1]), PREMAP_PENDING);
  close_all(files, 2);
  end_full(&of);
}

/* ---- What is not given back yet */

Test(schedule, maps_that_wait_to_be_unmapped_are_had, .description = "by a load that would be beyond its loader's limit") {
  set_pool_size("1");
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.maps_max = 1;
  premap_loader *loader = loader_with(&limits);
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  mapped.loader = loader;
  path name = make_file("file", MIB, 2);
  premap_file slow = open_slow(NULL);
  premap_file first = premap_load(name.text, &mapped, NULL);
  cr_assert_gt(first, 0);
  cr_expect_eq(premap_close_async(first), 0);
  cr_expect_eq(metrics_of(loader).maps, 1, "the only thread is busy");
  premap_region region = {NULL, 0};
  premap_file second = premap_load(name.text, &mapped, &region);
  cr_assert_gt(second, 0);
  cr_expect(region.size == MIB && pattern_equals(region.data, MIB, 2, 0));
  cr_expect_eq(metrics_of(loader).maps, 1);
  close_all((premap_file[]){slow, second}, 2);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(schedule, populating_counts_once, .description = "what is present already is within the limit of memory, however often") {
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = 8 * MIB;
  premap_loader *loader = loader_with(&limits);
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  mapped.loader = loader;
  premap_file file = premap_load(make_file("file", 6 * MIB, 2).text, &mapped, NULL);
  cr_assert_gt(file, 0);
  for (int i = 0; i < 3; i++) {
    cr_expect_eq(premap_populate(file, 0, 0), 0);
    cr_expect_eq(metrics_of(loader).memory, 6 * MIB);
  }
  cr_expect_eq(premap_release(file, 0, 0), 0);
  cr_expect_eq(metrics_of(loader).memory, 0);
  cr_expect_eq(premap_populate(file, 0, 0), 0);
  cr_expect_eq(metrics_of(loader).memory, 6 * MIB);
  cr_expect_eq(premap_close(file), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

/* ---- Two threads for one file */

/* A file that is in memory, and large enough that a second thread helps. */
enum { ASSISTED_SIZE = 256 * MIB };

/* In small pages, a byte of each written by itself: large ones would be there before a second thread could be. */
static void write_in_small_pages(const char *name) {
  FILE *file = fopen(name, "r+b");
  cr_assert_not_null(file);
  cr_assert_eq(setvbuf(file, NULL, _IONBF, 0), 0);
  bool written = true;
  for (long at = 0; at < ASSISTED_SIZE; at += 4096)
    written = fseek(file, at, SEEK_SET) == 0 && fputc(1, file) == 1 && written;
  cr_assert(fclose(file) == 0 && written);
}

static path make_assisted(void) {
  path name = path_of("assisted");
  cr_assert_eq(make_sparse(name.text), 0);
  cr_assert_eq(set_size(name.text, ASSISTED_SIZE), 0);
  if (has_system_calls())
    write_in_small_pages(name.text);
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_file file = premap_load(name.text, &mapped, NULL);
  cr_expect_eq(premap_close(file), 0);
  return name;
}

Test(schedule, who_assists_gives_way, .description = "large loads by two threads, and small files of each urgency in between") {
  set_pool_size("2");
  path large = make_assisted(), small = make_text("small", "x");
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  for (int round = 0; round < (int)rounds_of(10); round++) {
    premap_file files[12];
    files[0] = premap_open(large.text, &mapped);
    files[1] = premap_open(large.text, &mapped);
    for (int i = 2; i < 12; i++) {
      premap_options options = PREMAP_OPTIONS_INIT;
      options.priority = i % 3 - 1;
      files[i] = premap_open(small.text, &options);
      if (i % 4 == 0)
        cr_expect_eq(premap_wait(files[i], minute_ms, NULL), 0);
    }
    cr_expect_eq(premap_wait_all(files, 12, minute_ms), 0);
    cr_expect_eq(info_of(files[0]).present, ASSISTED_SIZE);
    cr_expect_eq(info_of(files[1]).present, ASSISTED_SIZE);
    close_all(files, 12);
  }
  cr_expect_eq(premap_shutdown(-1), 0); /* who has just loaded one may still have it */
  cr_expect_eq(metrics_of(NULL).memory, 0);
  cr_expect_eq(metrics_of(NULL).bytes_in_flight, 0);
}

Test(schedule, assistants_are_workers, .description = "a loader of one worker has none") {
  set_pool_size("4");
  path large = make_assisted();
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.workers_max = 1;
  premap_loader *loader = loader_with(&limits);
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  mapped.loader = loader;
  for (int round = 0; round < 5; round++) {
    premap_file file = premap_open(large.text, &mapped);
    cr_expect_eq(premap_wait(file, minute_ms, NULL), 0);
    cr_expect_eq(info_of(file).assisted, 0);
    cr_expect_eq(premap_close(file), 0);
  }
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

/* A second thread helps as soon as one is free: so soon enough in one of many loads. */
static bool is_assisted(const char *name) {
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  bool is_assisted = false;
  for (int try = 0; try < 100 && !is_assisted; try++) {
    premap_file file = premap_open(name, &mapped);
    cr_expect_eq(premap_wait(file, minute_ms, NULL), 0);
    is_assisted = info_of(file).assisted == 1;
    cr_expect_eq(premap_close(file), 0);
  }
  return is_assisted;
}

static void need_assistants(const char *name) {
  if (!has_system_calls() || uv_available_parallelism() < 2 || cached_bytes(name) < ASSISTED_SIZE)
    cr_skip_test("SKIPPED: files are loaded by one thread here");
}

Test(schedule, what_cannot_begin_keeps_no_assistant, .description = "a file that waits for another one of its loader") {
  set_pool_size("3");
  path large = make_assisted();
  need_assistants(large.text);
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.workers_max = 1;
  premap_loader *loader = loader_with(&limits);
  premap_file slow = open_slow(loader);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  options.priority = PREMAP_PRIORITY_MIN;
  premap_file queued = premap_open(make_text("file", "x").text, &options);
  cr_expect(is_assisted(large.text));
  cr_expect_eq(premap_state(queued), PREMAP_PENDING);
  close_all((premap_file[]){slow, queued}, 2);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

static void count_detached(void *count) {
  ++*(int *)count;
}

Test(schedule, who_shares_the_pool_keeps_no_assistant,
     .description = "a host's loop leaves half of the threads, and two are enough") {
  set_pool_size("4");
  path large = make_assisted();
  need_assistants(large.text);
  uv_loop_t loop;
  premap_loader *loader;
  int detached = 0;
  cr_assert_eq(uv_loop_init(&loop), 0);
  cr_assert_eq(premap_loader_attach(&loader, &loop, NULL), 0);
  cr_expect(is_assisted(large.text));
  premap_loader_detach(loader, count_detached, &detached);
  uv_run(&loop, UV_RUN_DEFAULT);
  cr_expect_eq(detached, 1);
  cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(schedule, what_two_threads_load_can_be_cancelled,
     .description = "closed and shut down too, at any moment; nothing is left over") {
  set_pool_size("3");
  path large = make_assisted();
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  for (int round = 0; round < (int)rounds_of(30); round++) {
    premap_file file = premap_open(large.text, &mapped);
    uint64_t done = 0, wanted = (uint64_t)(round % 10) * 12 * MIB;
    while (done < wanted && premap_state(file) < PREMAP_READY)
      cr_expect_eq(premap_progress(file, &done, NULL), 0);
    if (round % 3 == 0)
      cr_expect_eq(premap_cancel(file), 0);
    else if (round % 3 == 1)
      cr_expect_eq(premap_shutdown(-1), 0);
    cr_expect_eq(premap_close(file), 0);
  }
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(metrics_of(NULL).memory, 0);
  cr_expect_eq(metrics_of(NULL).bytes_in_flight, 0);
}

/* ---- Starts that wait for room */

typedef struct room {
  const char *file;
  premap_options options;
  premap_loader *loader;
  premap_file opened;
  int closed;
} room;

static void open_or_close(void *shared, unsigned index) {
  room *of = shared;
  if (index == 0)
    of->opened = premap_open(of->file, &of->options);
  else
    of->closed = premap_loader_close(of->loader, minute_ms);
}

Test(schedule, a_start_that_waits_for_room_ends_with_its_loader,
     .description = "ECANCELED, whether it waits by then or not; nothing is queued in what is closed") {
  set_pool_size("1");
  path file = make_text("file", "x");
  premap_options urgent = slow_options();
  urgent.priority = PREMAP_PRIORITY_MAX;
  premap_file gate = premap_open(make_file("gate", SLOW_SIZE, 1).text, &urgent);
  cr_assert(reaches_state(gate, PREMAP_LOADING));
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.queued_max = 1;
  limits.queued_wait_ms = -1;
  for (int round = 0; round < 20; round++) {
    room of = {.file = file.text, .options = PREMAP_OPTIONS_INIT, .loader = loader_with(&limits)};
    of.options.loader = of.loader;
    premap_file queued = premap_open(file.text, &of.options);
    premap_file waits = premap_create(file.text, &of.options); /* keeps the loader */
    run_threads(2, open_or_close, &of);
    cr_expect_eq(of.opened, PREMAP_ECANCELED);
    cr_expect_eq(of.closed, 0);
    cr_expect_eq(premap_error(queued), PREMAP_ECANCELED);
    cr_expect_eq(premap_close(queued), 0);
    cr_expect_eq(premap_close(waits), 0);
  }
  cr_expect_eq(premap_close(gate), 0);
}

/* ---- Numbers */

typedef struct race {
  premap_file files[400];
  size_t count;
} race;

/* One thread starts the files, the other cancels them the other way round: so they meet. */
static void start_or_cancel_all(void *shared, unsigned index) {
  const race *of = shared;
  for (size_t i = 0; i < of->count; i++) {
    if (index == 0)
      cr_expect_eq(premap_start(of->files[i]), 0);
    else
      cr_expect_eq(premap_cancel(of->files[of->count - 1 - i]), 0);
  }
}

Test(schedule, what_was_started_has_ended, .description = "as often, also if it was cancelled before the start or beside it") {
  race of = {.count = 0};
  premap_loader *loader = loader_with(NULL);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  path file = make_text("file", "x");
  for (; of.count < sizeof of.files / sizeof *of.files; of.count++) {
    of.files[of.count] = premap_create(file.text, &options);
    cr_assert_gt(of.files[of.count], 0);
  }
  premap_file never = premap_create(file.text, &options);
  run_threads(2, start_or_cancel_all, &of);
  cr_expect_eq(premap_loader_drain(loader, minute_ms), 0);
  premap_loader_metrics metrics = metrics_of(loader);
  cr_expect_eq(metrics.started, of.count);
  cr_expect_eq(metrics.ready + metrics.cancelled, of.count);
  cr_expect_eq(premap_cancel(never), 0);
  cr_expect_eq(metrics_of(loader).cancelled, metrics.cancelled);
  close_all(of.files, of.count);
  cr_expect_eq(premap_close(never), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

Test(schedule, numbers_before_the_first_start,
     .description = "the limit of workers is there, and what was never started did not end") {
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.workers_max = 3;
  premap_loader *loader = loader_with(&limits);
  cr_expect_eq(metrics_of(loader).workers_max, 3);
  cr_expect_eq(metrics_of(loader).workers, 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  cr_expect_eq(premap_close(premap_create("file", &options)), 0);
  cr_expect_eq(metrics_of(loader).started, 0);
  cr_expect_eq(metrics_of(loader).cancelled, 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
}

typedef struct closers {
  path file;
  atomic_int wrong;
} closers;

static void open_in_own_loader(void *shared, unsigned index) {
  closers *of = shared;
  for (int i = 0; i < 100; i++) {
    if (index == 0) {
      of->wrong += premap_shutdown(minute_ms) != 0;
      continue;
    }
    premap_loader *loader;
    of->wrong += premap_loader_create(&loader, NULL) != 0;
    premap_options options = PREMAP_OPTIONS_INIT;
    options.loader = loader;
    premap_file files[4];
    for (int k = 0; k < 4; k++)
      files[k] = premap_open(of->file.text, &options);
    of->wrong += premap_loader_close(loader, minute_ms) != 0;
    for (int k = 0; k < 4; k++)
      if (files[k] > 0)
        of->wrong += premap_close(files[k]) != 0;
  }
}

Test(schedule, loaders_go_while_all_is_shut_down, .description = "no shutdown looks at a loader that is gone") {
  static closers of;
  of.file = make_text("file", "x");
  run_threads(4, open_in_own_loader, &of);
  cr_expect_eq(of.wrong, 0);
}

/* SPDX-License-Identifier: MIT
 *
 * test_completion.c - being told of ends: by callbacks, by queues, and on a loop of the host's.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <premap/uv.h>

TestSuite(completion, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

static const int64_t minute_ms = 60000;

/* ---- Callbacks */

typedef struct told {
  uv_sem_t done;
  atomic_int calls;
  premap_file file;
  int result;
  uv_thread_t thread;
} told;

static void told_begin(told *to) {
  atomic_init(&to->calls, 0);
  cr_assert_eq(uv_sem_init(&to->done, 0), 0);
}

static void on_end(premap_file file, int result, void *user_data) {
  told *to = user_data;
  to->file = file;
  to->result = result;
  to->thread = uv_thread_self();
  atomic_fetch_add(&to->calls, 1);
  uv_sem_post(&to->done);
}

static premap_options telling(told *to, premap_callback *callback) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.callback = callback;
  options.user_data = to;
  return options;
}

Test(completion, a_callback_tells_the_end,
     .description = "READY, FAILED, cancelled and closed files: once each, with handle and result") {
  path file = make_text("file", "x"), missing = path_of("missing"), large = make_file("slow", SLOW_SIZE, 1);
  told tolds[4];
  premap_file files[4];
  const char *const names[] = {file.text, missing.text, large.text, large.text};
  const int results[] = {0, PREMAP_ENOENT, PREMAP_ECANCELED, PREMAP_ECANCELED};
  for (int i = 0; i < 4; i++) {
    told_begin(&tolds[i]);
    premap_options options = i < 2 ? telling(&tolds[i], on_end) : slow_options();
    options.callback = on_end;
    options.user_data = &tolds[i];
    cr_assert_gt(files[i] = premap_open(names[i], &options), 0);
  }
  cr_expect_eq(premap_cancel(files[2]), 0);
  cr_expect_eq(premap_close(files[3]), 0);
  for (int i = 0; i < 4; i++) {
    uv_sem_wait(&tolds[i].done);
    cr_expect_eq(tolds[i].file, files[i]);
    cr_expect_eq(tolds[i].result, results[i]);
    uv_thread_t self = uv_thread_self();
    cr_expect_not(uv_thread_equal(&tolds[i].thread, &self));
  }
  for (int i = 0; i < 3; i++)
    cr_expect_eq(premap_close(files[i]), 0);
  cr_expect_eq(premap_shutdown(-1), 0);
  for (int i = 0; i < 4; i++) {
    cr_expect_eq(atomic_load(&tolds[i].calls), 1);
    uv_sem_destroy(&tolds[i].done);
  }
}

Test(completion, only_what_was_started_is_told,
     .description = "no callback for a file that is closed unstarted; one for a wait that starts it") {
  told never, waited;
  told_begin(&never);
  told_begin(&waited);
  path file = make_text("file", "x");
  premap_options options = telling(&never, on_end);
  cr_expect_eq(premap_close(premap_create(file.text, &options)), 0);
  premap_file cancelled = premap_create(file.text, &options);
  cr_expect_eq(premap_cancel(cancelled), 0);
  cr_expect_eq(premap_close(cancelled), 0);
  options = telling(&waited, on_end);
  premap_file loaded = premap_load(file.text, &options, NULL);
  cr_expect_gt(loaded, 0);
  uv_sem_wait(&waited.done);
  cr_expect_eq(waited.file, loaded);
  cr_expect_eq(premap_close(loaded), 0);
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(atomic_load(&never.calls), 0);
  cr_expect_eq(atomic_load(&waited.calls), 1);
  uv_sem_destroy(&never.done);
  uv_sem_destroy(&waited.done);
}

static void on_end_close(premap_file file, int result, void *user_data) {
  premap_region region;
  bool is_right = result == 0 && premap_region_of(file, &region) == 0 && region.size == 1;
  /* Another load, waited for right here, and a shut-down, which would wait for this very thread. */
  premap_file other = premap_open(path_of("file").text, NULL);
  is_right = is_right && premap_wait(other, minute_ms, NULL) == 0 && premap_close(other) == 0;
  is_right = is_right && premap_shutdown(-1) == PREMAP_EDEADLK && premap_close(file) == 0;
  on_end(file, is_right ? 0 : -1, user_data);
}

Test(completion, a_callback_may_do_anything, .description = "look, load, wait, close its own file; shutdown is EDEADLK") {
  told to;
  told_begin(&to);
  premap_options options = telling(&to, on_end_close);
  premap_file file = premap_open(make_text("file", "x").text, &options);
  uv_sem_wait(&to.done);
  cr_expect_eq(to.result, 0);
  cr_expect_eq(premap_state(file), PREMAP_EBADF);
  uv_sem_destroy(&to.done);
}

enum { MANY = 2000 };
static atomic_uint many_told[MANY];

static void on_many(premap_file file, int result, void *user_data) {
  if (result == 0 || result == PREMAP_ECANCELED)
    atomic_fetch_add(&many_told[(uintptr_t)user_data], 1);
  (void)premap_close(file); /* EBADF where the opener was first */
}

static void open_and_drop(void *shared, unsigned index) {
  for (uintptr_t i = index; i < MANY; i += 8) {
    premap_options options = PREMAP_OPTIONS_INIT;
    options.callback = on_many;
    options.user_data = (void *)i;
    premap_file file = premap_open(shared, &options);
    if (i % 3 == 0)
      (void)premap_cancel(file);
    if (i % 5 == 0)
      (void)premap_close(file);
  }
}

Test(completion, every_end_is_told_once, .description = "8 threads open, cancel and close 2,000 files: a callback each") {
  path file = make_text("file", "x");
  run_threads(8, open_and_drop, file.text);
  cr_expect_eq(premap_shutdown(-1), 0);
  for (int i = 0; i < MANY; i++)
    cr_expect_eq(atomic_load(&many_told[i]), 1, "%d: %u", i, atomic_load(&many_told[i]));
}

/* ---- Queues */

Test(completion, a_queue_collects_the_ends, .description = "polled one by one and many at a time; none comes twice") {
  premap_queue *queue;
  cr_assert_eq(premap_queue_create(&queue), 0);
  premap_completion entries[100];
  cr_expect_eq(premap_queue_poll(queue, entries, 100, 0), 0);
  cr_expect_eq(premap_queue_poll(queue, entries, 100, 10), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.queue = queue;
  path file = make_text("file", "x");
  premap_file files[300];
  for (uintptr_t i = 0; i < 300; i++) {
    options.user_data = (void *)i;
    cr_assert_gt(files[i] = premap_open(file.text, &options), 0);
  }
  bool seen[300] = {false};
  for (int64_t got = 0, count; got < 300; got += count) {
    count = premap_queue_poll(queue, entries, got < 10 ? 1 : 100, minute_ms);
    cr_assert_gt(count, 0);
    for (int64_t i = 0; i < count; i++) {
      uintptr_t which = (uintptr_t)entries[i].user_data;
      cr_expect(!seen[which] && entries[i].file == files[which] && entries[i].result == 0);
      seen[which] = true;
    }
  }
  cr_expect_eq(premap_queue_poll(queue, entries, 100, 0), 0);
  for (int i = 0; i < 300; i++)
    cr_expect_eq(premap_close(files[i]), 0);
  premap_queue_close(queue);
}

/* All its entries are in their queue by the return. */
static void end_one(const char *name, const premap_options *options) {
  premap_file file = premap_open(name, options);
  cr_expect_eq(premap_wait(file, minute_ms, NULL), 0);
  cr_expect_eq(premap_close(file), 0);
  cr_expect_eq(premap_loader_drain(NULL, minute_ms), 0);
}

Test(completion, a_descriptor_tells_of_entries,
     .description = "while there are any, however many came or were taken at once; and wakes who waits for it") {
  premap_options options = PREMAP_OPTIONS_INIT;
  cr_assert_eq(premap_queue_create(&options.queue), 0);
  intptr_t descriptor = premap_queue_fd(options.queue);
  path file = make_file("file", 4 * MIB, 1);
  premap_completion entries[3];
  for (int round = 0; round < 3; round++) {
    cr_expect(!becomes_readable(descriptor, 0));
    for (int i = 0; i < 3; i++)
      end_one(file.text, &options);
    cr_expect(becomes_readable(descriptor, 0));
    cr_expect(becomes_readable(descriptor, 0), "to look takes nothing");
    cr_expect_eq(premap_queue_poll(options.queue, entries, 1, 0), 1);
    cr_expect(becomes_readable(descriptor, 0), "two are left");
    cr_expect_eq(premap_queue_poll(options.queue, entries, 3, 0), 2);
    cr_expect(!becomes_readable(descriptor, 0));
    /* One that comes while it is waited for. */
    options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
    options.pause_us = 1000;
    premap_file slow = premap_open(file.text, &options);
    cr_expect(becomes_readable(descriptor, (int)minute_ms));
    cr_expect_eq(premap_queue_poll(options.queue, entries, 3, 0), 1);
    cr_expect_eq(entries[0].file, slow);
    cr_expect_eq(premap_close(slow), 0);
    options.chunk_size = 0;
    options.pause_us = PREMAP_PAUSE_AUTO;
  }
  premap_queue_close(options.queue);
}

Test(completion, a_queue_can_go_first, .description = "closed with entries in it, and before its files end") {
  premap_queue *queue;
  cr_assert_eq(premap_queue_create(&queue), 0);
  premap_options options = slow_options();
  options.queue = queue;
  premap_file slow = premap_open(make_file("slow", SLOW_SIZE, 1).text, &options);
  options = (premap_options)PREMAP_OPTIONS_INIT;
  options.queue = queue;
  premap_file ready = premap_load(make_text("file", "x").text, &options, NULL);
  premap_file unstarted = premap_create("file", &options);
  premap_queue_close(queue);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_close(ready), 0);
  cr_expect_eq(premap_close(unstarted), 0);
}

Test(completion, bad_arguments, .description = "null pointers, no room, and both ways at once") {
  premap_queue *queue;
  premap_completion entry;
  cr_expect_eq(premap_queue_create(NULL), PREMAP_EINVAL);
  cr_assert_eq(premap_queue_create(&queue), 0);
  cr_expect_eq(premap_queue_poll(NULL, &entry, 1, 0), PREMAP_EINVAL);
  cr_expect_eq(premap_queue_poll(queue, NULL, 1, 0), PREMAP_EINVAL);
  cr_expect_eq(premap_queue_poll(queue, &entry, 0, 0), PREMAP_EINVAL);
  cr_expect_eq(premap_queue_fd(NULL), PREMAP_EINVAL);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.queue = queue;
  options.callback = on_many;
  cr_expect_eq(premap_create("file", &options), PREMAP_EINVAL);
  premap_queue_close(queue);
  premap_queue_close(NULL);
}

/* ---- A host's loop */

typedef struct host {
  uv_loop_t loop;
  premap_loader *loader;
  uv_thread_t thread;
  int ends;
  int wrong;
  int closed;
  premap_file other; /* of another thread */
} host;

static void host_begin(host *of) {
  *of = (host){.ends = 0};
  cr_assert_eq(uv_loop_init(&of->loop), 0);
  cr_assert_eq(premap_loader_attach(&of->loader, &of->loop, NULL), 0);
  of->thread = uv_thread_self();
}

static void on_detached(void *argument) {
  ((host *)argument)->closed++;
}

/* Runs the loop until premap has nothing in it any more. */
static void host_end(host *of) {
  premap_loader_detach(of->loader, on_detached, of);
  uv_run(&of->loop, UV_RUN_DEFAULT);
  cr_expect_eq(of->closed, 1);
  cr_expect_eq(uv_loop_close(&of->loop), 0);
}

static void on_host_end(premap_file file, int result, void *user_data) {
  host *of = user_data;
  uv_thread_t self = uv_thread_self();
  of->ends++;
  of->wrong += !uv_thread_equal(&of->thread, &self) || (result != 0 && result != PREMAP_ECANCELED);
  of->wrong += premap_close(file) != 0;
}

static premap_file host_open(host *of, const char *name, premap_options options) {
  options.loader = of->loader;
  options.callback = on_host_end;
  options.user_data = of;
  premap_file file = premap_open(name, &options);
  cr_assert_gt(file, 0);
  return file;
}

Test(completion, callbacks_on_the_hosts_loop,
     .description = "the loop lives as long as its loads, and only its thread is called") {
  host of;
  host_begin(&of);
  cr_expect_eq(uv_run(&of.loop, UV_RUN_DEFAULT), 0, "an idle loader keeps no loop alive");
  path file = make_file("file", MIB, 1);
  for (int round = 1; round <= 3; round++) {
    for (int i = 0; i < 50; i++)
      host_open(&of, file.text, (premap_options)PREMAP_OPTIONS_INIT);
    cr_expect_eq(uv_run(&of.loop, UV_RUN_DEFAULT), 0);
    cr_expect_eq(of.ends, 50 * round);
  }
  cr_expect_eq(of.wrong, 0);
  host_end(&of);
}

Test(completion, loads_without_callback_keep_the_loop, .description = "until they have ended") {
  host of;
  host_begin(&of);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = of.loader;
  premap_file file = premap_open(make_file("file", 8 * MIB, 1).text, &options);
  cr_expect_eq(uv_run(&of.loop, UV_RUN_DEFAULT), 0);
  cr_expect_eq(premap_is_ready(file), 1);
  cr_expect_eq(premap_close(file), 0);
  host_end(&of);
}

Test(completion, loads_told_to_a_queue_keep_the_loop, .description = "until they have ended") {
  host of;
  host_begin(&of);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = of.loader;
  cr_assert_eq(premap_queue_create(&options.queue), 0);
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  options.pause_us = 1000;
  path slow = make_file("file", 256 * KIB, 1);
  int early = 0;
  for (int round = 0; round < 200; round++) {
    premap_file file = premap_open(slow.text, &options);
    cr_expect_eq(uv_run(&of.loop, UV_RUN_DEFAULT), 0);
    premap_completion ended;
    early += premap_queue_poll(options.queue, &ended, 1, 0) != 1;
    cr_expect_eq(premap_close(file), 0);
  }
  cr_expect_eq(early, 0, "the loop has returned %d times before the end of its load was told", early);
  premap_queue_close(options.queue);
  host_end(&of);
}

static void open_and_keep(void *argument) {
  host *of = argument;
  premap_options options = slow_options();
  options.loader = of->loader;
  of->other = premap_open(path_of("slow").text, &options);
}

Test(completion, loads_of_other_threads_keep_no_loop, .description = "which ends while they run") {
  host of;
  host_begin(&of);
  make_file("slow", SLOW_SIZE, 1);
  uv_thread_t thread;
  cr_assert_eq(uv_thread_create(&thread, open_and_keep, &of), 0);
  uv_thread_join(&thread);
  cr_expect_eq(uv_run(&of.loop, UV_RUN_DEFAULT), 0);
  premap_loader_metrics metrics = {.size = sizeof metrics};
  cr_expect_eq(premap_metrics(of.loader, &metrics), 0);
  cr_expect_eq(metrics.queued + metrics.loading, 1);
  cr_expect_eq(premap_close(of.other), 0);
  host_end(&of);
}

Test(completion, detaching_cancels,
     .description = "running and queued loads are told ECANCELED on the loop, which then can be closed") {
  host of;
  host_begin(&of);
  path slow = make_file("slow", SLOW_SIZE, 1);
  for (int i = 0; i < 20; i++)
    host_open(&of, slow.text, slow_options());
  host_end(&of);
  cr_expect_eq(of.ends, 20);
  cr_expect_eq(of.wrong, 0);
}

Test(completion, half_the_pool_is_left, .description = "with a loader attached at most (pool + 1) / 2 files load at once") {
  set_pool_size("4");
  host of;
  host_begin(&of);
  path slow = make_file("slow", SLOW_SIZE, 1);
  premap_file files[6];
  for (int i = 0; i < 6; i++)
    files[i] = host_open(&of, slow.text, slow_options());
  cr_expect(reaches_state(files[0], PREMAP_LOADING) && reaches_state(files[1], PREMAP_LOADING));
  premap_loader_metrics metrics = {.size = sizeof metrics};
  cr_expect_eq(premap_metrics(of.loader, &metrics), 0);
  cr_expect_eq(metrics.loading, 2);
  cr_expect_eq(metrics.queued, 4);
  cr_expect_eq(metrics.workers, 2);
  host_end(&of);
  cr_expect_eq(of.ends, 6);
}

Test(completion, half_the_pool_is_given_back, .description = "by loads that run already when a loader is attached") {
  set_pool_size("16");
  path slow = make_file("slow", SLOW_SIZE, 1);
  premap_options options = slow_options();
  enum { POOL = 16, OURS = 8 };
  premap_file files[POOL];
  for (int i = 0; i < POOL; i++)
    files[i] = premap_open(slow.text, &options);
  for (int i = 0; i < POOL; i++)
    cr_assert(reaches_state(files[i], PREMAP_LOADING));
  host of;
  host_begin(&of);
  premap_loader_metrics metrics = {.size = sizeof metrics};
  uint64_t begin = uv_hrtime();
  do {
    async_yield();
    cr_assert_eq(premap_metrics(NULL, &metrics), 0);
  } while (metrics.interrupted < POOL - OURS && uv_hrtime() - begin < UINT64_C(60) * PREMAP_TEST_SLOWNESS * 1000 * 1000 * 1000);
  cr_expect_eq(metrics.interrupted, POOL - OURS);
  cr_expect_eq(metrics.loading, OURS);
  cr_expect_eq(metrics.interruptions, POOL - OURS, "%llu have given way", (unsigned long long)metrics.interruptions);
  for (int i = 0; i < POOL; i++)
    cr_expect_eq(premap_close(files[i]), 0);
  host_end(&of);
}

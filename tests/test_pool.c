/* SPDX-License-Identifier: MIT
 *
 * test_pool.c - a pool that is shared, busy, shutting down, or not there.
 */
#include "support.h"

TestSuite(pool, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* ---- Every thread of the pool waits, so that none is left to load */

typedef struct waiting_work {
  uv_work_t work; /* first: libuv gives back its address */
  premap_file file;
  bool any;
  int result;
} waiting_work;

static uv_barrier_t all_inside;

static void wait_in_pool(uv_work_t *work) {
  waiting_work *mine = (waiting_work *)work;
  uv_barrier_wait(&all_inside);
  mine->result = mine->any ? premap_wait_any(&mine->file, 1, -1, NULL) : premap_wait_all(&mine->file, 1, -1);
}

static void fill_pool_with_waits(bool any) {
  enum { THREADS = 2 };
  set_pool_size("2");
  path name = make_text("file", "hello");
  waiting_work works[THREADS];
  uv_loop_t loop;
  cr_assert_eq(uv_loop_init(&loop), 0);
  cr_assert_eq(uv_barrier_init(&all_inside, THREADS), 0);
  for (int i = 0; i < THREADS; i++) {
    works[i] = (waiting_work){.file = premap_create(name.text, NULL), .any = any, .result = 1};
    cr_assert_gt(works[i].file, 0);
    cr_assert_eq(uv_queue_work(&loop, &works[i].work, wait_in_pool, NULL), 0);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  for (int i = 0; i < THREADS; i++) {
    cr_expect_eq(works[i].result, 0);
    cr_expect(premap_is_ready(works[i].file));
    cr_expect_eq(premap_close(works[i].file), 0);
  }
  uv_barrier_destroy(&all_inside);
  cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(pool, waits_for_all_on_all_its_threads,
     .description = "every pool thread waits for ever for a file of its own: they load them") {
  fill_pool_with_waits(false);
}

Test(pool, waits_for_any_on_all_its_threads, .description = "the same with wait_any") {
  fill_pool_with_waits(true);
}

/* The copies of a loader that has memory for one, of which another waits for a thread. */
typedef struct copies_work {
  uv_work_t work;
  premap_loader *loader;
  int results[2];
} copies_work;

static void load_copies(uv_work_t *work) {
  copies_work *mine = (copies_work *)work;
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  options.loader = mine->loader;
  options.flags = PREMAP_WAIT_FOR_MEMORY;
  premap_file files[3];
  for (int i = 0; i < 3; i++)
    files[i] = premap_open(path_of("file").text, &options);
  for (int i = 0; i < 2; i++)
    mine->results[i] = premap_wait(files[i], -1, NULL);
  for (int i = 2; i >= 0; i--)
    cr_expect_eq(premap_close(files[i]), 0);
}

Test(pool, waits_for_memory_on_all_its_threads,
     .description = "end when nobody is left to load what is queued, and could give some back") {
  set_pool_size("1");
  make_file("file", 3 * MIB, 1);
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = 4 * MIB;
  copies_work work = {.results = {1, 1}};
  uv_loop_t loop;
  cr_assert_eq(premap_loader_create(&work.loader, &limits), 0);
  cr_assert_eq(uv_loop_init(&loop), 0);
  cr_assert_eq(uv_queue_work(&loop, &work.work, load_copies, NULL), 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  cr_expect_eq(work.results[0], 0);
  cr_expect_eq(work.results[1], PREMAP_ENOMEM);
  cr_expect_eq(premap_loader_close(work.loader, 60000), 0);
  cr_expect_eq(uv_loop_close(&loop), 0);
}

/* ---- Shutting down */

static premap_file start_slow(void) {
  make_file("slow", SLOW_SIZE, 1);
  premap_options options = slow_options();
  premap_file file = premap_open(path_of("slow").text, &options);
  cr_assert_gt(file, 0);
  cr_assert(reaches_state(file, PREMAP_LOADING));
  return file;
}

Test(pool, the_longest_time_to_shut_down, .description = "INT64_MAX ms is a long time, not none") {
  premap_file file = start_slow();
  cr_expect_eq(premap_shutdown(INT64_MAX), 0);
  cr_expect_eq(premap_error(file), PREMAP_ECANCELED);
  cr_expect_eq(premap_close(file), 0);
}

Test(pool, no_time_to_shut_down,
     .description = "0 ms while a worker pauses: ETIMEDOUT at once, the file is cancelled all the same") {
  premap_file file = start_slow();
  cr_expect_eq(premap_shutdown(0), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_error(file), PREMAP_ECANCELED);
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(premap_close(file), 0);
}

static void wait_for_sem(uv_work_t *work) {
  uv_sem_wait(work->data);
}

Test(pool, shut_down_while_others_have_its_threads,
     .description = "none of them came to us, and none is waited for: the file is cancelled at once") {
  set_pool_size("1");
  uv_loop_t loop;
  uv_sem_t shut_down;
  cr_assert_eq(uv_loop_init(&loop), 0);
  cr_assert_eq(uv_sem_init(&shut_down, 0), 0);
  uv_work_t other = {.data = &shut_down};
  cr_assert_eq(uv_queue_work(&loop, &other, wait_for_sem, NULL), 0);
  premap_file file = premap_open(make_text("file", "x").text, NULL);
  cr_assert_gt(file, 0);
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(premap_error(file), PREMAP_ECANCELED);
  uv_sem_post(&shut_down);
  uv_run(&loop, UV_RUN_DEFAULT);
  cr_expect_eq(uv_loop_close(&loop), 0);
  cr_expect_eq(premap_close(file), 0);
  file = premap_open(path_of("file").text, NULL);
  cr_expect_eq(premap_wait(file, 60000, NULL), 0, "and then all begins again");
  cr_expect_eq(premap_close(file), 0);
  uv_sem_destroy(&shut_down);
}

/* ---- Closing without unmapping */

Test(pool, unmapping_can_be_left_to_it,
     .description = "close_async: the handle is stale at once, the mapping goes when a thread is free") {
  set_pool_size("1");
  premap_file loaded = premap_open(make_file("file", MIB, 1).text, NULL);
  cr_assert_eq(premap_wait(loaded, 60000, NULL), 0);
  premap_file slow = start_slow();
  cr_assert(makes_progress(slow));
  size_t before = mappings_left();
  cr_expect_eq(premap_close_async(loaded), 0);
  cr_expect_eq(premap_state(loaded), PREMAP_EBADF);
  cr_expect_eq(mappings_left(), before, "the only thread is busy");
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(mappings_left(), 0);
}

Test(pool, cancelling_does_not_unmap,
     .description = "what was put aside, and is large: its mapping goes when a thread is free") {
  set_pool_size("1");
  premap_options options = slow_options();
  options.priority = -1;
  path name = make_file("large", 1, 1);
  cr_assert_eq(set_size(name.text, 64 * MIB), 0);
  premap_file large = premap_open(name.text, &options);
  cr_assert(makes_progress(large));
  premap_file slow = start_slow();
  cr_assert(makes_progress(slow));
  size_t before = mappings_left(), descriptors = descriptors_left();
  cr_expect_eq(premap_cancel(large), 0);
  cr_expect_eq(premap_error(large), PREMAP_ECANCELED);
  cr_expect_eq(mappings_left(), before, "the only thread is busy");
  cr_expect_eq(descriptors_left(), descriptors - 1);
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(mappings_left(), 0);
  cr_expect_eq(premap_close(large), 0);
}

Test(pool, other_files_close_as_usual, .description = "close_async of one that is retained, unfinished, or closed already") {
  premap_file loaded = premap_load(make_text("file", "hello").text, NULL, NULL);
  cr_expect_eq(premap_retain(loaded), 0);
  cr_expect_eq(premap_close_async(loaded), 0);
  cr_expect_eq(premap_is_ready(loaded), 1);
  cr_expect_eq(premap_close_async(loaded), 0);
  cr_expect_eq(premap_close_async(loaded), PREMAP_EBADF);
  premap_file slow = start_slow();
  cr_expect_eq(premap_close_async(slow), 0);
  cr_expect_eq(premap_state(slow), PREMAP_EBADF);
}

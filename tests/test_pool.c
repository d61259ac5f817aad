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

/* SPDX-License-Identifier: MIT
 *
 * test_pool.c - a pool that is shared, busy, shutting down, or not there.
 */
#include "support.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

TestSuite(pool, .init = support_begin, .fini = support_end, .timeout = 120);

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
  setenv("UV_THREADPOOL_SIZE", "2", 1);
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

/* ---- The child of a fork */

static int try_in_child(premap_file ready, const char *name) {
  premap_region region;
  if (premap_region_of(ready, &region) != 0 || !pattern_equals(region.data, region.size, 1, 0))
    return 1;
  if (premap_open(name, NULL) != PREMAP_ENOTSUP)
    return 2;
  if (premap_shutdown(-1) != 0)
    return 3;
  premap_file here = premap_load(name, NULL, NULL);
  if (here <= 0 || premap_close(here) != 0)
    return 4;
  here = premap_create(name, NULL);
  if (premap_wait_all(&here, 1, 1000) != PREMAP_ENOTSUP || premap_wait_all(&here, 1, -1) != 0)
    return 5;
  return premap_close(here) == 0 ? 0 : 6;
}

Test(pool, the_child_of_a_fork, .description = "reads what was READY, is refused the parent's pool, and may load by itself") {
  path name = make_file("file", MIB, 1);
  premap_file ready = premap_open(name.text, NULL);
  cr_assert_eq(premap_wait_all(&ready, 1, 60000), 0);
  pid_t child = fork();
  if (child == 0)
    _exit(try_in_child(ready, name.text));
  int status = -1;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
  cr_expect_eq(premap_close(ready), 0);
}

/* ---- Signals */

static _Atomic pid_t handled_by;

static void note_thread(int number) {
  (void)number;
  handled_by = gettid();
}

Test(pool, signals_stay_the_host_s, .description = "with the signal blocked here, no thread of the library's takes it") {
  premap_file file = start_slow();
  struct sigaction action = {.sa_handler = note_thread};
  cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, NULL);
  kill(getpid(), SIGUSR1);
  /* The shutdown makes the library's threads run, so that one of them would have come by it. */
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(handled_by, 0);
  pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
  cr_expect_eq(handled_by, gettid());
  cr_expect_eq(premap_close(file), 0);
}

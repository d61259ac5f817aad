/* SPDX-License-Identifier: MIT
 *
 * pool.c - the threads that loads borrow from libuv.
 *
 * uv_queue_work belongs to a loop and may be called on that loop's thread only, so the library has a loop on a thread of its
 * own, for all loaders together. It hands work items to libuv's pool; an item works off what is queued (premap__loader_work),
 * many files to one hand-off, and gives its thread back after some time, since the pool is everybody's. When nothing is left,
 * one of them lingers for a moment: who starts one file after the other then wakes it, and not first the loop's thread.
 *
 *   any thread: premap__pool_attract  ->  loop thread: items up to the limit  ->  pool threads: premap__loader_work
 *
 * The thread and the loop are made when the first file is started and ended by premap_shutdown, which is also registered with
 * atexit: libuv joins its pool at exit, so running loads have to stop by then.
 */
#include "schedule.h"

#include <stdlib.h>
#include <uv.h>

enum {
  POOL_DEFAULT = 4, /* libuv's own default and limit */
  POOL_MAX = 1024,
  ITEM_NS = 10 * 1000 * 1000,  /* after that an item gives its thread back */
  LINGER_NS = 1000 * 1000,     /* so long without work it keeps it; some twenty round trips */
  GRACE_NS = 50 * 1000 * 1000, /* for one that lingers to hear of the end, whatever the deadline is */
  LOOP_DESCRIPTORS = 10        /* at most: two signal pipes, a poll set, the wake-up, and room */
};
#define POOL_STACK_SIZE ((size_t)8 << 20) /* of libuv's pool threads */
#define PROBE_STACK_SIZE ((size_t)256 << 10)

typedef enum stage { STOPPED, RUNNING, STOPPING } stage;

typedef struct item {
  uv_work_t work;
  bool may_cancel; /* with libuv, and not cancelled: uv_cancel may be asked only of such */
} item;

static struct {
  /* Under the scheduler's lock. */
  stage stage;
  bool ending;              /* the loop is to close */
  bool is_shared;           /* others use libuv's pool too: at most half of it, rounded up, is ours */
  bool is_inherited;        /* by the child of a fork, which has none of its threads, and has not started it again */
  bool is_lost;             /* so, and libuv does not know that they are gone */
  atomic_bool has_too_many; /* items at work; relaxed: without the lock a hint */
  unsigned items;           /* with libuv */
  unsigned leaving;         /* of these: they are about to come back, since there are more than the limit */
  unsigned giving_way;      /* of these: they have put a file aside for that, and do not know yet */
  unsigned unmapping;       /* of these: they take no files meanwhile */
  enum { NOBODY, LINGERS, IS_CALLED } lingerer;
  _Atomic unsigned size; /* threads of libuv's pool, once it was started; relaxed: only a fork looks without the lock */
  unsigned size_at_fork; /* before the lock was had */

  /* The loop thread's own, but for starting and ending it. */
  uv_thread_t thread;
  uv_loop_t loop;
  uv_async_t wake;
  item first; /* makes libuv's threads */
  uv_sem_t has_begun;
  item *all;   /* size of them */
  item **idle; /* of these, idle[items .. size) are not with libuv */
} pool;

/* ---- On pool threads */

/* One of the pool's threads, where it has others, and none where a host is known to need them. */
static bool may_linger_locked(void) {
  return pool.stage == RUNNING && pool.lingerer == NOBODY && pool.size > 1 && !pool.is_shared;
}

static bool is_called_locked(uint64_t deadline_ns) {
  pool.lingerer = LINGERS;
  while (pool.lingerer == LINGERS && pool.stage == RUNNING)
    if (!premap__schedule_linger_locked(deadline_ns))
      break;
  bool is_called = pool.lingerer == IS_CALLED;
  pool.lingerer = NOBODY;
  return is_called;
}

static unsigned limit_locked(void) {
  return pool.is_shared ? (pool.size + 1) / 2 : pool.size;
}

/* After each change of those numbers. */
static void count_locked(void) {
  atomic_store_explicit(&pool.has_too_many, pool.items - pool.leaving > limit_locked(), memory_order_relaxed);
}

bool premap__pool_has_too_many(void) {
  return atomic_load_explicit(&pool.has_too_many, memory_order_relaxed);
}

void premap__pool_give_way_locked(void) {
  pool.leaving++;
  pool.giving_way++;
  count_locked();
}

bool premap__pool_gives_way_locked(void) {
  bool gives_way = pool.giving_way > 0;
  pool.giving_way -= gives_way;
  return gives_way;
}

/* True: there is work again. */
static bool linger(uint64_t end_ns) {
  uint64_t deadline_ns = premap__now_ns() + LINGER_NS;
  premap__schedule_lock();
  bool leaves = premap__pool_has_too_many();
  pool.leaving += leaves;
  count_locked();
  /* Who queued something a moment ago found nobody to call, and no item idle. */
  bool goes_on = !leaves && deadline_ns < end_ns && pool.stage == RUNNING &&
                 (premap__loader_has_work_locked() || premap__assist_is_wanted_locked() || premap__deferred_is_any_locked());
  if (!goes_on && !leaves && deadline_ns < end_ns && may_linger_locked())
    goes_on = is_called_locked(deadline_ns);
  premap__schedule_unlock();
  return goes_on;
}

static void unmap_closed(void) {
  premap__schedule_lock();
  bool unmaps = premap__deferred_is_any_locked();
  pool.unmapping += unmaps;
  premap__schedule_unlock();
  if (!unmaps)
    return;
  (void)premap__deferred_unmap();
  premap__schedule_lock();
  pool.unmapping--;
  premap__schedule_unlock();
}

static void work(uv_work_t *request) {
  (void)request;
  uint64_t end_ns = premap__now_ns() + ITEM_NS;
  while (premap__loader_work(end_ns)) {
    unmap_closed();
    premap__assist_work(end_ns);
    if (!linger(end_ns))
      break;
  }
}

/* ---- On the loop's thread */

/* How many there is work for. */
static size_t wanted_locked(void) {
  size_t unmapping = pool.unmapping > 0 ? pool.unmapping : premap__deferred_is_any_locked();
  return premap__loader_wanted_locked() + premap__assist_wanted_locked() + unmapping;
}

static void item_is_back(uv_work_t *request, int status);

/* Hands libuv as many items as there is work for, up to the limit. */
static void top_up(void) {
  premap__schedule_lock();
  size_t wanted = pool.stage == RUNNING ? wanted_locked() : 0;
  unsigned limit = limit_locked();
  unsigned target = wanted < limit ? (unsigned)wanted : limit;
  unsigned first = pool.items;
  if (pool.items < target)
    pool.items = target;
  count_locked();
  premap__schedule_unlock();
  for (unsigned i = first; i < target; i++) {
    pool.idle[i]->may_cancel = true;
    uv_queue_work(&pool.loop, &pool.idle[i]->work, work, item_is_back); /* fails only without a function */
  }
}

static void item_is_back(uv_work_t *request, int status) {
  (void)status;                 /* UV_ECANCELED when it never ran: its files were cancelled too */
  item *back = (item *)request; /* its first member */
  back->may_cancel = false;
  premap__schedule_lock();
  pool.idle[--pool.items] = back;
  pool.leaving -= pool.leaving > 0; /* this one, or one that is not far */
  count_locked();
  if (pool.stage == STOPPING)
    premap__schedule_changed();
  premap__schedule_unlock();
  top_up();
}

static void cancel(item *of) {
  if (of->may_cancel && uv_cancel((uv_req_t *)&of->work) == 0)
    of->may_cancel = false;
}

/* Items that wait behind other users of the pool come back at once; those that run refuse. */
static void cancel_items(void) {
  cancel(&pool.first);
  for (unsigned i = 0; i < pool.size; i++)
    cancel(&pool.all[i]);
}

static void on_wake(uv_async_t *wake) {
  premap__schedule_lock();
  bool stopping = pool.stage == STOPPING;
  bool ending = pool.ending;
  premap__schedule_unlock();
  if (stopping)
    cancel_items();
  else
    top_up();
  if (ending)
    uv_close((uv_handle_t *)wake, NULL);
}

static void do_nothing(uv_work_t *request) {
  (void)request;
}

static void first_is_back(uv_work_t *request, int status) {
  (void)status;
  ((item *)request)->may_cancel = false;
}

static void run_loop(void *argument) {
  (void)argument;
  premap__os_leave_signals(); /* libuv's threads are made by the next call, and inherit it */
  pool.first.may_cancel = true;
  uv_queue_work(&pool.loop, &pool.first.work, do_nothing, first_is_back);
  uv_sem_post(&pool.has_begun);
  uv_run(&pool.loop, UV_RUN_DEFAULT);
}

/* ---- Start */

/* libuv's rule for the size of its pool. As libuv does, this asks the C library, whose environment may not be the system's on
 * Windows. */
static unsigned pool_size(void) {
  const char *value = getenv("UV_THREADPOOL_SIZE");
  if (value == NULL)
    return POOL_DEFAULT;
  unsigned threads = (unsigned)atoi(value); /* so that a negative number is many, as with libuv */
  return threads == 0 ? 1 : threads > POOL_MAX ? POOL_MAX : threads;
}

static void wait_to_leave(void *leave) {
  uv_sem_wait(leave);
}

/* libuv aborts the process when it cannot create a thread of its pool. So see first whether that many could be had at once. */
static int probe_threads(unsigned count, size_t stack_size) {
  uv_thread_t *threads = calloc(count, sizeof *threads);
  uv_sem_t leave;
  int code = threads == NULL ? UV_ENOMEM : uv_sem_init(&leave, 0);
  if (code != 0) {
    free(threads);
    return code;
  }
  uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = stack_size};
  unsigned created = 0;
  while (created < count && code == 0) {
    code = uv_thread_create_ex(&threads[created], &options, wait_to_leave, &leave);
    if (code == 0)
      created++;
  }
  for (unsigned i = 0; i < created; i++)
    uv_sem_post(&leave);
  for (unsigned i = 0; i < created; i++)
    uv_thread_join(&threads[i]);
  uv_sem_destroy(&leave);
  free(threads);
  return code;
}

/* Nor does libuv report it when its first loop finds no descriptors for the signal pipe. So see first whether there are enough
 * for all that a loop opens. */
static int probe_descriptors(void) {
  uv_file pipes[LOOP_DESCRIPTORS / 2][2];
  int opened = 0;
  int code = 0;
  while (opened < LOOP_DESCRIPTORS / 2 && code == 0) {
    code = uv_pipe(pipes[opened], 0, 0);
    if (code == 0)
      opened++;
  }
  uv_fs_t request;
  for (int i = 0; i < opened * 2; i++) {
    (void)uv_fs_close(NULL, &request, pipes[i / 2][i % 2], NULL); /* nothing was written to it */
    uv_fs_req_cleanup(&request);
  }
  return code;
}

/* libuv's threads begin under the lock, which a fork takes. */
static int start_thread(void) {
  int code = uv_sem_init(&pool.has_begun, 0);
  if (code != 0)
    return code;
  code = uv_thread_create(&pool.thread, run_loop, NULL);
  if (code == 0)
    uv_sem_wait(&pool.has_begun);
  uv_sem_destroy(&pool.has_begun);
  return code;
}

static int start_loop(void) {
  int code = probe_descriptors();
  if (code == 0)
    code = uv_loop_init(&pool.loop);
  if (code != 0)
    return code;
  code = uv_async_init(&pool.loop, &pool.wake, on_wake);
  if (code == 0) {
    code = start_thread();
    if (code == 0)
      return 0;
    uv_close((uv_handle_t *)&pool.wake, NULL);
    uv_run(&pool.loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&pool.loop);
  return code;
}

/* With one for the loop. That a thread has gone the system counts a moment later than it can be joined: so as many again, which
 * need hardly any memory. */
static int probe(unsigned size) {
  int code = probe_threads(2 * (size + 1), PROBE_STACK_SIZE);
  bool is_too_small = code == UV_EINVAL; /* for what the program's threads have of their own */
  return code != 0 && !is_too_small ? code : probe_threads(size + 1, POOL_STACK_SIZE);
}

static int start(void) {
  premap__os_stay_loaded();
  unsigned size = pool_size();
  int code = probe(size);
  if (code != 0)
    return code;
  pool.all = calloc(size, sizeof *pool.all);
  pool.idle = calloc(size, sizeof *pool.idle);
  code = pool.all == NULL || pool.idle == NULL ? UV_ENOMEM : start_loop();
  if (code != 0) {
    free(pool.all);
    free(pool.idle);
    return code;
  }
  for (unsigned i = 0; i < size; i++)
    pool.idle[i] = &pool.all[i];
  atomic_store_explicit(&pool.size, size, memory_order_relaxed);
  pool.is_inherited = false;
  pool.ending = false;
  pool.stage = RUNNING;
  return 0;
}

int premap__pool_start_locked(void) {
  if (pool.is_lost)
    return PREMAP_ENOTSUP;
  if (pool.stage == STOPPING)
    return PREMAP_EAGAIN;
  return pool.stage == RUNNING ? 0 : start(); /* libuv's codes are ours */
}

bool premap__pool_is_stopping_locked(void) {
  return pool.stage == STOPPING;
}

void premap__pool_attract_locked(void) {
  if (pool.stage != RUNNING)
    return;
  bool calls = pool.lingerer == LINGERS;
  if (calls) {
    pool.lingerer = IS_CALLED;
    premap__schedule_call_locked();
  }
  bool wants_more = !calls || wanted_locked() > pool.items;
  if (wants_more && pool.items < limit_locked())
    uv_async_send(&pool.wake);
}

void premap__pool_share_locked(void) {
  pool.is_shared = true;
  count_locked();
  premap__schedule_end_pauses_locked();
}

unsigned premap__pool_limit_locked(void) {
  return pool.stage == STOPPED ? 0 : limit_locked();
}

/* ---- Stop */

/* The loop's thread needs the lock to end, so it is joined without. */
static void end_loop_locked(void) {
  pool.ending = true;
  uv_async_send(&pool.wake);
  premap__schedule_unlock();
  uv_thread_join(&pool.thread);
  uv_loop_close(&pool.loop);
  free(pool.all);
  free(pool.idle);
  premap__schedule_lock();
}

bool premap__pool_stop_locked(uint64_t deadline_ns) {
  while (pool.stage == STOPPING)
    if (!premap__schedule_wait(deadline_ns) && pool.stage == STOPPING)
      return false;
  if (pool.stage == STOPPED)
    return true;
  pool.stage = STOPPING;
  premap__loader_cancel_all_locked();
  uv_async_send(&pool.wake);
  premap__schedule_call_locked();
  uint64_t grace_ns = premap__now_ns() + GRACE_NS;
  if (pool.lingerer != NOBODY && deadline_ns < grace_ns)
    deadline_ns = grace_ns;
  while (pool.items > 0)
    if (!premap__schedule_wait(deadline_ns))
      break;
  bool ended = pool.items == 0;
  if (ended)
    end_loop_locked();
  pool.stage = ended ? STOPPED : RUNNING;
  premap__schedule_changed();
  return ended;
}

/* ---- The child of a fork */

void premap__pool_before_fork(void) {
  pool.size_at_fork = atomic_load_explicit(&pool.size, memory_order_relaxed);
}

/* The loop stays as it is: its requests are with threads that are not there, so it could not be closed. libuv learns of the
 * fork by a function that it registered when its pool began; if that was after the fork had begun to call such functions, it
 * does not.
 */
void premap__pool_orphan_locked(void) {
  unsigned size = atomic_load_explicit(&pool.size, memory_order_relaxed);
  pool.is_inherited = size > 0; /* libuv keeps its threads to the end */
  pool.is_lost = pool.is_lost || size != pool.size_at_fork;
  pool.stage = STOPPED;
  pool.items = 0;
  pool.leaving = 0;
  pool.giving_way = 0;
  pool.unmapping = 0;
  pool.lingerer = NOBODY;
  count_locked();
}

void premap__pool_revive(void) {
  uv_loop_t loop;
  uv_work_t work;
  if (!pool.is_inherited || pool.is_lost || probe(pool.size) != 0 || probe_descriptors() != 0 || uv_loop_init(&loop) != 0)
    return; /* then there is no help */
  pool.is_inherited = false;
  uv_queue_work(&loop, &work, do_nothing, NULL); /* makes the threads */
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
}

/* SPDX-License-Identifier: MIT
 *
 * loader.c - the queue of files, and the pool threads it borrows from libuv.
 *
 * uv_queue_work belongs to a loop and may be called on that loop's thread only, so the library has a loop on a thread of its
 * own. Whoever queues a file wakes that thread (uv_async_send); it hands work items to the pool; an item drains the queue, many
 * files to one hand-off, and after some time gives its thread back, since the pool is everybody's.
 *
 *   any thread: queue, wake ->  loop thread: items up to the limit  ->  pool threads: take, claim, load, take, ...
 *
 * The thread and the loop are made by the first file queued and ended by premap_shutdown, which is also registered with atexit:
 * libuv joins its pool at exit, so running loads have to stop by then.
 */
#include "internal.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

enum {
  POOL_DEFAULT = 4, /* libuv's own default and limit */
  POOL_MAX = 1024,
  ITEM_NS = 10 * 1000 * 1000, /* after that an item gives its thread back */
  EXIT_MS = 1000,
  LOOP_DESCRIPTORS = 10 /* at most: two signal pipes, a poll set, the wake-up, and room */
};
#define POOL_STACK_SIZE ((size_t)8 << 20) /* of libuv's pool threads */

typedef enum stage { STOPPED, RUNNING, STOPPING } stage;

typedef struct item {
  uv_work_t work;
  bool may_cancel; /* with libuv, and not cancelled: uv_cancel may be asked only of such */
} item;

static struct {
  uv_mutex_t lock;   /* guards all but the last group */
  uv_cond_t changed; /* items have come back while STOPPING, or the stage has changed */
  int initial_error;
  stage stage;
  bool ending;               /* the loop is to close */
  _Atomic(uv_pid_t) process; /* a forked child has neither the thread nor the pool; atexit asks without the lock, which may not
                                be free there */
  premap__file *queue;       /* each pinned by the queue */
  premap__file *running;     /* each pinned by the queue still */
  unsigned queued;
  unsigned busy;  /* in running */
  unsigned items; /* with libuv */
  unsigned limit;

  /* The loop thread's own, but for starting and ending it. */
  uv_thread_t thread;
  uv_loop_t loop;
  uv_async_t wake;
  item *all;   /* limit of them */
  item **idle; /* of these, idle[items .. limit) are not with libuv */
} loader;
static uv_once_t once = UV_ONCE_INIT;

static void at_exit(void) {
  if (loader.process == uv_os_getpid() && !premap__os_threads_are_gone())
    (void)premap_shutdown(EXIT_MS); /* nobody is left to be told */
}

static void initialize(void) {
  loader.initial_error = uv_mutex_init(&loader.lock);
  if (loader.initial_error == 0)
    loader.initial_error = uv_cond_init(&loader.changed);
  if (loader.initial_error == 0 && atexit(at_exit) != 0)
    loader.initial_error = UV_ENOMEM;
}

/* ---- On pool threads */

/* The next file, LOADING and ours; files that others claimed or cancelled meanwhile only lose the queue's pin. */
static premap__file *take(void) {
  for (;;) {
    uv_mutex_lock(&loader.lock);
    premap__file *file = loader.queue;
    bool claimed = false;
    if (file != NULL) {
      DL_DELETE(loader.queue, file);
      loader.queued--;
      claimed = premap__worker_claim(file);
      file->place = claimed ? PREMAP__RUNNING : PREMAP__NOWHERE;
      if (claimed) {
        DL_APPEND(loader.running, file);
        loader.busy++;
      }
    }
    uv_mutex_unlock(&loader.lock);
    if (file == NULL || claimed)
      return file;
    premap__registry_unpin(file);
  }
}

/* Right before the end is published, so that who hears of it finds the file in no list, and soon without our pin. */
void premap__loader_forget(premap__file *file) {
  uv_once(&once, initialize);
  if (loader.initial_error != 0)
    return; /* then nothing was ever queued */
  uv_mutex_lock(&loader.lock);
  if (file->place == PREMAP__RUNNING) {
    DL_DELETE(loader.running, file);
    loader.busy--;
    file->place = PREMAP__NOWHERE;
  }
  uv_mutex_unlock(&loader.lock);
}

static void drain(uv_work_t *work) {
  (void)work;
  uint64_t end = premap__now_ns() + ITEM_NS;
  premap__file *file;
  while (premap__now_ns() < end && (file = take()) != NULL) {
    premap__worker_load(file);
    premap__registry_unpin(file);
  }
}

/* ---- On the loop's thread */

static void item_is_back(uv_work_t *work, int status);

/* Hands libuv as many items as there are files to load, up to the limit. */
static void top_up(void) {
  uv_mutex_lock(&loader.lock);
  unsigned wanted = loader.busy + loader.queued;
  unsigned target = loader.stage != RUNNING ? 0 : wanted < loader.limit ? wanted : loader.limit;
  unsigned first = loader.items;
  if (loader.items < target)
    loader.items = target;
  uv_mutex_unlock(&loader.lock);
  for (unsigned i = first; i < target; i++) {
    loader.idle[i]->may_cancel = true;
    uv_queue_work(&loader.loop, &loader.idle[i]->work, drain, item_is_back); /* fails only without a function */
  }
}

static void item_is_back(uv_work_t *work, int status) {
  (void)status;              /* UV_ECANCELED when it never ran: its files were cancelled too */
  item *back = (item *)work; /* its first member */
  back->may_cancel = false;
  uv_mutex_lock(&loader.lock);
  loader.idle[--loader.items] = back;
  if (loader.stage == STOPPING)
    uv_cond_broadcast(&loader.changed);
  uv_mutex_unlock(&loader.lock);
  top_up();
}

/* Items that wait behind other users of the pool come back at once; those that run refuse. */
static void cancel_items(void) {
  for (unsigned i = 0; i < loader.limit; i++)
    if (loader.all[i].may_cancel && uv_cancel((uv_req_t *)&loader.all[i].work) == 0)
      loader.all[i].may_cancel = false;
}

static void on_wake(uv_async_t *wake) {
  uv_mutex_lock(&loader.lock);
  bool stopping = loader.stage == STOPPING;
  bool ending = loader.ending;
  uv_mutex_unlock(&loader.lock);
  if (ending)
    uv_close((uv_handle_t *)wake, NULL);
  else if (!stopping)
    top_up();
  else
    cancel_items();
}

static void run_loop(void *argument) {
  (void)argument;
  premap__os_leave_signals(); /* the pool's threads are made here, and inherit it */
  uv_run(&loader.loop, UV_RUN_DEFAULT);
}

/* ---- Start */

/* libuv's rule for the size of its pool. */
static unsigned pool_size(void) {
  char value[64];
  size_t size = sizeof value;
  if (uv_os_getenv("UV_THREADPOOL_SIZE", value, &size) != 0)
    return POOL_DEFAULT;
  unsigned threads = (unsigned)atoi(value); /* so that a negative number is many, as with libuv */
  return threads == 0 ? 1 : threads > POOL_MAX ? POOL_MAX : threads;
}

static void wait_to_leave(void *leave) {
  uv_sem_wait(leave);
}

/* libuv aborts the process when it cannot create a thread of its pool. So see first whether that many could be had at once. */
static int probe_threads(unsigned count) {
  uv_thread_t *threads = calloc(count, sizeof *threads);
  uv_sem_t leave;
  int code = threads == NULL ? UV_ENOMEM : uv_sem_init(&leave, 0);
  if (code != 0) {
    free(threads);
    return code;
  }
  uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = POOL_STACK_SIZE};
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

static int start_loop(void) {
  int code = probe_descriptors();
  if (code == 0)
    code = uv_loop_init(&loader.loop);
  if (code != 0)
    return code;
  code = uv_async_init(&loader.loop, &loader.wake, on_wake);
  if (code == 0) {
    code = uv_thread_create(&loader.thread, run_loop, NULL);
    if (code == 0)
      return 0;
    uv_close((uv_handle_t *)&loader.wake, NULL);
    uv_run(&loader.loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loader.loop);
  return code;
}

/* With the lock held, as the whole start is: who comes second waits for it. */
static int start(void) {
  premap__os_stay_loaded();
  loader.limit = pool_size();
  int code = probe_threads(loader.limit);
  if (code != 0)
    return code;
  loader.all = calloc(loader.limit, sizeof *loader.all);
  loader.idle = calloc(loader.limit, sizeof *loader.idle);
  code = loader.all == NULL || loader.idle == NULL ? UV_ENOMEM : start_loop();
  if (code != 0) {
    free(loader.all);
    free(loader.idle);
    return code;
  }
  for (unsigned i = 0; i < loader.limit; i++)
    loader.idle[i] = &loader.all[i];
  loader.process = uv_os_getpid();
  loader.ending = false;
  loader.stage = RUNNING;
  return 0;
}

/* ---- Queue, from any thread */

/* A child of fork() has a copy of the queue, but none of the threads. */
static bool is_in_child(void) {
  return loader.stage != STOPPED && loader.process != uv_os_getpid();
}

static int submit_locked(premap__file *file) {
  if (file->place != PREMAP__NOWHERE || premap__registry_state(file) != PREMAP__PENDING)
    return 0;
  if (is_in_child())
    return PREMAP_ENOTSUP;
  if (loader.stage == STOPPING)
    return PREMAP_EAGAIN;
  int code = loader.stage == RUNNING ? 0 : start();
  if (code == 0 && !premap__registry_pin_more(file))
    code = PREMAP_EOVERFLOW;
  if (code != 0)
    return code; /* libuv's codes are ours */
  atomic_store_explicit(&file->started_ns, premap__now_ns(), memory_order_relaxed);
  file->place = PREMAP__QUEUED;
  DL_APPEND(loader.queue, file);
  loader.queued++;
  if (loader.items < loader.limit)
    uv_async_send(&loader.wake);
  return 0;
}

int premap__loader_submit(premap__file *file) {
  uv_once(&once, initialize);
  if (loader.initial_error != 0)
    return loader.initial_error;
  uv_mutex_lock(&loader.lock);
  int code = submit_locked(file);
  uv_mutex_unlock(&loader.lock);
  return code;
}

void premap__loader_withdraw(premap__file *file) {
  uv_once(&once, initialize);
  if (loader.initial_error != 0)
    return; /* then nothing was ever queued */
  uv_mutex_lock(&loader.lock);
  bool queued = file->place == PREMAP__QUEUED;
  if (queued) {
    DL_DELETE(loader.queue, file);
    loader.queued--;
    file->place = PREMAP__NOWHERE;
  }
  uv_mutex_unlock(&loader.lock);
  if (queued)
    premap__registry_unpin(file);
}

/* ---- Shut down */

/* Cancels what is queued and what runs. A cancelled file leaves the queue and is unpinned, so the lock is let go around each.
 */
static void cancel_all_locked(void) {
  premap__file *file;
  DL_FOREACH(loader.running, file) {
    premap__publish(file, PREMAP__LOADING, PREMAP__CANCELLED);
  }
  while ((file = loader.queue) != NULL) {
    DL_DELETE(loader.queue, file);
    loader.queued--;
    file->place = PREMAP__NOWHERE;
    uv_mutex_unlock(&loader.lock);
    premap__file_cancel(file);
    premap__registry_unpin(file);
    uv_mutex_lock(&loader.lock);
  }
}

/* Waits for a change until the deadline: false when that has passed. */
static bool wait_for_change_locked(uint64_t deadline_ns) {
  uint64_t now = premap__now_ns();
  if (deadline_ns == UINT64_MAX)
    uv_cond_wait(&loader.changed, &loader.lock);
  else if (now < deadline_ns)
    (void)uv_cond_timedwait(&loader.changed, &loader.lock, deadline_ns - now); /* the caller looks which it was */
  return now < deadline_ns;
}

/* The loop's thread needs the lock to end, so it is joined without. */
static void end_loop_locked(void) {
  loader.ending = true;
  uv_async_send(&loader.wake);
  uv_mutex_unlock(&loader.lock);
  uv_thread_join(&loader.thread);
  uv_loop_close(&loader.loop);
  free(loader.all);
  free(loader.idle);
  uv_mutex_lock(&loader.lock);
}

/* Ends what runs. False when the pool has not given every item back by the deadline. */
static bool stop_locked(uint64_t deadline_ns) {
  loader.stage = STOPPING;
  cancel_all_locked();
  uv_async_send(&loader.wake);
  while (loader.items > 0)
    if (!wait_for_change_locked(deadline_ns))
      break;
  bool ended = loader.items == 0;
  if (ended)
    end_loop_locked();
  loader.stage = ended ? STOPPED : RUNNING;
  uv_cond_broadcast(&loader.changed);
  return ended;
}

int premap_shutdown(int64_t timeout_ms) {
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  uv_once(&once, initialize);
  if (loader.initial_error != 0)
    return 0;
  uv_mutex_lock(&loader.lock);
  bool ended = true;
  if (!is_in_child()) {
    while (loader.stage == STOPPING && ended)
      ended = wait_for_change_locked(deadline_ns) || loader.stage != STOPPING;
    if (loader.stage == RUNNING)
      ended = stop_locked(deadline_ns);
  }
  uv_mutex_unlock(&loader.lock);
  return ended ? 0 : PREMAP_ETIMEDOUT;
}

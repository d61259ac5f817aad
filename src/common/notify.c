/* SPDX-License-Identifier: MIT
 *
 * notify.c - the end of a load, and those who wait for it.
 *
 * A waiting thread leaves a node at each file it waits for. Who waits for one file sleeps in its monitor. Of many files the
 * ends count a waiter down and the last one wakes it: so waiting for 100,000 files costs one pass to begin and one to leave,
 * and none in between. A node belongs to the waiting thread, which takes it away before it returns. The lists are guarded by
 * the files' monitors.
 */
#include "schedule.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

typedef struct waiter {
  uv_mutex_t lock;
  uv_cond_t wake;
  size_t remaining; /* ends to come before it wakes */
  size_t first;     /* index of the file whose end came first */
} waiter;

#define NO_INDEX SIZE_MAX
#define NS_PER_MS ((uint64_t)1000000)

typedef struct premap__wait_node {
  premap__file *file;                    /* pinned */
  waiter *waiter;                        /* null: the thread sleeps in the file's monitor */
  struct premap__wait_node *prev, *next; /* guarded by the monitor, as is is_linked */
  bool is_linked;
  size_t index;
} wait_node;

uint64_t premap__now_ns(void) {
  return uv_hrtime();
}

bool premap__wait_until(uv_cond_t *condition, uv_mutex_t *lock, uint64_t deadline_ns) {
  uint64_t now = premap__now_ns();
  if (deadline_ns == UINT64_MAX)
    uv_cond_wait(condition, lock);
  else if (now < deadline_ns)
    /* The caller looks whether it was time or a wake. On Windows libuv counts whole milliseconds: less would be none. */
    (void)uv_cond_timedwait(condition, lock, deadline_ns - now < NS_PER_MS ? NS_PER_MS : deadline_ns - now);
  return now < deadline_ns;
}

uint64_t premap__deadline_ns(int64_t timeout_ms) {
  uint64_t now = premap__now_ns();
  bool ever_ends = timeout_ms >= 0 && (uint64_t)timeout_ms < (INT64_MAX - now) / NS_PER_MS;
  return ever_ends ? now + (uint64_t)timeout_ms * NS_PER_MS : UINT64_MAX;
}

/* ---- The end */

static void count_down(waiter *who, size_t index) {
  uv_mutex_lock(&who->lock);
  if (who->first == NO_INDEX)
    who->first = index;
  if (who->remaining > 0 && --who->remaining == 0)
    uv_cond_signal(&who->wake);
  uv_mutex_unlock(&who->lock);
}

/* Who looks at the state in the file's monitor from now on sees the end and leaves no node. Gives the monitors in which
 * somebody has to be woken. */
static premap__monitors wake_waiters(premap__file *file) {
  premap__monitors sleeping = 0;
  premap__monitor *monitor = premap__monitor_enter(file);
  wait_node *node, *next;
  DL_FOREACH_SAFE(file->waiters, node, next) {
    DL_DELETE(file->waiters, node);
    node->is_linked = false;
    if (node->waiter != NULL)
      count_down(node->waiter, node->index);
    else
      sleeping = premap__monitors_with(monitor);
  }
  uv_mutex_unlock(&monitor->lock);
  return sleeping;
}

static bool publish(premap__file *file, premap__state from, premap__state to, uint64_t now_ns, premap__monitors *sleeping) {
  *sleeping = 0;
  if (premap__registry_state(file) != from)
    return false;
  /* Before the move, so that who sees the end finds its time, and finds it counted; two that race for the end differ by nothing
   * that matters. */
  premap__span_end(&file->load_span, now_ns);
  bool counts = premap__file_was_started(file);
  if (counts)
    premap__loader_count(file->plan->loader, file, to, true);
  if (!premap__registry_move(file, from, to)) {
    if (counts)
      premap__loader_count(file->plan->loader, file, to, false);
    return false;
  }
  /* Started meanwhile: else the start will find that it comes late, and count both. */
  uint64_t not_started = 0;
  if (!counts && !atomic_compare_exchange_strong_explicit(&file->queue_span, &not_started, PREMAP__NEVER_STARTED,
                                                          memory_order_relaxed, memory_order_relaxed))
    premap__loader_count(file->plan->loader, file, to, true);
  *sleeping = wake_waiters(file);
  if (file->plan->group != NULL)
    *sleeping |= premap__group_ended(file, to);
  premap__note_end(file, premap__file_result(file, to, NULL));
  return true;
}

bool premap__publish(premap__file *file, premap__state from, premap__state to) {
  if (premap__registry_state(file) != from)
    return false; /* most closes come here, of files that have ended: they need no clock */
  premap__monitors sleeping;
  bool published = publish(file, from, to, premap__now_ns(), &sleeping);
  premap__monitors_wake(sleeping);
  return published;
}

/* Who is woken goes on with what needs that lock: so not before it is given back. */
bool premap__publish_locked(premap__file *file, premap__state from, premap__state to, uint64_t now_ns) {
  premap__monitors sleeping;
  bool published = publish(file, from, to, now_ns, &sleeping);
  premap__schedule_wake_locked(sleeping);
  return published;
}

/* ---- Waiting */

static bool is_final(premap__state state) {
  return state >= PREMAP__READY;
}

static int waiter_begin(waiter *who, size_t remaining) {
  if (uv_mutex_init(&who->lock) != 0)
    return PREMAP_ENOMEM;
  if (uv_cond_init(&who->wake) != 0) {
    uv_mutex_destroy(&who->lock);
    return PREMAP_ENOMEM;
  }
  who->remaining = remaining;
  who->first = NO_INDEX;
  return 0;
}

static void waiter_end(waiter *who) {
  uv_cond_destroy(&who->wake);
  uv_mutex_destroy(&who->lock);
}

/* Leaves a node at a file that is pinned for it, or counts its end down at once: then true. */
static bool node_link(wait_node *node) {
  premap__monitor *monitor = premap__monitor_enter(node->file);
  bool has_ended = is_final(premap__registry_state(node->file));
  node->is_linked = !has_ended;
  if (has_ended)
    count_down(node->waiter, node->index);
  else
    DL_APPEND(node->file->waiters, node);
  uv_mutex_unlock(&monitor->lock);
  return has_ended;
}

static void node_unlink(wait_node *node) {
  premap__monitor *monitor = premap__monitor_enter(node->file);
  if (node->is_linked)
    DL_DELETE(node->file->waiters, node);
  uv_mutex_unlock(&monitor->lock);
}

static bool has_all(void *of_whom) {
  waiter *who = of_whom;
  uv_mutex_lock(&who->lock);
  bool has = who->remaining == 0;
  uv_mutex_unlock(&who->lock);
  return has;
}

/* Sleeps until the ends have come: false when the time ran out first. */
static bool waiter_sleep(waiter *who, uint64_t deadline_ns) {
  uv_mutex_lock(&who->lock);
  while (who->remaining > 0)
    if (!premap__wait_until(&who->wake, &who->lock, deadline_ns))
      break;
  bool came = who->remaining == 0;
  uv_mutex_unlock(&who->lock);
  return came;
}

static int wait_for_one(premap__file *file, int64_t timeout_ms, bool insists) {
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  int code = premap__loader_submit(file, &(premap__patience){.deadline_ns = deadline_ns, .insists = insists});
  if (code != 0)
    return code;
  wait_node node = {.file = file};
  premap__monitor *monitor = premap__monitor_enter(file);
  if (!is_final(premap__registry_state(file))) {
    node.is_linked = true;
    DL_APPEND(file->waiters, &node);
  }
  while (node.is_linked)
    if (!premap__wait_until(&monitor->changed, &monitor->lock, deadline_ns))
      break;
  if (node.is_linked)
    DL_DELETE(file->waiters, &node);
  uv_mutex_unlock(&monitor->lock);
  return 0;
}

/* Loads a file on this thread, or what is left of it, if no other works on it: 1 if so, 0 if not, or a code. */
static int load_here(premap__file *file) {
  int code = premap__loader_help(file);
  if (code == 1)
    premap__loader_publish(file, premap__worker_load(file)); /* never put aside: it is not a pool thread's */
  return code;
}

/* Where a limit of open files keeps it from working it tries again: the pool's threads may all be waiting too. And where the
 * queue is full as well it waits for room, as it has the time. */
static int wait_for_ever(premap__file *file) {
  int code = load_here(file);
  while (code == 0 && !is_final(premap__registry_state(file))) {
    code = wait_for_one(file, PREMAP__STUCK_MS, true);
    if (code == 0 || code == PREMAP_ETIMEDOUT)
      code = load_here(file);
  }
  return code;
}

int premap_wait(premap_file handle, int64_t timeout_ms, premap_region *region) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap__state state = premap__registry_state(file);
  if (!is_final(state)) {
    /* Who can do nothing but wait may as well work: no hand-off, and no deadlock when every pool thread is busy. */
    code = timeout_ms < 0 ? wait_for_ever(file) : wait_for_one(file, timeout_ms, false);
    state = premap__registry_state(file);
  }
  if (is_final(state))
    code = premap__file_result(file, state, region);
  else if (code == 0)
    code = PREMAP_ETIMEDOUT;
  premap__registry_unpin(file);
  return code;
}

/* ---- Waiting for many */

typedef struct many {
  waiter who;
  wait_node *nodes;
  size_t count;   /* of nodes so far: each has a pinned file */
  size_t started; /* of these */
  bool any;       /* waits for the first end, not for all */
  bool for_ever;
  uint64_t deadline_ns;
} many;

/* Who waits for ever does not wait for room in a queue: what cannot be started, for that or another reason, it loads on this
 * thread, as premap_wait does. */
static int start_all(many *of) {
  premap__patience patience = {.deadline_ns = of->for_ever ? 0 : of->deadline_ns, .is_over = has_all, .of_whom = &of->who};
  int code = 0;
  while (of->started < of->count && code == 0) {
    code = premap__loader_submit(of->nodes[of->started].file, &patience);
    of->started += code != PREMAP_ENOBUFS && code != PREMAP_ECANCELED;
    if (of->for_ever && code != PREMAP_ENOBUFS && code != PREMAP_ECANCELED)
      code = 0;
  }
  return of->for_ever && code == PREMAP_ENOBUFS ? 0 : code;
}

/* Pins and starts files until all have a node, or the waiter has what it waits for. On an error *index is the file's. */
static int link_all(many *of, const premap_file *files, size_t count, size_t *index) {
  int code = 0;
  for (size_t i = 0; i < count && code == 0; i++) {
    wait_node *node = &of->nodes[i];
    *index = i;
    *node = (wait_node){.waiter = &of->who, .index = i};
    node->file = premap__registry_pin(files[i], &code);
    if (node->file == NULL)
      break;
    of->count++;
    if (node_link(node) && of->any)
      break;
    code = start_all(of);
  }
  return code;
}

/* Nobody works on any of them, and the pool has not taken one for some time: its threads may all be waiting, as this one is. */
static void load_one_if_stuck(const many *of) {
  for (size_t i = 0; i < of->count; i++)
    if (premap__registry_state(of->nodes[i].file) == PREMAP__LOADING)
      return;
  for (size_t i = 0; i < of->count; i++)
    if (load_here(of->nodes[i].file) == 1)
      return;
}

/* For ever. Who waits for all may as well load what nobody has begun; who waits for any would be kept from the first end by
 * that, and so does it only when there would be no end. */
static int sleep_for_ever(many *of) {
  for (size_t i = 0; !of->any && i < of->count; i++) {
    (void)load_here(of->nodes[i].file); /* what cannot be is left to the pool */
    (void)start_all(of);
  }
  while (!waiter_sleep(&of->who, premap__deadline_ns(PREMAP__STUCK_MS))) {
    int code = start_all(of); /* there may be room again */
    if (code != 0)
      return code;
    load_one_if_stuck(of);
  }
  return 0;
}

static int wait_for_nodes(many *of) {
  if (of->for_ever)
    return sleep_for_ever(of);
  return waiter_sleep(&of->who, of->deadline_ns) ? 0 : PREMAP_ETIMEDOUT;
}

static int wait_for_many(const premap_file *files, size_t count, int64_t timeout_ms, bool any, size_t *index) {
  *index = 0;
  if (files == NULL || count == 0)
    return PREMAP_EINVAL;
  many of = {.any = any, .for_ever = timeout_ms < 0, .deadline_ns = premap__deadline_ns(timeout_ms)};
  of.nodes = count <= SIZE_MAX / sizeof *of.nodes ? malloc(count * sizeof *of.nodes) : NULL;
  int code = of.nodes == NULL ? PREMAP_ENOMEM : waiter_begin(&of.who, any ? 1 : count);
  if (code != 0) {
    free(of.nodes);
    return code;
  }
  code = link_all(&of, files, count, index);
  if (code == 0)
    code = wait_for_nodes(&of);
  else if ((code == PREMAP_ETIMEDOUT || code == PREMAP_ENOBUFS) && has_all(&of.who))
    code = 0; /* they have ended while another waited for room */
  /* A node whose file ends now may still count down: all must be out of the lists before the waiter goes. */
  for (size_t i = 0; i < of.count; i++)
    node_unlink(&of.nodes[i]);
  if (code == 0)
    *index = of.who.first;
  for (size_t i = 0; i < of.count; i++) {
    if (!any && code == 0)
      code = premap__file_code(of.nodes[i].file, premap__registry_state(of.nodes[i].file));
    premap__registry_unpin(of.nodes[i].file);
  }
  waiter_end(&of.who);
  free(of.nodes);
  return code;
}

int premap_wait_any(const premap_file *files, size_t count, int64_t timeout_ms, size_t *index) {
  size_t found;
  return wait_for_many(files, count, timeout_ms, true, index != NULL ? index : &found);
}

int premap_wait_all(const premap_file *files, size_t count, int64_t timeout_ms) {
  size_t found;
  return wait_for_many(files, count, timeout_ms, false, &found);
}

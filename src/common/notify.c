/* SPDX-License-Identifier: MIT
 *
 * notify.c - the end of a load, and those who wait for it.
 *
 * A waiting thread leaves a node at each file it waits for; the files' ends count its waiter down and the last one wakes it. So
 * waiting for 100,000 files costs one pass to begin and one to leave, and none in between. A node belongs to the waiting
 * thread, which takes it away before it returns. The lists are guarded by the lock of a bucket the file hashes to, since a
 * mutex a file would cost more memory than the rest of the file.
 */
#include "internal.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

enum {
  BUCKETS = 64,
  STUCK_MS = 100 /* a pool that takes nothing for so long may be waiting for us */
};

typedef struct waiter {
  uv_mutex_t lock;
  uv_cond_t wake;
  size_t remaining; /* ends to come before it wakes */
  size_t first;     /* index of the file whose end came first */
} waiter;

#define NO_INDEX SIZE_MAX

typedef struct premap__wait_node {
  premap__file *file; /* pinned */
  waiter *waiter;
  struct premap__wait_node *prev, *next; /* guarded by the bucket, as is is_linked */
  bool is_linked;
  size_t index;
} wait_node;

static uv_mutex_t buckets[BUCKETS];
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;

static void initialize(void) {
  for (int i = 0; i < BUCKETS && initial_error == 0; i++)
    initial_error = uv_mutex_init(&buckets[i]);
}

static uv_mutex_t *bucket_of(const premap__file *file) {
  return &buckets[file->slot % BUCKETS];
}

uint64_t premap__now_ns(void) {
  return uv_hrtime();
}

uint64_t premap__deadline_ns(int64_t timeout_ms) {
  const uint64_t ns_per_ms = 1000000;
  uint64_t now = premap__now_ns();
  bool ever_ends = timeout_ms >= 0 && (uint64_t)timeout_ms < (INT64_MAX - now) / ns_per_ms;
  return ever_ends ? now + (uint64_t)timeout_ms * ns_per_ms : UINT64_MAX;
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

bool premap__publish(premap__file *file, premap__state from, premap__state to) {
  if (premap__registry_state(file) != from)
    return false;
  /* Before the move, so that who sees the end sees its time; two that race for the end differ by nothing that matters. */
  atomic_store_explicit(&file->finished_ns, premap__now_ns(), memory_order_relaxed);
  if (!premap__registry_move(file, from, to))
    return false;
  /* Who looks at the state under the bucket's lock from now on sees the end and leaves no node. */
  uv_once(&once, initialize);
  if (initial_error != 0)
    return true; /* then nobody could wait either */
  uv_mutex_lock(bucket_of(file));
  wait_node *node, *next;
  DL_FOREACH_SAFE(file->waiters, node, next) {
    DL_DELETE(file->waiters, node);
    node->is_linked = false;
    count_down(node->waiter, node->index);
  }
  uv_mutex_unlock(bucket_of(file));
  return true;
}

/* ---- Waiting */

static bool is_final(premap__state state) {
  return state >= PREMAP__READY;
}

static int waiter_begin(waiter *who, size_t remaining) {
  uv_once(&once, initialize);
  if (initial_error != 0 || uv_mutex_init(&who->lock) != 0)
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
  uv_mutex_lock(bucket_of(node->file));
  bool has_ended = is_final(premap__registry_state(node->file));
  node->is_linked = !has_ended;
  if (has_ended)
    count_down(node->waiter, node->index);
  else
    DL_APPEND(node->file->waiters, node);
  uv_mutex_unlock(bucket_of(node->file));
  return has_ended;
}

static void node_unlink(wait_node *node) {
  uv_mutex_lock(bucket_of(node->file));
  if (node->is_linked)
    DL_DELETE(node->file->waiters, node);
  uv_mutex_unlock(bucket_of(node->file));
}

/* Sleeps until the ends have come: false when the time ran out first. */
static bool waiter_sleep(waiter *who, uint64_t deadline_ns) {
  uv_mutex_lock(&who->lock);
  for (uint64_t now; who->remaining > 0;) {
    if (deadline_ns == UINT64_MAX)
      uv_cond_wait(&who->wake, &who->lock);
    else if ((now = premap__now_ns()) >= deadline_ns)
      break;
    else
      (void)uv_cond_timedwait(&who->wake, &who->lock, deadline_ns - now); /* the loop looks whether it was time or a wake */
  }
  bool came = who->remaining == 0;
  uv_mutex_unlock(&who->lock);
  return came;
}

static int wait_for_one(premap__file *file, int64_t timeout_ms) {
  int code = premap__loader_submit(file);
  if (code != 0)
    return code;
  waiter who;
  code = waiter_begin(&who, 1);
  if (code != 0)
    return code;
  wait_node node = {.file = file, .waiter = &who};
  if (!node_link(&node))
    waiter_sleep(&who, premap__deadline_ns(timeout_ms));
  node_unlink(&node);
  waiter_end(&who);
  return 0;
}

/* Loads a file on this thread if no other has it yet. */
static bool load_here(premap__file *file) {
  if (!premap__worker_claim(file))
    return false;
  premap__loader_withdraw(file);
  premap__worker_load(file);
  return true;
}

int premap_wait(premap_file handle, int64_t timeout_ms, premap_region *region) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap__state state = premap__registry_state(file);
  if (!is_final(state)) {
    /* Who can do nothing but wait may as well work: no hand-off, and no deadlock when every pool thread is busy. */
    if (timeout_ms >= 0 || !load_here(file))
      code = wait_for_one(file, timeout_ms);
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
  wait_node *nodes;
  size_t count; /* of nodes so far: each has a pinned file */
  bool any;     /* waits for the first end, not for all */
  bool for_ever;
} many;

/* Pins and starts files until all have a node, or the waiter has what it waits for. On an error *index is the file's. */
static int link_all(many *of, waiter *who, const premap_file *files, size_t count, size_t *index) {
  int code = 0;
  for (size_t i = 0; i < count && code == 0; i++) {
    wait_node *node = &of->nodes[i];
    *index = i;
    *node = (wait_node){.waiter = who, .index = i};
    node->file = premap__registry_pin(files[i], &code);
    if (node->file == NULL)
      break;
    of->count++;
    if (node_link(node) && of->any)
      break;
    int started = premap__loader_submit(node->file);
    /* Who waits for ever loads on this thread what cannot be started, as premap_wait does. */
    code = of->for_ever ? 0 : started;
  }
  return code;
}

/* Nobody works on any of them, and the pool has not taken one for some time: its threads may all be waiting, as this one is. */
static void load_one_if_stuck(const many *of) {
  for (size_t i = 0; i < of->count; i++)
    if (premap__registry_state(of->nodes[i].file) == PREMAP__LOADING)
      return;
  for (size_t i = 0; i < of->count; i++)
    if (load_here(of->nodes[i].file))
      return;
}

/* For ever. Who waits for all may as well load what nobody has begun; who waits for any would be kept from the first end by
 * that, and so does it only when there would be no end. */
static void sleep_for_ever(const many *of, waiter *who) {
  for (size_t i = 0; !of->any && i < of->count; i++)
    load_here(of->nodes[i].file);
  while (!waiter_sleep(who, of->any ? premap__deadline_ns(STUCK_MS) : UINT64_MAX))
    load_one_if_stuck(of);
}

static int wait_for_nodes(const many *of, waiter *who, int64_t timeout_ms) {
  if (of->for_ever)
    sleep_for_ever(of, who);
  else if (!waiter_sleep(who, premap__deadline_ns(timeout_ms)))
    return PREMAP_ETIMEDOUT;
  return 0;
}

static int wait_for_many(const premap_file *files, size_t count, int64_t timeout_ms, bool any, size_t *index) {
  *index = 0;
  if (files == NULL || count == 0)
    return PREMAP_EINVAL;
  many of = {.any = any, .for_ever = timeout_ms < 0};
  of.nodes = count <= SIZE_MAX / sizeof *of.nodes ? malloc(count * sizeof *of.nodes) : NULL;
  waiter who;
  int code = of.nodes == NULL ? PREMAP_ENOMEM : waiter_begin(&who, any ? 1 : count);
  if (code != 0) {
    free(of.nodes);
    return code;
  }
  code = link_all(&of, &who, files, count, index);
  if (code == 0)
    code = wait_for_nodes(&of, &who, timeout_ms);
  /* A node whose file ends now may still count down: all must be out of the lists before the waiter goes. */
  for (size_t i = 0; i < of.count; i++)
    node_unlink(&of.nodes[i]);
  if (code == 0)
    *index = who.first;
  for (size_t i = 0; i < of.count; i++) {
    if (!any && code == 0)
      code = premap__file_code(of.nodes[i].file, premap__registry_state(of.nodes[i].file));
    premap__registry_unpin(of.nodes[i].file);
  }
  waiter_end(&who);
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

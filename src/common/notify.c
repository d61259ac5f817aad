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

enum { BUCKETS = 64 };

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
static bool waiter_sleep(waiter *who, int64_t timeout_ms) {
  const int64_t ns_per_ms = 1000000;
  bool for_ever = timeout_ms < 0 || timeout_ms > INT64_MAX / ns_per_ms - (int64_t)(premap__now_ns() / (uint64_t)ns_per_ms);
  uint64_t deadline = for_ever ? 0 : premap__now_ns() + (uint64_t)(timeout_ms * ns_per_ms);
  uv_mutex_lock(&who->lock);
  for (uint64_t now; who->remaining > 0;) {
    if (for_ever)
      uv_cond_wait(&who->wake, &who->lock);
    else if ((now = premap__now_ns()) >= deadline)
      break;
    else
      (void)uv_cond_timedwait(&who->wake, &who->lock, deadline - now); /* the loop looks whether it was time or a wake */
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
    waiter_sleep(&who, timeout_ms);
  node_unlink(&node);
  waiter_end(&who);
  return 0;
}

int premap_wait(premap_file handle, int64_t timeout_ms, premap_region *region) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap__state state = premap__registry_state(file);
  if (!is_final(state)) {
    /* Who can do nothing but wait may as well work: no hand-off, and no deadlock when every pool thread is busy. */
    if (timeout_ms < 0 && premap__worker_claim(file)) {
      premap__loader_withdraw(file);
      premap__worker_load(file);
    } else {
      code = wait_for_one(file, timeout_ms);
    }
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

/* Pins and starts files until all have a node, or the waiter has what it waits for. Gives how many nodes there are. */
static int link_all(waiter *who, wait_node *nodes, const premap_file *files, size_t count, bool any, size_t *linked) {
  int code = 0;
  for (*linked = 0; *linked < count && code == 0;) {
    wait_node *node = &nodes[*linked];
    *node = (wait_node){.waiter = who, .index = *linked};
    node->file = premap__registry_pin(files[*linked], &code);
    if (node->file == NULL)
      break;
    ++*linked;
    if (node_link(node) && any)
      break;
    code = premap__loader_submit(node->file);
  }
  return code;
}

static int wait_for_many(const premap_file *files, size_t count, int64_t timeout_ms, bool any, size_t *index) {
  if (files == NULL || count == 0)
    return PREMAP_EINVAL;
  wait_node *nodes = count <= SIZE_MAX / sizeof *nodes ? malloc(count * sizeof *nodes) : NULL;
  waiter who;
  int code = nodes == NULL ? PREMAP_ENOMEM : waiter_begin(&who, any ? 1 : count);
  if (code != 0) {
    free(nodes);
    return code;
  }
  size_t linked;
  code = link_all(&who, nodes, files, count, any, &linked);
  if (code == 0 && !waiter_sleep(&who, timeout_ms))
    code = PREMAP_ETIMEDOUT;
  /* A node whose file ends now may still count down: all must be out of the lists before the waiter goes. */
  for (size_t i = 0; i < linked; i++)
    node_unlink(&nodes[i]);
  *index = code == 0 ? who.first : linked;
  for (size_t i = 0; i < linked; i++) {
    if (!any && code == 0)
      code = premap__file_code(nodes[i].file, premap__registry_state(nodes[i].file));
    premap__registry_unpin(nodes[i].file);
  }
  waiter_end(&who);
  free(nodes);
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

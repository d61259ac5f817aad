/* SPDX-License-Identifier: MIT
 *
 * completion_queue.c - ended files, for whoever asks next, and a descriptor that is readable while there are any.
 */
#include "internal.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

/* Guarded by its monitor. */
struct premap_queue {
  premap_queue *prev, *next;
  premap__note *notes;
  size_t references; /* the user's, and one of each note that may still come */
  bool is_closed;
  premap__os_event event; /* set while there are notes */
};

static premap_queue *queues;
static uv_mutex_t list_lock; /* guards queues; a monitor may be entered with it */
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;

static void initialize(void) {
  initial_error = premap__monitors_ready() ? uv_mutex_init(&list_lock) : UV_ENOMEM;
}

int premap_queue_create(premap_queue **queue) {
  if (queue == NULL)
    return PREMAP_EINVAL;
  *queue = NULL;
  uv_once(&once, initialize);
  if (initial_error != 0)
    return PREMAP_ENOMEM;
  premap_queue *made = calloc(1, sizeof *made);
  if (made == NULL)
    return PREMAP_ENOMEM;
  int code = premap__os_event_open(&made->event).code;
  if (code != 0) {
    free(made);
    return code;
  }
  made->references = 1;
  uv_mutex_lock(&list_lock);
  DL_APPEND(queues, made);
  uv_mutex_unlock(&list_lock);
  *queue = made;
  return 0;
}

void premap__completion_retain(premap_queue *queue) {
  premap__monitor *monitor = premap__monitor_enter(queue);
  queue->references++;
  uv_mutex_unlock(&monitor->lock);
}

/* Leaves the monitor too. */
static void release(premap_queue *queue, premap__monitor *monitor) {
  bool last = --queue->references == 0;
  uv_mutex_unlock(&monitor->lock);
  if (!last)
    return;
  uv_mutex_lock(&list_lock);
  DL_DELETE(queues, queue);
  uv_mutex_unlock(&list_lock);
  premap__os_event_close(&queue->event);
  free(queue);
}

void premap__completion_release(premap_queue *queue) {
  release(queue, premap__monitor_enter(queue));
}

/* The note's reference goes with it. */
void premap__completion_put(premap_queue *queue, premap__note *note) {
  premap__monitor *monitor = premap__monitor_enter(queue);
  if (queue->is_closed) {
    free(note);
  } else {
    if (queue->notes == NULL)
      premap__os_event_set(&queue->event);
    DL_APPEND(queue->notes, note);
    uv_cond_broadcast(&monitor->changed);
  }
  release(queue, monitor);
}

static size_t take(premap_queue *queue, premap_completion *entries, size_t capacity) {
  size_t count = 0;
  for (premap__note *note; count < capacity && (note = queue->notes) != NULL; count++) {
    DL_DELETE(queue->notes, note);
    entries[count] = note->told;
    free(note);
  }
  if (count > 0 && queue->notes == NULL)
    premap__os_event_clear(&queue->event);
  return count;
}

int64_t premap_queue_poll(premap_queue *queue, premap_completion *entries, size_t capacity, int64_t timeout_ms) {
  if (queue == NULL || entries == NULL || capacity == 0)
    return PREMAP_EINVAL;
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  premap__monitor *monitor = premap__monitor_enter(queue);
  queue->references++;
  while (queue->notes == NULL && !queue->is_closed)
    if (!premap__wait_until(&monitor->changed, &monitor->lock, deadline_ns))
      break;
  size_t count = take(queue, entries, capacity);
  bool is_closed = queue->is_closed;
  release(queue, monitor);
  return is_closed ? PREMAP_EBADF : (int64_t)count;
}

intptr_t premap_queue_fd(premap_queue *queue) {
  return queue != NULL ? premap__os_event_descriptor(&queue->event) : PREMAP_EINVAL;
}

void premap_queue_close(premap_queue *queue) {
  if (queue == NULL)
    return;
  premap__monitor *monitor = premap__monitor_enter(queue);
  queue->is_closed = true;
  premap__note *note, *next;
  DL_FOREACH_SAFE(queue->notes, note, next) {
    DL_DELETE(queue->notes, note);
    free(note);
  }
  uv_cond_broadcast(&monitor->changed);
  release(queue, monitor);
}

/* ---- The child of a fork */

/* The parent's event stays the parent's: to clear it here would be to lose it there. */
static void renew(premap_queue *queue) {
  queue->is_closed = queue->is_closed || premap__os_event_renew(&queue->event).code != 0;
  if (queue->notes != NULL && !queue->is_closed)
    premap__os_event_set(&queue->event);
}

void premap__completion_queue_fork(premap__fork_stage stage) {
  uv_once(&once, initialize);
  if (initial_error != 0)
    return;
  if (stage == PREMAP__FORK_PREPARE) {
    uv_mutex_lock(&list_lock);
    return;
  }
  premap_queue *queue;
  if (stage == PREMAP__FORK_CHILD)
    DL_FOREACH(queues, queue) {
      renew(queue);
    }
  uv_mutex_unlock(&list_lock);
}

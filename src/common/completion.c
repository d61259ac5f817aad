/* SPDX-License-Identifier: MIT
 *
 * completion.c - tells programs that do not wait that a file has ended: by a callback, or by an entry of a queue.
 *
 * What tells it is a note, made with the file, so that telling cannot fail. It is sent once the file was started and has ended,
 * by whichever of the two comes second: from then on it belongs to the receiver. Callbacks of loaders that have no loop of the
 * host's are made on one thread of the library's own, so that one that blocks holds up other callbacks, but no load.
 */
#include "schedule.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

/* ---- The library's own thread for callbacks */

static struct {
  uv_mutex_t lock; /* guards all of it */
  uv_cond_t changed;
  int initial_error;
  enum { TELLER_STOPPED, TELLER_RUNNING, TELLER_ENDING } stage; /* ENDING: somebody waits for its thread, and then joins it */
  bool has_left;
  premap__note *notes; /* to be told, in order */
  size_t expected;     /* notes of started files that are not told yet */
  unsigned forks;      /* a callback that forks comes back twice, but in the child the thread is the library's no more */
  uv_thread_t thread;
} teller;
static uv_once_t once = UV_ONCE_INIT;

static void initialize(void) {
  teller.initial_error = uv_mutex_init(&teller.lock);
  if (teller.initial_error == 0)
    teller.initial_error = uv_cond_init(&teller.changed);
}

void premap__note_tell(premap__note *note) {
  note->callback(note->told.file, note->told.result, note->told.user_data);
  free(note);
}

static void run_teller(void *argument) {
  (void)argument;
  premap__os_leave_signals();
  uv_mutex_lock(&teller.lock);
  while (teller.stage == TELLER_RUNNING || teller.expected > 0) {
    premap__note *note = teller.notes;
    if (note == NULL) {
      uv_cond_wait(&teller.changed, &teller.lock);
      continue;
    }
    DL_DELETE(teller.notes, note);
    unsigned forks = teller.forks;
    uv_mutex_unlock(&teller.lock);
    premap__note_tell(note);
    uv_mutex_lock(&teller.lock);
    if (teller.forks != forks)
      break;
    teller.expected--;
  }
  teller.has_left = true; /* in such a child nobody asks */
  uv_cond_broadcast(&teller.changed);
  uv_mutex_unlock(&teller.lock);
}

/* The thread will be there when the note is to be told. */
static int expect_note(void) {
  uv_once(&once, initialize);
  if (teller.initial_error != 0)
    return PREMAP_ENOMEM;
  uv_mutex_lock(&teller.lock);
  while (teller.stage == TELLER_ENDING && teller.has_left)
    uv_cond_wait(&teller.changed, &teller.lock);
  int code = 0;
  if (teller.stage == TELLER_STOPPED) {
    teller.has_left = false;
    code = uv_thread_create(&teller.thread, run_teller, NULL); /* waits for the lock */
    if (code == 0)
      teller.stage = TELLER_RUNNING;
  }
  if (code == 0)
    teller.expected++;
  uv_mutex_unlock(&teller.lock);
  return code; /* libuv's codes are ours */
}

static void hand_to_teller(premap__note *note) {
  uv_mutex_lock(&teller.lock);
  DL_APPEND(teller.notes, note);
  uv_cond_broadcast(&teller.changed);
  uv_mutex_unlock(&teller.lock);
}

bool premap__completion_is_own_thread(void) {
  uv_once(&once, initialize);
  if (teller.initial_error != 0)
    return false;
  uv_mutex_lock(&teller.lock);
  uv_thread_t self = uv_thread_self();
  bool is_own = teller.stage != TELLER_STOPPED && uv_thread_equal(&teller.thread, &self) != 0;
  uv_mutex_unlock(&teller.lock);
  return is_own;
}

bool premap__completion_stop(uint64_t deadline_ns) {
  uv_once(&once, initialize);
  if (teller.initial_error != 0)
    return true;
  uv_mutex_lock(&teller.lock);
  while (teller.stage == TELLER_ENDING)
    if (!premap__wait_until(&teller.changed, &teller.lock, deadline_ns))
      break;
  bool ends = teller.stage == TELLER_RUNNING;
  bool ended = teller.stage == TELLER_STOPPED;
  if (ends) {
    teller.stage = TELLER_ENDING;
    uv_cond_broadcast(&teller.changed);
    while (!teller.has_left)
      if (!premap__wait_until(&teller.changed, &teller.lock, deadline_ns))
        break;
    ended = teller.has_left;
    if (ended)
      uv_thread_join(&teller.thread);
    teller.stage = ended ? TELLER_STOPPED : TELLER_RUNNING;
    uv_cond_broadcast(&teller.changed);
  }
  uv_mutex_unlock(&teller.lock);
  return ended;
}

/* ---- Notes */

int premap__note_make(premap__note **made, const premap__plan *plan) {
  *made = NULL;
  if (plan->callback == NULL && plan->queue == NULL)
    return 0;
  premap__note *note = calloc(1, sizeof *note);
  if (note == NULL)
    return PREMAP_ENOMEM;
  note->callback = plan->callback;
  note->queue = plan->queue;
  note->told.user_data = plan->user_data;
  if (note->queue != NULL)
    premap__completion_retain(note->queue);
  *made = note;
  return 0;
}

void premap__note_free(premap__note *note) {
  if (note != NULL && note->queue != NULL)
    premap__completion_release(note->queue);
  free(note);
}

static void send_note(premap__file *file) {
  premap__note *note = file->note;
  file->note = NULL;
  if (note->queue != NULL)
    premap__completion_put(note->queue, note);
  else if (file->plan->loader->host != NULL)
    premap__host_tell(file->plan->loader->host, note);
  else
    hand_to_teller(note);
}

/* True for the second of the two. */
static bool arrive(premap__note *note) {
  return atomic_fetch_add_explicit(&note->arrivals, 1, memory_order_acq_rel) == 1;
}

int premap__note_start(premap__file *file) {
  premap__note *note = file->note;
  if (note == NULL)
    return 0;
  int code = 0;
  if (note->queue == NULL && file->plan->loader->host != NULL)
    note->is_known_to_host = premap__host_expect(file->plan->loader->host);
  else if (note->queue == NULL)
    code = expect_note();
  if (code == 0 && arrive(note))
    send_note(file);
  return code;
}

void premap__note_end(premap__file *file, int result) {
  premap__note *note = file->note;
  if (note == NULL)
    return;
  note->told.file = file->handle;
  note->told.result = result;
  if (arrive(note))
    send_note(file);
}

/* ---- The child of a fork */

void premap__completion_fork(premap__fork_stage stage) {
  uv_once(&once, initialize);
  if (teller.initial_error != 0)
    return;
  if (stage == PREMAP__FORK_PREPARE) {
    uv_mutex_lock(&teller.lock);
    return;
  }
  if (stage == PREMAP__FORK_CHILD) {
    (void)uv_cond_init(&teller.changed); /* those who waited are gone, but it still counts them */
    premap__note *note, *next;
    DL_FOREACH_SAFE(teller.notes, note, next) {
      DL_DELETE(teller.notes, note);
      free(note);
    }
    teller.stage = TELLER_STOPPED;
    teller.expected = 0;
    teller.forks++;
  }
  uv_mutex_unlock(&teller.lock);
}

void premap__completion_disown(premap__file *file) {
  if (file->note == NULL || file->note->queue != NULL)
    return;
  free(file->note);
  file->note = NULL;
}

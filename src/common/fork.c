/* SPDX-License-Identifier: MIT
 *
 * fork.c - what the child of a fork has of the library.
 *
 * Of the parent's threads only the one that forks is in the child. So every lock is held across the fork, in their order: none
 * is left locked for ever, and all that they guard is whole. Then the child forgets the threads: what they waited for, and the
 * pool, which it makes anew when it starts a file. A file that was in a thread's hands may be half made. It is FAILED there,
 * and whatever it had stays until the child ends; the same goes for a file that was closed in the parent while a thread still
 * had it.
 */
#include "schedule.h"

static void on_each(premap__fork_stage stage) {
  premap__schedule_fork(stage);
  premap__completion_queue_fork(stage);
  premap__monitors_fork(stage);
  premap__completion_fork(stage);
  premap__budget_fork(stage);
  premap__region_fork(stage);
  premap__registry_fork(stage);
}

static void prepare(void) {
  on_each(PREMAP__FORK_PREPARE);
}

static void in_parent(void) {
  on_each(PREMAP__FORK_PARENT);
}

/* No thread has it now, and nobody is told of its end but who asks. */
static void orphan(premap__file *file) {
  bool is_whole = file->place == PREMAP__NOWHERE || file->place == PREMAP__QUEUED || premap__place_is_aside(file);
  premap__state state = premap__registry_state(file);
  file->waiters = NULL;
  file->place = PREMAP__NOWHERE;
  file->is_copying = false;
  if (state >= PREMAP__READY || !premap__file_was_started(file))
    return;
  if (!is_whole) {
    file->base_size = 0;
    file->descriptor = PREMAP__NO_FILE;
  }
  premap__completion_disown(file);
}

static void fail(premap__file *file) {
  premap__state state = premap__registry_state(file);
  if (state < PREMAP__READY && premap__file_was_started(file))
    premap__publish(file, state, PREMAP__CANCELLED);
}

static void in_child(void) {
  premap__registry_orphan(orphan);
  on_each(PREMAP__FORK_CHILD);
  premap__registry_each(fail);
}

bool premap__fork_ready(void) {
  return premap__os_at_fork(prepare, in_parent, in_child).code == 0;
}

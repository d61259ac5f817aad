/* SPDX-License-Identifier: MIT
 *
 * loader.c - which file is loaded next, and by whom.
 *
 * Each loader has its own order of files and its own limits; the pool's threads (pool.c) work for all of them.
 */
#include "schedule.h"

#include <utlist.h>

static uint32_t tickets; /* guarded by the scheduler's lock */

/* ---- On pool threads */

/* The file that a pool thread should take next. */
static premap__file *choose(void) {
  premap__file *best = NULL;
  premap_loader *loader;
  DL_FOREACH(premap__schedule_loaders_locked(), loader) {
    if (loader->is_closed || loader->counts[PREMAP__RUNNING] + loader->assistants >= loader->limits.workers)
      continue; /* what is closed is being cancelled, without the lock at times */
    premap__file *first = premap__order_first(&loader->waiting);
    if (first != NULL && first->place == PREMAP__QUEUED && !premap__place_may_begin(loader))
      first = loader->counts[PREMAP__SUSPENDED] > 0 ? premap__order_first_aside(&loader->waiting) : NULL;
    if (first != NULL && (best == NULL || premap__order_is_before(first, best)))
      best = first;
  }
  return best;
}

/* Claimed or cancelled by somebody else meanwhile: it only loses the order's pin. Without the lock for a moment. */
static void pass_over_locked(premap__file *file) {
  bool was_suspended = file->place == PREMAP__SUSPENDED;
  premap__place_leave(file);
  premap__wakes wakes = premap__schedule_unlock_only(); /* whose turn comes when the caller gives the lock back */
  if (was_suspended)
    premap__worker_abandon(file);
  premap__registry_unpin(file);
  premap__schedule_lock();
  premap__schedule_wake_later_locked(wakes);
}

/* The next file, LOADING and ours, or null. */
static premap__file *take_locked(uint64_t now_ns) {
  for (;;) {
    premap__file *file = premap__pool_is_stopping_locked() ? NULL : choose();
    if (file == NULL)
      return NULL;
    if (file->place == PREMAP__SUSPENDED ? premap__worker_is_wanted(file) : premap__worker_claim(file, now_ns)) {
      premap__place_move(file, PREMAP__RUNNING);
      return file;
    }
    pass_over_locked(file);
  }
}

/* Files that wait for a thread, and not for another file's end. */
static size_t takeable(const premap_loader *loader) {
  if (loader->is_closed)
    return 0;
  size_t suspended = loader->counts[PREMAP__SUSPENDED];
  size_t queued = loader->counts[PREMAP__QUEUED];
  uint64_t room = loader->limits.open_files > premap__place_begun(loader)
                      ? loader->limits.open_files - premap__place_begun(loader)
                      : 0;
  return suspended + (queued < room ? queued : (size_t)room);
}

bool premap__loader_has_work_locked(void) {
  return choose() != NULL;
}

bool premap__loader_has_waiting_locked(void) {
  premap_loader *loader;
  DL_FOREACH(premap__schedule_loaders_locked(), loader) {
    if (takeable(loader) > 0 && loader->counts[PREMAP__RUNNING] < loader->limits.workers)
      return true;
  }
  return false;
}

size_t premap__loader_wanted_locked(void) {
  size_t wanted = 0;
  premap_loader *loader;
  DL_FOREACH(premap__schedule_loaders_locked(), loader) {
    size_t own = loader->counts[PREMAP__RUNNING] + takeable(loader);
    wanted += own < loader->limits.workers ? own : (size_t)loader->limits.workers;
  }
  return wanted;
}

/* In one step, so that who hears of the end finds the file in no place, and soon without our pin, and who sees it in no place
 * finds it ended. */
static bool publish_locked(premap__file *file, premap__state to, uint64_t now_ns) {
  premap__place_leave(file);
  bool published = premap__publish_locked(file, PREMAP__LOADING, to, now_ns);
  premap__place_let_host_go(file);
  return published;
}

void premap__loader_publish(premap__file *file, premap__state to) {
  uint64_t now = premap__now_ns();
  premap__schedule_lock();
  bool published = publish_locked(file, to, now);
  premap__schedule_unlock();
  if (!published)
    premap__worker_drop(file);
}

/* A file's end and the next one's beginning take the lock once: for small files that counts. Whoever waited for the end is
 * woken when our pin has gone, so that closing the file gives back what it has at once. */
bool premap__loader_work(uint64_t end_ns) {
  bool is_one_too_many = false;
  premap__schedule_lock();
  premap__file *file = take_locked(premap__now_ns());
  premap__schedule_unlock();
  while (file != NULL) {
    premap__state end = premap__worker_load(file);
    bool has_ended = end != PREMAP__LOADING; /* else the thread is for what is urgent, however long it has been ours */
    uint64_t now = premap__now_ns();
    bool goes_on = !has_ended || now < end_ns;
    premap__file *done = has_ended ? file : NULL;
    premap__schedule_lock();
    bool published = has_ended && publish_locked(file, end, now);
    is_one_too_many = !has_ended && premap__pool_gives_way_locked();
    file = goes_on && !is_one_too_many && !premap__pool_has_too_many() ? take_locked(now) : NULL;
    premap__wakes wakes = premap__schedule_unlock_only();
    if (published)
      premap__registry_unpin(done);
    premap__schedule_wake(wakes);
    if (done != NULL && !published) {
      premap__worker_drop(done);
      premap__registry_unpin(done);
    }
  }
  return !is_one_too_many;
}

/* ---- Start and withdraw, from any thread */

/* Finds a thread for what is queued: a new one, or one that pauses. */
static void attract_locked(void) {
  premap__schedule_end_pauses_locked();
  if (premap__chunk_has_waiters_locked())
    premap__schedule_changed();
  premap__pool_attract_locked();
}

static bool may_start(const premap__file *file) {
  return file->place == PREMAP__NOWHERE && premap__registry_state(file) == PREMAP__PENDING;
}

/* Waits for room in the order, as long as the loader's owner chose and the caller has patience. */
static int wait_for_room_locked(const premap__file *file, const premap__patience *patience) {
  premap_loader *loader = file->plan->loader;
  if (loader->counts[PREMAP__QUEUED] < loader->limits.queued)
    return 0;
  int64_t chosen_ms = patience->insists ? -1 : loader->limits.queued_wait_ms;
  if (chosen_ms == 0 || patience->deadline_ns == 0)
    return PREMAP_ENOBUFS;
  uint64_t chosen_ns = premap__deadline_ns(chosen_ms);
  bool has_time = true, is_over = false;
  loader->starts_waiting++;
  while (has_time && !is_over && loader->counts[PREMAP__QUEUED] >= loader->limits.queued && may_start(file)) {
    has_time = premap__schedule_wait(chosen_ns < patience->deadline_ns ? chosen_ns : patience->deadline_ns);
    is_over = patience->is_over != NULL && patience->is_over(patience->of_whom);
  }
  loader->starts_waiting--;
  return is_over ? PREMAP_ETIMEDOUT : has_time ? 0 : chosen_ns <= patience->deadline_ns ? PREMAP_ENOBUFS : PREMAP_ETIMEDOUT;
}

static int prepare_start_locked(premap__file *file, const premap__patience *patience) {
  premap_loader *loader = file->plan->loader;
  if (loader->is_closed)
    return PREMAP_ECANCELED;
  int code = premap__pool_start_locked();
  if (code == 0)
    code = wait_for_room_locked(file, patience);
  /* Meanwhile the loader may have been closed, or the pool stopped. */
  if (code == 0)
    code = loader->is_closed ? PREMAP_ECANCELED : premap__pool_start_locked();
  if (code == 0 && file->deadline_ns != 0 && !premap__order_reserve(&loader->waiting, loader->deadlines + 1))
    code = PREMAP_ENOMEM;
  if (code == 0 && !premap__registry_pin_more(file))
    code = PREMAP_EOVERFLOW;
  return code;
}

static void note_start_locked(premap__file *file, uint64_t now) {
  uint64_t before = 0;
  if (!atomic_compare_exchange_strong_explicit(&file->queue_span, &before, now, memory_order_relaxed, memory_order_relaxed)) {
    atomic_store_explicit(&file->queue_span, PREMAP__MEASURED, memory_order_relaxed);
    premap__loader_count(file->plan->loader, file, PREMAP__CANCELLED, true); /* which is how an end comes before the start */
  }
  if (file->deadline_ns != 0)
    file->deadline_ns = file->deadline_ns < UINT64_MAX - now ? file->deadline_ns + now : UINT64_MAX;
  file->plan->loader->started++;
}

static int submit_locked(premap__file *file, const premap__patience *patience) {
  if (premap__file_was_started(file))
    return 0;
  if (!may_start(file)) { /* cancelled, or a waiting thread has it */
    note_start_locked(file, premap__now_ns());
    return premap__note_start(file);
  }
  int code = prepare_start_locked(file, patience);
  if (code != 0)
    return code;
  if (!may_start(file)) { /* so too, while this thread waited for room */
    premap__registry_unpin(file);
    if (premap__file_was_started(file))
      return 0;
    note_start_locked(file, premap__now_ns());
    return premap__note_start(file);
  }
  code = premap__note_start(file);
  if (code != 0) {
    premap__registry_unpin(file);
    return code;
  }
  note_start_locked(file, premap__now_ns());
  /* Where there is a callback, that does it. */
  if (file->plan->loader->host != NULL && file->plan->callback == NULL)
    file->is_known_to_host = premap__host_started(file->plan->loader->host);
  file->ticket = tickets++;
  premap__place_move(file, PREMAP__QUEUED);
  attract_locked();
  return 0;
}

int premap__loader_submit(premap__file *file, const premap__patience *patience) {
  if (!premap__schedule_ready())
    return PREMAP_ENOMEM;
  if (premap__inline_load(file))
    return 0;
  premap__schedule_lock();
  int code = submit_locked(file, patience);
  premap__schedule_unlock();
  return code;
}

bool premap__loader_withdraw(premap__file *file) {
  if (!premap__schedule_ready())
    return false; /* then nothing was ever started */
  premap__schedule_lock();
  bool was_aside = premap__place_is_aside(file);
  bool was_ours = was_aside || file->place == PREMAP__QUEUED;
  premap__place_let_host_go(file);
  if (was_ours) {
    premap__place_leave(file);
  } else {
    premap__schedule_changed(); /* its start may wait for room */
    premap__schedule_landed_locked();
  }
  premap__schedule_unlock();
  if (was_ours)
    premap__registry_unpin(file);
  return was_aside;
}

int premap__loader_help(premap__file *file) {
  if (!premap__schedule_ready())
    return PREMAP_ENOMEM;
  premap__schedule_lock();
  const premap_loader *loader = file->plan->loader;
  bool has_room = premap__place_is_aside(file) || premap__place_begun(loader) < loader->limits.open_files;
  int code = loader->is_closed ? PREMAP_ECANCELED : 0;
  uint64_t now = premap__now_ns();
  if (code == 0 && has_room && !premap__file_was_started(file)) {
    code = premap__note_start(file);
    if (code == 0)
      note_start_locked(file, now);
  }
  bool was_ours = premap__place_is_aside(file) || file->place == PREMAP__QUEUED;
  bool helps = code == 0 && has_room &&
               (premap__place_is_aside(file) ? premap__worker_is_wanted(file) : premap__worker_claim(file, now));
  if (helps) {
    file->is_helped = true;
    premap__place_move(file, PREMAP__HELPED);
  }
  premap__schedule_unlock();
  if (helps && was_ours)
    premap__registry_unpin(file);
  return helps ? 1 : code;
}

/* The host's loop need not stay alive for it: where it is told of the end, the note sees to that. */
bool premap__loader_begin_here(premap__file *file) {
  if (!premap__schedule_ready())
    return false;
  premap__schedule_lock();
  bool begins = !file->plan->loader->is_closed && !premap__pool_is_stopping_locked() && !premap__file_was_started(file) &&
                may_start(file) && premap__note_start(file) == 0;
  if (begins) {
    uint64_t now = premap__now_ns();
    note_start_locked(file, now);
    begins = premap__worker_claim(file, now); /* or it was cancelled right now */
  }
  if (begins) {
    file->is_helped = true;
    premap__place_move(file, PREMAP__HELPED);
  }
  premap__schedule_unlock();
  return begins;
}

/* ---- Change the order */

/* The file keeps its turn among those with the same deadline, but comes last among those of its new priority that have none. */
static int reorder_locked(premap__file *file, int priority, uint64_t deadline_ns) {
  premap_loader *loader = file->plan->loader;
  uint8_t place = file->place;
  bool is_new = place != PREMAP__NOWHERE && file->deadline_ns == 0 && deadline_ns != 0;
  if (is_new && !premap__order_reserve(&loader->waiting, loader->deadlines + 1))
    return PREMAP_ENOMEM;
  premap__place_reorder(file, priority, deadline_ns);
  if (place != PREMAP__NOWHERE)
    attract_locked();
  return 0;
}

/* As file->deadline_ns has it: 0 is none, and before the start it is a span. */
static uint64_t deadline_of(const premap__file *file, int64_t timeout_ms) {
  if (timeout_ms < 0)
    return 0;
  uint64_t now = premap__now_ns();
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  return premap__file_was_started(file) ? deadline_ns : deadline_ns - now + 1;
}

static int reorder(premap_file handle, const int32_t *priority, const int64_t *timeout_ms) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  code = premap__schedule_ready() ? 0 : PREMAP_ENOMEM;
  if (code == 0) {
    premap__schedule_lock();
    uint64_t deadline_ns = timeout_ms != NULL ? deadline_of(file, *timeout_ms) : file->deadline_ns;
    code = reorder_locked(file, priority != NULL ? *priority : atomic_load_explicit(&file->priority, memory_order_relaxed),
                          deadline_ns);
    premap__schedule_unlock();
  }
  premap__registry_unpin(file);
  return code;
}

int premap_set_priority(premap_file handle, int32_t priority) {
  if (priority < PREMAP_PRIORITY_MIN || priority > PREMAP_PRIORITY_MAX)
    return PREMAP_EINVAL;
  return reorder(handle, &priority, NULL);
}

int premap_set_deadline(premap_file handle, int64_t timeout_ms) {
  return reorder(handle, NULL, &timeout_ms);
}

/* ---- Cancel all */

static void cancel_begun_locked(const premap_loader *loader) {
  uint64_t now = premap__now_ns();
  premap__file *file;
  DL_FOREACH(loader->begun, file) {
    if (premap__publish_locked(file, PREMAP__LOADING, PREMAP__CANCELLED, now))
      premap__place_let_host_go(file);
  }
  premap__schedule_end_pauses_locked();
  premap__schedule_changed();
  premap__schedule_landed_locked();
}

static premap__file *find_waiting(const premap_loader *loader) {
  premap__file *file = premap__order_first(&loader->waiting);
  if (file != NULL)
    return file;
  DL_FOREACH(loader->begun, file) {
    if (premap__place_is_aside(file))
      return file;
  }
  return NULL;
}

/* A file that waits is cancelled without the lock, which its end needs. */
static void cancel_waiting_locked(premap__file *file) {
  bool was_aside = premap__place_is_aside(file);
  premap__place_leave(file);
  premap__schedule_unlock();
  premap__file_cancel(file);
  if (was_aside)
    premap__worker_abandon(file);
  premap__registry_unpin(file);
  premap__schedule_lock();
}

void premap__loader_cancel_locked(premap_loader *loader) {
  cancel_begun_locked(loader);
  for (premap__file *file; (file = find_waiting(loader)) != NULL;)
    cancel_waiting_locked(file);
}

static premap__file *find_waiting_of_all(void) {
  premap__file *file = NULL;
  premap_loader *loader;
  DL_FOREACH(premap__schedule_loaders_locked(), loader) {
    file = find_waiting(loader);
    if (file != NULL)
      break;
  }
  return file;
}

/* While the lock is not held a loader may go: so the search for each file begins anew. */
void premap__loader_cancel_all_locked(void) {
  premap_loader *loader;
  DL_FOREACH(premap__schedule_loaders_locked(), loader) {
    cancel_begun_locked(loader);
  }
  for (premap__file *file; (file = find_waiting_of_all()) != NULL;)
    cancel_waiting_locked(file);
}

int premap_shutdown(int64_t timeout_ms) {
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  if (!premap__schedule_ready())
    return 0;
  if (premap__completion_is_own_thread())
    return PREMAP_EDEADLK;
  premap__schedule_lock();
  bool ended = premap__pool_stop_locked(deadline_ns);
  if (premap__default_loader.deadlines == 0) /* so that a library which is unloaded leaves nothing behind */
    premap__order_free(&premap__default_loader.waiting);
  premap__schedule_unlock();
  (void)premap__deferred_unmap();
  return ended && premap__completion_stop(deadline_ns) ? 0 : PREMAP_ETIMEDOUT;
}

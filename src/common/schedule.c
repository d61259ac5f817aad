/* SPDX-License-Identifier: MIT
 *
 * schedule.c - the lock under which files are scheduled, the place of each file, what is urgent, and who lacks something.
 */
#include "schedule.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

enum { EXIT_MS = 1000 };

static uv_mutex_t lock;
static uv_cond_t changed;   /* something has left its place, or the pool has changed */
static uv_cond_t pauses;    /* a pause may have to end */
static uv_cond_t calls;     /* a thread of the pool that lingers is called */
static premap__wakes wakes; /* for when the lock is given back, into which those would only run */
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;
static premap_loader *loaders; /* all, the default one among them */
/* The highest priority for which a pool thread could begin something: what workers look at between chunks, without the lock and
 * so relaxed. */
static atomic_int most_urgent = PREMAP_PRIORITY_MIN - 1;
/* Files that are; changed under the lock, but looked at without by those who give something back. */
static atomic_size_t starved;
/* How often something was given back, by kind. Who lacks something has looked at it before: either it finds it changed when it
 * is counted as starved, or who gives something back finds it there. So both are sequentially consistent. */
static _Atomic uint64_t frees[2];
static size_t awaiting_flights; /* files that starve only for that, and are not among the starved */
static uint64_t moves;          /* changes of place */

premap_loader premap__default_loader;

static void at_exit(void) {
  if (premap__os_threads_are_gone())
    return;
  (void)premap_shutdown(EXIT_MS); /* nobody is left to be told */
  premap__pool_revive();
}

static void initialize(void) {
  initial_error = uv_mutex_init(&lock);
  if (initial_error == 0)
    initial_error = uv_cond_init(&changed);
  if (initial_error == 0)
    initial_error = uv_cond_init(&pauses);
  if (initial_error == 0)
    initial_error = uv_cond_init(&calls);
  if (initial_error == 0 && atexit(at_exit) != 0)
    initial_error = UV_ENOMEM;
  premap__loader_set_limits(&premap__default_loader, NULL);
  DL_APPEND(loaders, &premap__default_loader);
}

bool premap__schedule_ready(void) {
  uv_once(&once, initialize);
  return initial_error == 0;
}

void premap__schedule_lock(void) {
  premap__lock_briefly(&lock);
}

/* With the lock held. */
static premap__wakes take_wakes(void) {
  premap__wakes taken = wakes;
  wakes = (premap__wakes){false, 0};
  return taken;
}

void premap__schedule_wake(premap__wakes whom) {
  if (whom.calls)
    uv_cond_signal(&calls);
  premap__monitors_wake(whom.sleeping);
}

premap__wakes premap__schedule_unlock_only(void) {
  premap__wakes taken = take_wakes();
  uv_mutex_unlock(&lock);
  return taken;
}

void premap__schedule_unlock(void) {
  premap__schedule_wake(premap__schedule_unlock_only());
}

/* Gives the lock back until somebody says so, or the time has passed. */
static bool sleep_until(uv_cond_t *condition, uint64_t deadline_ns) {
  premap__schedule_wake(take_wakes());
  return premap__wait_until(condition, &lock, deadline_ns);
}

void premap__schedule_changed(void) {
  uv_cond_broadcast(&changed);
}

bool premap__schedule_wait(uint64_t deadline_ns) {
  return sleep_until(&changed, deadline_ns);
}

bool premap__schedule_pause_locked(uint64_t deadline_ns) {
  return sleep_until(&pauses, deadline_ns);
}

void premap__schedule_end_pauses_locked(void) {
  uv_cond_broadcast(&pauses);
}

bool premap__schedule_linger_locked(uint64_t deadline_ns) {
  return sleep_until(&calls, deadline_ns);
}

void premap__schedule_call_locked(void) {
  wakes.calls = true;
}

void premap__schedule_wake_locked(premap__monitors more) {
  wakes.sleeping |= more;
}

void premap__schedule_wake_later_locked(premap__wakes more) {
  wakes.calls |= more.calls;
  wakes.sleeping |= more.sleeping;
}

premap_loader *premap__schedule_loaders_locked(void) {
  return loaders;
}

void premap__schedule_list_locked(premap_loader *loader, bool add) {
  if (add)
    DL_APPEND(loaders, loader);
  else
    DL_DELETE(loaders, loader);
}

/* ---- Places. With the lock held */

static int priority_of(const premap__file *file) {
  return atomic_load_explicit(&file->priority, memory_order_relaxed);
}

size_t premap__place_begun(const premap_loader *loader) {
  const size_t *counts = loader->counts;
  return counts[PREMAP__RUNNING] + counts[PREMAP__HELPED] + counts[PREMAP__SUSPENDED] + counts[PREMAP__STARVED];
}

/* Where there are as many begun as there may be, none gives way either: so suspended files are always fewer, and one that ends
 * makes room. */
bool premap__place_may_begin(const premap_loader *loader) {
  return loader->counts[PREMAP__RUNNING] + loader->assistants < loader->limits.workers &&
         premap__place_begun(loader) < loader->limits.open_files;
}

static int urgency_of(const premap_loader *loader) {
  const premap__file *first = premap__order_first(&loader->waiting);
  return first != NULL && !loader->is_closed && premap__place_begun(loader) < loader->limits.open_files
             ? priority_of(first)
             : PREMAP_PRIORITY_MIN - 1;
}

/* True: it rises. */
static bool set_level(atomic_int *level, int urgency) {
  int before = atomic_load_explicit(level, memory_order_relaxed);
  atomic_store_explicit(level, urgency, memory_order_relaxed);
  return urgency > before;
}

static void note_urgency(void) {
  int highest = PREMAP_PRIORITY_MIN - 1;
  bool is_higher = false;
  premap_loader *loader;
  DL_FOREACH(loaders, loader) {
    int urgency = urgency_of(loader);
    /* Its own running files can give it their thread; those of other loaders only if it may have one more. */
    is_higher = set_level(&loader->most_urgent, urgency) || is_higher;
    if (premap__place_may_begin(loader) && urgency > highest)
      highest = urgency;
  }
  is_higher = set_level(&most_urgent, highest) || is_higher;
  if (is_higher) /* who pauses may have to give way */
    premap__schedule_end_pauses_locked();
}

bool premap__schedule_is_urgent(const premap__file *file) {
  int priority = priority_of(file);
  return atomic_load_explicit(&most_urgent, memory_order_relaxed) > priority ||
         atomic_load_explicit(&file->plan->loader->most_urgent, memory_order_relaxed) > priority;
}

void premap__schedule_assistant_left_locked(void) {
  note_urgency(); /* its loader may have one more thread now */
  uv_cond_broadcast(&changed);
}

static bool is_waiting(uint8_t place) {
  return place == PREMAP__QUEUED || place == PREMAP__SUSPENDED;
}

bool premap__place_is_aside(const premap__file *file) {
  return file->place == PREMAP__SUSPENDED || (file->place == PREMAP__STARVED && !file->is_helped);
}

void premap__place_move(premap__file *file, uint8_t place) {
  premap_loader *loader = file->plan->loader;
  uint8_t from = file->place;
  if (is_waiting(from))
    premap__order_remove(&loader->waiting, file);
  else if (from != PREMAP__NOWHERE)
    DL_DELETE(loader->begun, file);
  file->place = place;
  if (is_waiting(place))
    premap__order_push(&loader->waiting, file, place == PREMAP__SUSPENDED);
  else if (place != PREMAP__NOWHERE)
    DL_APPEND(loader->begun, file);
  loader->counts[from]--; /* of NOWHERE nobody asks */
  loader->counts[place]++;
  if (from == PREMAP__STARVED && file->awaits_flights)
    awaiting_flights--;
  else if (from == PREMAP__STARVED)
    atomic_fetch_sub(&starved, 1);
  file->awaits_flights = file->awaits_flights && place == PREMAP__STARVED;
  if (file->awaits_flights)
    awaiting_flights++;
  else if (place == PREMAP__STARVED)
    atomic_fetch_add(&starved, 1);
  if (file->deadline_ns != 0)
    loader->deadlines += (size_t)(from == PREMAP__NOWHERE) - (size_t)(place == PREMAP__NOWHERE);
  moves++;
  note_urgency();
  if (from == PREMAP__QUEUED && loader->starts_waiting > 0)
    uv_cond_broadcast(&changed);
}

void premap__place_reorder(premap__file *file, int priority, uint64_t deadline_ns) {
  premap_loader *loader = file->plan->loader;
  if (is_waiting(file->place))
    premap__order_remove(&loader->waiting, file);
  if (file->place != PREMAP__NOWHERE)
    loader->deadlines += (size_t)(deadline_ns != 0) - (size_t)(file->deadline_ns != 0);
  file->deadline_ns = deadline_ns;
  atomic_store_explicit(&file->priority, (int8_t)priority, memory_order_relaxed);
  if (is_waiting(file->place))
    premap__order_push(&loader->waiting, file, file->place == PREMAP__SUSPENDED);
  note_urgency();
}

/* Those that may give something back one day: all that are on their way, except the starved themselves, and those that cannot
 * begin before one of their loader's has ended, which is counted unless it starves. */
static size_t under_way(void) {
  size_t count = awaiting_flights;
  premap_loader *loader;
  DL_FOREACH(loaders, loader) {
    const size_t *counts = loader->counts;
    count += counts[PREMAP__RUNNING] + counts[PREMAP__HELPED] + counts[PREMAP__SUSPENDED];
    if (premap__place_begun(loader) < loader->limits.open_files)
      count += counts[PREMAP__QUEUED];
  }
  return count;
}

/* Something was given back: as many starved files as can run at once may try again. If it is not enough for them, there is
 * still one under way then, or the first of them gives up, which gives back what it has. */
static void feed(bool for_flights) {
  unsigned room = premap__pool_limit_locked();
  premap_loader *loader;
  DL_FOREACH(loaders, loader) {
    premap__file *file, *next;
    DL_FOREACH_SAFE(loader->begun, file, next) {
      if (file->place == PREMAP__STARVED && !file->is_helped && file->awaits_flights == for_flights && room > 0) {
        room--;
        premap__place_move(file, PREMAP__SUSPENDED);
      }
    }
  }
  premap__pool_attract_locked();
  uv_cond_broadcast(&changed);
}

void premap__place_let_host_go(premap__file *file) {
  if (file->is_known_to_host)
    premap__host_ended(file->plan->loader->host);
  file->is_known_to_host = false;
}

void premap__place_leave(premap__file *file) {
  if (file->deadline_ns != 0 && file->deadline_ns < premap__now_ns())
    file->plan->loader->deadlines_missed++;
  premap__place_move(file, PREMAP__NOWHERE);
  if (file->plan->loader->limits.open_files != UINT64_MAX && file->plan->loader->waiting.count > 0)
    premap__pool_attract_locked(); /* there may be room for one more now */
  premap__schedule_feed_locked();
}

/* ---- The starved */

void premap__schedule_feed_locked(void) {
  atomic_fetch_add(&frees[PREMAP__MEMORY], 1);
  if (atomic_load(&starved) > 0)
    feed(false);
  else
    uv_cond_broadcast(&changed);
}

void premap__schedule_landed_locked(void) {
  if (awaiting_flights > 0)
    feed(true);
  else
    uv_cond_broadcast(&changed);
}

void premap__loader_freed(premap__kind kind) {
  atomic_fetch_add(&frees[kind], 1);
  if (atomic_load(&starved) == 0)
    return;
  premap__schedule_lock();
  feed(false);
  premap__schedule_unlock();
}

premap__frees premap__loader_frees(premap__kind kind) {
  return (premap__frees){kind, atomic_load(&frees[kind]), premap__deferred_unmapped()};
}

static bool was_freed(premap__frees seen) {
  return atomic_load(&frees[seen.kind]) != seen.count;
}

/* Does a thread work on any file that does not starve itself? */
static bool is_worked_on(void) {
  premap_loader *loader;
  DL_FOREACH(loaders, loader) {
    if (loader->counts[PREMAP__RUNNING] + loader->counts[PREMAP__HELPED] > 0)
      return true;
  }
  return false;
}

/* Of a waiting thread's file. Where all of the pool's threads wait as it does, nobody takes what is queued: then that is not
 * under way. */
static premap__lack wait_for_free_locked(const premap__file *file, premap__frees seen) {
  uint64_t moved = moves, deadline_ns = premap__deadline_ns(PREMAP__STUCK_MS);
  while (under_way() > 0 && premap__worker_is_wanted(file)) {
    bool has_time = premap__schedule_wait(deadline_ns);
    if (was_freed(seen))
      return PREMAP__LACK_ENDED;
    if (!has_time && moved == moves && !is_worked_on())
      break;
    if (!has_time || moved != moves) {
      moved = moves;
      deadline_ns = premap__deadline_ns(PREMAP__STUCK_MS);
    }
  }
  return PREMAP__LACK_LASTS;
}

premap__lack premap__loader_lacks(premap__file *file, premap__frees seen) {
  premap__lack answer = PREMAP__LACK_LASTS;
  premap__schedule_lock();
  uint8_t place = file->place;
  premap__place_move(file, PREMAP__STARVED);
  if (was_freed(seen))
    answer = PREMAP__LACK_ENDED;
  else if (place == PREMAP__HELPED)
    answer = wait_for_free_locked(file, seen);
  else if (under_way() > 0 && premap__worker_is_wanted(file)) /* nobody takes up a cancelled one */
    answer = PREMAP__LACK_LATER;
  if (answer != PREMAP__LACK_LATER)
    premap__place_move(file, place);
  premap__schedule_unlock();
  return answer;
}

/* ---- The child of a fork */

/* What its order and its workers had is FAILED there. */
static void orphan(premap_loader *loader) {
  premap__order_clear(&loader->waiting);
  loader->begun = NULL;
  for (int place = PREMAP__NOWHERE; place < PREMAP__PLACES; place++)
    loader->counts[place] = 0;
  loader->deadlines = 0;
  loader->starts_waiting = 0;
  loader->assistants = 0;
  atomic_store_explicit(&loader->bytes_in_flight, 0, memory_order_relaxed);
  if (loader->host != NULL)
    premap__host_orphan(loader->host);
}

void premap__schedule_fork(premap__fork_stage stage) {
  if (!premap__schedule_ready())
    return;
  if (stage == PREMAP__FORK_PREPARE) {
    premap__pool_before_fork();
    premap__schedule_lock();
    return;
  }
  if (stage == PREMAP__FORK_CHILD) {
    (void)uv_cond_init(&changed); /* those who waited are gone, but they still count them */
    (void)uv_cond_init(&pauses);
    (void)uv_cond_init(&calls);
    premap_loader *loader;
    DL_FOREACH(loaders, loader) {
      orphan(loader);
    }
    atomic_store(&starved, 0);
    awaiting_flights = 0;
    premap__chunk_orphan_locked();
    premap__assist_orphan_locked();
    premap__deferred_orphan_locked();
    note_urgency();
    premap__pool_orphan_locked();
  }
  premap__schedule_unlock();
}

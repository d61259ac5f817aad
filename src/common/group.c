/* SPDX-License-Identifier: MIT
 *
 * group.c - many files with one plan, one progress and one end.
 *
 * A group has one reference to each of its files, which it drops when it is closed; who drops it earlier (premap_close) takes
 * the file out of the group. The group itself goes with its plan, which every file of it holds: so a file may end, or live on,
 * after its group was closed. A file stands in one list at a time, by where it is on its way.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <uv.h>

/* A list of the group, or none. */
enum { NOWHERE = 0, ADDED, STARTED, ENDED, GIVEN, PLACES };

/* Two threads close what has loaded so much, some milliseconds, in files of such a size on average: of smaller ones unmapping
 * would be slower, since it is one after the other then. */
#define SHARED_BYTES ((uint64_t)64 << 20)
#define SHARED_AVERAGE ((uint64_t)2 << 20)

struct premap_group {
  premap__plan *plan;        /* with a reference until the group is closed */
  _Atomic size_t references; /* the user's, and the plan's */
  _Atomic uint64_t bytes_done;
  _Atomic uint64_t bytes_total;
  _Atomic uint64_t measured; /* files whose size is known, and not 0 */
  premap__slabs slabs;       /* guarded by a monitor of its own */

  /* Guarded by its monitor. */
  premap__file *lists[PLACES];
  uint64_t added;
  uint64_t ended;
  uint64_t failed;
  int first_error;
  uint64_t started_ns; /* 0: it was not */
};

/* ---- In the monitor */

static void move(premap_group *group, premap__file *file, uint8_t place) {
  if (file->group_place != NOWHERE)
    DL_DELETE2(group->lists[file->group_place], file, group_prev, group_next);
  file->group_place = place;
  if (place != NOWHERE)
    DL_APPEND2(group->lists[place], file, group_prev, group_next);
}

static bool all_have_ended(const premap_group *group) {
  return group->ended == group->added;
}

/* Nobody sleeps for anything else than one of these two. */
static premap__monitors sleepers(const premap_group *group, const premap__monitor *monitor, bool has_first) {
  return has_first || all_have_ended(group) ? premap__monitors_with(monitor) : 0;
}

/* ---- Make and end */

int premap_group_create(premap_group **made, const premap_options *options) {
  if (made == NULL)
    return PREMAP_EINVAL;
  *made = NULL;
  premap__plan *plan;
  int code = premap__monitors_ready() ? premap__plan_make(&plan, options) : PREMAP_ENOMEM;
  if (code != 0)
    return code;
  premap_group *group = calloc(1, sizeof *group);
  if (group == NULL) {
    premap__plan_release(plan);
    return PREMAP_ENOMEM;
  }
  atomic_init(&group->references, 2);
  atomic_init(&plan->loads, 1); /* the directory is also for what will be added */
  group->plan = plan;
  plan->group = group;
  *made = group;
  return 0;
}

void premap__group_release(premap_group *group) {
  if (group == NULL || atomic_fetch_sub_explicit(&group->references, 1, memory_order_acq_rel) > 1)
    return;
  premap__slabs_end(&group->slabs);
  free(group);
}

premap__slabs *premap__group_slabs(premap_group *group) {
  return &group->slabs;
}

/* The first file of the list, which is in none any more; adds how much it holds. */
static premap_file take(premap_group *group, uint8_t place, uint64_t *bytes) {
  premap_file handle = 0;
  premap__monitor *monitor = premap__monitor_enter(group);
  premap__file *file = group->lists[place];
  if (file != NULL) {
    handle = file->handle;
    *bytes += premap__file_size(file);
    move(group, file, NOWHERE);
  }
  uv_mutex_unlock(&monitor->lock);
  return handle;
}

typedef struct closing {
  premap__assist assist; /* comes first */
  premap_group *group;
} closing;

/* Some files, of which the assistant looks up only now and then. False: there are none left. */
static bool close_some(premap__assist *assist) {
  enum { FILES = 64, BYTES = 1 << 20 };
  premap_group *group = ((closing *)assist)->group;
  uint64_t bytes = 0;
  int closed = 0;
  for (uint8_t place = ADDED; place < PLACES; place++)
    for (premap_file handle; closed < FILES && bytes < BYTES && (handle = take(group, place, &bytes)) != 0; closed++)
      (void)premap_close(handle); /* of what somebody else closes right now there is nothing left to do */
  return closed > 0;
}

static bool may_share(premap_group *group) {
  uint64_t bytes = atomic_load_explicit(&group->bytes_done, memory_order_relaxed);
  premap__monitor *monitor = premap__monitor_enter(group);
  uint64_t added = group->added;
  uv_mutex_unlock(&monitor->lock);
  return bytes >= SHARED_BYTES && bytes / SHARED_AVERAGE >= added && premap__assist_is_of_use();
}

static void close_all(premap_group *group) {
  closing all = {.assist = {.loader = group->plan->loader, .do_piece = close_some}, .group = group};
  bool is_shared = may_share(group);
  if (is_shared)
    premap__assist_begin(&all.assist);
  while (close_some(&all.assist))
    ;
  if (is_shared)
    premap__assist_end(&all.assist);
}

void premap_group_close(premap_group *group) {
  if (group == NULL)
    return;
  close_all(group);
  premap__plan_let_directory_go(group->plan);
  premap__plan_release(group->plan);
  premap__group_release(group);
}

/* ---- Add */

static int start(premap_group *group, premap__file *file, uint64_t deadline_ns) {
  int code = premap__loader_submit(file, &(premap__patience){.deadline_ns = deadline_ns});
  premap__monitor *monitor = premap__monitor_enter(group);
  if (code == 0 && file->group_place == ADDED)
    move(group, file, STARTED);
  uv_mutex_unlock(&monitor->lock);
  return code;
}

/* Whether the group was started before. */
static bool enlist(premap_group *group, premap__file *file) {
  premap__monitor *monitor = premap__monitor_enter(group);
  group->added++;
  bool is_started = group->started_ns != 0;
  move(group, file, ADDED);
  uv_mutex_unlock(&monitor->lock);
  return is_started;
}

/* Takes it out again, as if it had not been added. */
static void dismiss(premap_group *group, premap__file *file) {
  premap__monitor *monitor = premap__monitor_enter(group);
  if (file->group_place == ADDED) {
    move(group, file, NOWHERE);
    group->added--;
  }
  premap__monitors sleeping = sleepers(group, monitor, false);
  uv_mutex_unlock(&monitor->lock);
  premap__monitors_wake(sleeping);
}

bool premap__group_is_beneath(const premap_group *group) {
  return (group->plan->flags & PREMAP_BENEATH) != 0;
}

premap_file premap_group_add(premap_group *group, const char *path) {
  return group != NULL ? premap__group_add(group, path, false) : PREMAP_EINVAL;
}

premap_file premap__group_add(premap_group *group, const char *path, bool is_known_regular) {
  premap__file *file;
  int code = premap__file_make(&file, path, group->plan);
  if (code != 0)
    return code;
  file->is_known_regular = file->is_known_regular || is_known_regular;
  premap_file handle = file->handle;
  if (enlist(group, file))
    code = start(group, file, UINT64_MAX);
  if (code != 0) {
    dismiss(group, file);
    (void)premap_close(handle);
  }
  premap__registry_unpin(file);
  return code != 0 ? code : handle;
}

int premap__group_add_failed(premap_group *group, const char *path, premap__status status) {
  premap__file *file;
  int code = premap__file_make(&file, path, group->plan);
  if (code != 0)
    return code;
  (void)enlist(group, file);
  premap__worker_refuse(file, status);
  premap__registry_unpin(file);
  return 1;
}

/* ---- Start */

/* Pins the first file of the list that is in this state, or null. */
static premap__file *pin_first(premap_group *group, uint8_t place, premap__state state) {
  premap__monitor *monitor = premap__monitor_enter(group);
  premap__file *file;
  DL_FOREACH2(group->lists[place], file, group_next) {
    if (premap__registry_state(file) == state && premap__registry_pin_more(file))
      break;
  }
  uv_mutex_unlock(&monitor->lock);
  return file;
}

static int start_all(premap_group *group, uint64_t deadline_ns) {
  premap__monitor *monitor = premap__monitor_enter(group);
  if (group->started_ns == 0)
    group->started_ns = premap__now_ns();
  uv_mutex_unlock(&monitor->lock);
  int code = 0;
  for (premap__file *file; code == 0 && (file = pin_first(group, ADDED, PREMAP__PENDING)) != NULL;) {
    code = start(group, file, deadline_ns);
    premap__registry_unpin(file);
  }
  return code;
}

int premap_group_start(premap_group *group) {
  return group != NULL ? start_all(group, UINT64_MAX) : PREMAP_EINVAL;
}

/* ---- What its files tell */

void premap__group_measured(premap_group *group, uint64_t before, uint64_t total) {
  atomic_fetch_add_explicit(&group->bytes_total, total - before, memory_order_relaxed);
  if (before == 0)
    atomic_fetch_add_explicit(&group->measured, 1, memory_order_relaxed);
}

void premap__group_brought_in(premap_group *group, uint64_t bytes) {
  atomic_fetch_add_explicit(&group->bytes_done, bytes, memory_order_relaxed);
}

/* Its end counts once: when it is told, or when the file leaves the group before that. */
static void count_locked(premap_group *group, const premap__file *file, premap__state state) {
  group->ended++;
  if (state == PREMAP__READY)
    return;
  group->failed++;
  if (group->first_error == 0)
    group->first_error = premap__file_code(file, state);
}

premap__monitors premap__group_ended(premap__file *file, premap__state state) {
  premap_group *group = file->plan->group;
  /* What will not come any more is dealt with too. */
  uint64_t done = atomic_load_explicit(&file->done, memory_order_relaxed);
  uint64_t total = atomic_load_explicit(&file->total, memory_order_relaxed);
  premap__group_brought_in(group, total > done ? total - done : 0);
  premap__monitor *monitor = premap__monitor_enter(group);
  bool was_empty = group->lists[ENDED] == NULL;
  if (file->group_place != NOWHERE) {
    count_locked(group, file, state);
    move(group, file, ENDED);
  }
  premap__monitors sleeping = sleepers(group, monitor, was_empty);
  uv_mutex_unlock(&monitor->lock);
  return sleeping;
}

void premap__group_forget(premap__file *file) {
  premap_group *group = file->plan->group;
  if (group == NULL)
    return;
  premap__monitor *monitor = premap__monitor_enter(group);
  if (file->group_place == ADDED || file->group_place == STARTED)
    count_locked(group, file, premap__registry_state(file));
  move(group, file, NOWHERE);
  premap__monitors sleeping = sleepers(group, monitor, false);
  uv_mutex_unlock(&monitor->lock);
  premap__monitors_wake(sleeping);
}

/* ---- Wait */

typedef bool condition(const premap_group *group);

static bool has_next(const premap_group *group) {
  return group->lists[ENDED] != NULL || all_have_ended(group);
}

/* With the monitor's lock, held again at the end. */
static bool sleep_until(premap_group *group, premap__monitor *monitor, condition *is_met, uint64_t deadline_ns) {
  while (!is_met(group))
    if (!premap__wait_until(&monitor->changed, &monitor->lock, deadline_ns))
      return is_met(group);
  return true;
}

static bool sleep(premap_group *group, condition *is_met, uint64_t deadline_ns) {
  premap__monitor *monitor = premap__monitor_enter(group);
  bool met = sleep_until(group, monitor, is_met, deadline_ns);
  uv_mutex_unlock(&monitor->lock);
  return met;
}

/* Loads a file that no other thread has taken on this one. False: there is none, or it could not be. */
static bool help(premap_group *group) {
  premap__file *file = pin_first(group, STARTED, PREMAP__PENDING);
  if (file == NULL)
    file = pin_first(group, ADDED, PREMAP__PENDING);
  if (file == NULL)
    return false;
  bool helped = premap__loader_help(file) == 1;
  if (helped)
    premap__loader_publish(file, premap__worker_load(file)); /* never put aside: it is not a pool thread's */
  premap__registry_unpin(file);
  return helped;
}

static bool is_loading(premap_group *group) {
  premap__file *file = pin_first(group, STARTED, PREMAP__LOADING);
  if (file != NULL)
    premap__registry_unpin(file);
  return file != NULL;
}

/* For ever. Who waits for all may as well load what nobody has begun; who waits for the next would be kept from it by that, and
 * so does it only when the pool takes nothing: all its threads may be waiting, as this one is. In a queue that is full there
 * may be room again. */
static int sleep_for_ever(premap_group *group, condition *is_met) {
  bool for_all = is_met == all_have_ended;
  while (for_all && help(group))
    (void)start_all(group, 0);
  while (!sleep(group, is_met, premap__deadline_ns(PREMAP__STUCK_MS))) {
    if (start_all(group, 0) == PREMAP_ECANCELED)
      return PREMAP_ECANCELED; /* its loader was closed, and what was not started will not end */
    if (!is_loading(group))
      (void)help(group);
  }
  return 0;
}

static int wait_for(premap_group *group, condition *is_met, int64_t timeout_ms) {
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  int code = start_all(group, timeout_ms < 0 ? 0 : deadline_ns);
  if (timeout_ms < 0 && code != PREMAP_ECANCELED)
    return sleep_for_ever(group, is_met); /* loads on this thread what cannot be started, unless its loader was closed */
  if (code != 0)
    return code;
  return sleep(group, is_met, deadline_ns) ? 0 : PREMAP_ETIMEDOUT;
}

int premap_group_wait(premap_group *group, int64_t timeout_ms) {
  if (group == NULL)
    return PREMAP_EINVAL;
  int code = wait_for(group, all_have_ended, timeout_ms);
  if (code != 0)
    return code;
  premap__monitor *monitor = premap__monitor_enter(group);
  code = group->first_error;
  uv_mutex_unlock(&monitor->lock);
  return code;
}

/* The caller that finds the file in the list is the only one that gets it. */
static bool give_next(premap_group *group, premap_completion *ended) {
  premap__monitor *monitor = premap__monitor_enter(group);
  premap__file *file = group->lists[ENDED];
  if (file != NULL) {
    ended->file = file->handle;
    ended->result = premap__file_result(file, premap__registry_state(file), NULL);
    ended->user_data = group->plan->user_data;
    move(group, file, GIVEN);
  }
  uv_mutex_unlock(&monitor->lock);
  return file != NULL;
}

int premap_group_next(premap_group *group, int64_t timeout_ms, premap_completion *ended) {
  if (group == NULL || ended == NULL)
    return PREMAP_EINVAL;
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  *ended = (premap_completion){0};
  while (!give_next(group, ended)) {
    uint64_t now = premap__now_ns();
    int64_t left_ms = timeout_ms < 0 ? -1 : deadline_ns > now ? (int64_t)((deadline_ns - now) / 1000000) : 0;
    int code = wait_for(group, has_next, left_ms);
    if (code != 0)
      return code;
    premap__monitor *monitor = premap__monitor_enter(group);
    bool is_over = group->lists[ENDED] == NULL && all_have_ended(group);
    uv_mutex_unlock(&monitor->lock);
    if (is_over)
      return PREMAP_EOF;
  }
  return 0;
}

/* ---- Cancel */

/* The next file after this one, which is pinned, or the first if it has left the list; with a pin instead of that one's. */
static premap__file *step(premap_group *group, uint8_t place, premap__file *file) {
  premap__monitor *monitor = premap__monitor_enter(group);
  premap__file *next = file != NULL && file->group_place == place ? file->group_next : group->lists[place];
  while (next != NULL && !premap__registry_pin_more(next))
    next = next->group_next;
  uv_mutex_unlock(&monitor->lock);
  if (file != NULL)
    premap__registry_unpin(file);
  return next;
}

/* First what waits, so that no thread begins it when another file leaves that thread. */
void premap_group_cancel(premap_group *group) {
  if (group == NULL)
    return;
  for (premap__state state = PREMAP__PENDING; state <= PREMAP__LOADING; state++)
    for (uint8_t place = ADDED; place <= STARTED; place++)
      for (premap__file *file = step(group, place, NULL); file != NULL; file = step(group, place, file))
        if (premap__registry_state(file) <= state)
          premap__file_cancel(file);
}

/* ---- Progress */

/* By the rate so far: of bytes, where files whose size is not known count as average ones; else of files. Negative: there is
 * none yet. */
static int64_t estimate_ms(const premap_group_progress *progress, uint64_t measured, uint64_t took_ns) {
  if (progress->files_ended == progress->files)
    return 0;
  double done = (double)progress->bytes_done;
  double total = (double)progress->bytes_total;
  if (measured > 0 && measured < progress->files)
    total *= (double)progress->files / (double)measured;
  if (total <= 0) {
    done = (double)progress->files_ended;
    total = (double)progress->files;
  }
  return done > 0 && took_ns > 0 ? (int64_t)((double)took_ns / 1e6 * (total - done) / done) : -1;
}

int premap_group_progress_of(premap_group *group, premap_group_progress *progress) {
  if (group == NULL || progress == NULL || progress->size < sizeof progress->size)
    return PREMAP_EINVAL;
  premap_group_progress full = {0};
  premap__monitor *monitor = premap__monitor_enter(group);
  full.files = group->added;
  full.files_ended = group->ended;
  full.files_failed = group->failed;
  uint64_t started_ns = group->started_ns;
  uv_mutex_unlock(&monitor->lock);
  full.bytes_total = atomic_load_explicit(&group->bytes_total, memory_order_relaxed);
  full.bytes_done = atomic_load_explicit(&group->bytes_done, memory_order_relaxed);
  if (full.bytes_done > full.bytes_total) /* a cancelled load's last chunk, or a file that was read while it grew */
    full.bytes_done = full.bytes_total;
  uint64_t took_ns = started_ns != 0 ? premap__now_ns() - started_ns : 0;
  full.left_ms = estimate_ms(&full, atomic_load_explicit(&group->measured, memory_order_relaxed), took_ns);
  premap__copy_sized(progress, progress->size, &full, sizeof full);
  return 0;
}

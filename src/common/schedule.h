/* SPDX-License-Identifier: MIT
 *
 * schedule.h - what those files share that decide which file is loaded next, and by whom: order.c, schedule.c, loader.c,
 * chunk.c, assist.c, deferred.c, loaders.c, pool.c and host.c, and budget.c for the limits. One lock guards it all: functions
 * whose names end in _locked need it, and so do those of order.c and all that are about places.
 */
#ifndef PREMAP_SCHEDULE_H
#define PREMAP_SCHEDULE_H

#include "internal.h"

/* ---- order.c: the order of files that wait for a thread. Under the scheduler's lock */

enum { PREMAP__LEVELS = PREMAP_PRIORITY_MAX - PREMAP_PRIORITY_MIN + 1 };

typedef struct premap__order {
  size_t count;
  premap__file *lists[PREMAP__LEVELS];
  uint32_t used[PREMAP__LEVELS / 32]; /* a bit for each list that is not empty */
  premap__file **heap;
  size_t heap_count;
  size_t heap_capacity;
} premap__order;

/* Room for so many files with deadlines, so that pushing them cannot fail. False: no memory. */
bool premap__order_reserve(premap__order *order, size_t count);
/* in_front: before those of its priority that came earlier, which only concerns files without deadline. */
void premap__order_push(premap__order *order, premap__file *file, bool in_front);
void premap__order_remove(premap__order *order, premap__file *file);
/* Null when it is empty. */
premap__file *premap__order_first(const premap__order *order);
/* Of those that were put aside; null: there is none. Looks at each file that has a deadline. */
premap__file *premap__order_first_aside(const premap__order *order);
/* Of two files, maybe of two orders. */
bool premap__order_is_before(const premap__file *one, const premap__file *other);
/* Gives back that room, while there are none. */
void premap__order_free(premap__order *order);
/* Forgets all files. */
void premap__order_clear(premap__order *order);

/* ---- Loaders */

/* Where the scheduler has a file: NOWHERE before its start and after its end, QUEUED, RUNNING on a pool thread, HELPED by a
 * thread that waits for it, SUSPENDED (in the order again with what it has so far) for something more urgent, or STARVED until
 * another load gives something back. */
enum {
  PREMAP__NOWHERE = 0,
  PREMAP__QUEUED,
  PREMAP__RUNNING,
  PREMAP__HELPED,
  PREMAP__SUSPENDED,
  PREMAP__STARVED,
  PREMAP__PLACES
};

/* UINT64_MAX: no limit. */
typedef struct premap__limits {
  uint64_t workers;
  uint64_t queued;
  int64_t queued_wait_ms;
  uint64_t bytes_in_flight;
  uint64_t open_files;
  uint64_t maps;
  uint64_t memory;
} premap__limits;

struct premap_loader {
  premap__limits limits; /* constant */
  premap__host *host;    /* null: no loop of the host's. Constant */
  _Atomic size_t references;
  atomic_int most_urgent; /* the highest priority in waiting that one of its running files could give way to; relaxed */

  /* Guarded by the scheduler's lock. */
  premap_loader *prev, *next;
  bool is_closed;
  premap__order waiting;         /* each pinned by it */
  premap__file *begun;           /* each pinned by it, unless a waiting thread loads it */
  size_t counts[PREMAP__PLACES]; /* files in each place */
  size_t deadlines;              /* files in any place that have one */
  size_t starts_waiting;         /* threads that wait for room in the queue */
  size_t assistants;             /* threads of the pool that help those which load or close its files */
  uint64_t started;
  uint64_t deadlines_missed;
  uint64_t interruptions;

  /* Guarded by the budget's lock. */
  uint64_t memory; /* bytes held present or copied */
  size_t maps;

  /* Relaxed. */
  _Atomic uint64_t bytes_in_flight;

  /* Only added to. */
  _Atomic uint64_t ended[3]; /* ready, failed, cancelled */
  _Atomic uint64_t partial;
  _Atomic uint64_t bytes;
};

/* ---- schedule.c: the lock, and where each file is */

/* Makes the lock. False: no memory. */
bool premap__schedule_ready(void);
void premap__schedule_lock(void);
void premap__schedule_unlock(void);
/* The two halves of that: who was to be woken is not yet. */
typedef struct premap__wakes {
  bool calls; /* the thread of the pool that lingers */
  premap__monitors sleeping;
} premap__wakes;
premap__wakes premap__schedule_unlock_only(void);
void premap__schedule_wake(premap__wakes wakes);
/* With the lock held: something has changed for those who wait for it. */
void premap__schedule_changed(void);
/* With the lock held, lets go of it meanwhile: false when the time had passed before. */
bool premap__schedule_wait(uint64_t deadline_ns);

/* Sleeps until somebody ends pauses: false when the time had passed before. */
bool premap__schedule_pause_locked(uint64_t deadline_ns);
void premap__schedule_end_pauses_locked(void);
/* For the one thread of the pool that lingers: sleeps until it is called; false when the time had passed before. */
bool premap__schedule_linger_locked(uint64_t deadline_ns);
void premap__schedule_call_locked(void);
/* Wakes those who sleep in these monitors once the lock is given back. */
void premap__schedule_wake_locked(premap__monitors more);
/* And all these. */
void premap__schedule_wake_later_locked(premap__wakes more);

/* The first of all loaders; the others come after it in its list. */
premap_loader *premap__schedule_loaders_locked(void);
/* Adds one, or takes it away. */
void premap__schedule_list_locked(premap_loader *loader, bool add);

/* Every change of place. */
void premap__place_move(premap__file *file, uint8_t place);
/* The file ends, or was cancelled. */
void premap__place_leave(premap__file *file);
/* It stays in its place, but comes elsewhere in the order, for which there is room. */
void premap__place_reorder(premap__file *file, int priority, uint64_t deadline_ns);
/* The host's loop need not stay alive for it any more. Only once the end can be seen: the loop may return at once. */
void premap__place_let_host_go(premap__file *file);
/* Was put aside by a pool thread, with what it has so far. */
bool premap__place_is_aside(const premap__file *file);
/* How many files of the loader have begun, and not ended. */
size_t premap__place_begun(const premap_loader *loader);
/* Has the loader a thread and a descriptor left for one more? */
bool premap__place_may_begin(const premap_loader *loader);
/* Something was given back, or may be had again. */
void premap__schedule_feed_locked(void);
/* So were bytes in flight. */
void premap__schedule_landed_locked(void);
/* An assistant has given its thread back. */
void premap__schedule_assistant_left_locked(void);
/* Should a pool thread that has the file give it up for something else? Also without the lock, where it is a hint. */
bool premap__schedule_is_urgent(const premap__file *file);

/* ---- chunk.c */

/* In the child of a fork. */
void premap__chunk_orphan_locked(void);
/* Does a thread wait for bytes in flight, that may have to do something more urgent? */
bool premap__chunk_has_waiters_locked(void);

/* ---- assist.c */

/* For pool threads: helps with one offer until the time has passed, or there is something else to do. */
void premap__assist_work(uint64_t end_ns);
/* How many threads assist or could, and whether there is an offer for the calling one. */
size_t premap__assist_wanted_locked(void);
bool premap__assist_is_wanted_locked(void);
/* In the child of a fork. */
void premap__assist_orphan_locked(void);

/* ---- loader.c */

/* For pool threads: works off files until the time has passed, and the one in work is done or interrupted. False: the thread is
 * one too many. */
bool premap__loader_work(uint64_t end_ns);
/* How many threads there is work for, and whether there is any for the calling one. */
size_t premap__loader_wanted_locked(void);
bool premap__loader_has_work_locked(void);
/* Is there a file that a thread could begin, or go on with, if it were not for those that assist? */
bool premap__loader_has_waiting_locked(void);
/* Cancels all files of a loader or of all. Lets go of the lock meanwhile. */
void premap__loader_cancel_locked(premap_loader *loader);
void premap__loader_cancel_all_locked(void);

/* ---- loaders.c: loaders as objects */

int premap__loader_make(premap_loader **loader, const premap_loader_options *options);
int premap__loader_set_limits(premap_loader *loader, const premap_loader_options *options);

/* ---- host.c: loaders of a host's loop */

/* Under the scheduler's lock. A file without note was started: true on the loop's thread, which then stays alive until such a
 * file has ended. */
bool premap__host_started(premap__host *host);
void premap__host_ended(premap__host *host);
/* A note will come: true on the loop's thread, which then stays alive for it. */
bool premap__host_expect(premap__host *host);
/* Takes the note over. */
void premap__host_tell(premap__host *host, premap__note *note);
void premap__host_free(premap__host *host);

/* ---- pool.c: the threads that loads borrow from libuv. Functions named so need the scheduler's lock */

int premap__pool_start_locked(void);
/* Ends what runs, and lets go of the lock meanwhile. False when the pool has not given every item back by the deadline. */
bool premap__pool_stop_locked(uint64_t deadline_ns);
bool premap__pool_is_stopping_locked(void);
/* There is more work. */
void premap__pool_attract_locked(void);
/* Others use libuv's pool too, from now on. */
void premap__pool_share_locked(void);
/* Are there more threads at work than there may be? Then one comes back when its file is put aside or has ended. Also without
 * the lock, where it is a hint. */
bool premap__pool_has_too_many(void);
/* One has put its file aside for that: so they are fewer from now on. It, or another one that has put its file aside, learns by
 * the second that it is the one to come back. */
void premap__pool_give_way_locked(void);
bool premap__pool_gives_way_locked(void);
/* Threads it may use; 0 before the start. */
unsigned premap__pool_limit_locked(void);
/* Before a fork, without the lock, and in its child. */
void premap__pool_before_fork(void);
void premap__pool_orphan_locked(void);
/* In such a child that has not started it again: makes libuv's pool whole, which the end of the process would wait for. */
void premap__pool_revive(void);

#endif

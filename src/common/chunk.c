/* SPDX-License-Identifier: MIT
 *
 * chunk.c - what a load does between its chunks: how much comes at once, pauses, and giving way to what is more urgent.
 */
#include "limits.h"
#include "schedule.h"

#include <utlist.h>

/* ---- Bytes in flight */

enum {
  GENTLE_BYTES = 2 * PREMAP__PACED_PIECE,
  LONG_PAUSE_US = 1000 /* pauses of so much end early for what is urgent; shorter ones are not worth it */
};
/* What loads have in flight for which that is bounded. A load that was cancelled counts no more, since its thread may hang in
 * the kernel. */
static premap__flight *flights;

bool premap__loader_is_gentle(const premap__file *file) {
  return (file->plan->flags & PREMAP_GENTLE) != 0;
}

bool premap__loader_is_bounded(const premap__file *file) {
  return premap__loader_is_gentle(file) || file->plan->loader->limits.bytes_in_flight != UINT64_MAX;
}

static uint64_t less(uint64_t from, uint64_t size) {
  return from > size ? from - size : 0;
}

static uint64_t room_locked(const premap__file *file, bool paces_itself) {
  bool is_gentle = premap__loader_is_gentle(file);
  uint64_t of_loader = 0, gentle = 0;
  const premap__flight *one;
  DL_FOREACH(flights, one) {
    if (!premap__worker_is_wanted(one->file))
      continue;
    of_loader += one->file->plan->loader == file->plan->loader ? one->bytes : 0;
    gentle += one->gentle;
  }
  uint64_t room = less(file->plan->loader->limits.bytes_in_flight, of_loader);
  uint64_t gentle_room = !is_gentle ? UINT64_MAX : !paces_itself ? less(GENTLE_BYTES, gentle) : gentle == 0 ? UINT64_MAX : 0;
  return room < gentle_room ? room : gentle_room;
}

/* Gentle loads that wait for their turn: first come, first served, since the one whose turn it was comes again at once. */
typedef struct turn {
  struct turn *prev, *next;
} turn;
static turn *turns;
static size_t waiters; /* threads that wait for bytes in flight, these among them */

bool premap__chunk_has_waiters_locked(void) {
  return waiters > 0;
}

static bool may_begin_locked(const premap__file *file, const turn *own, uint64_t least, bool paces_itself) {
  return (turns == NULL || turns == own || !premap__loader_is_gentle(file)) && room_locked(file, paces_itself) >= least;
}

/* Those that are in the kernel come back without us. A pool thread gives up for something more urgent, or when nothing has come
 * back for some time, since what is in flight may hang, and others need the thread. */
static bool wait_for_turn_locked(premap__file *file, uint64_t least, bool paces_itself) {
  turn own = {NULL, NULL};
  uint64_t deadline_ns = file->place == PREMAP__RUNNING ? premap__deadline_ns(PREMAP__STUCK_MS) : UINT64_MAX;
  bool has_time = true;
  if (premap__loader_is_gentle(file))
    DL_APPEND(turns, &own);
  waiters++;
  while (has_time && premap__worker_is_wanted(file) && !may_begin_locked(file, &own, least, paces_itself)) {
    bool is_urgent = file->place == PREMAP__RUNNING && premap__schedule_is_urgent(file);
    has_time = !is_urgent && premap__schedule_wait(deadline_ns);
  }
  waiters--;
  bool begins = premap__worker_is_wanted(file) && may_begin_locked(file, &own, least, paces_itself);
  if (premap__loader_is_gentle(file)) {
    DL_DELETE(turns, &own);
    premap__schedule_landed_locked(); /* for the next one, whether it waits here or starves */
  }
  return begins;
}

static uint64_t least_of(size_t size) {
  return size < PREMAP_CHUNK_SIZE_MIN ? size : PREMAP_CHUNK_SIZE_MIN;
}

static void count(const premap__file *file, uint64_t bytes) {
  atomic_fetch_add_explicit(&file->plan->loader->bytes_in_flight, bytes, memory_order_relaxed);
}

premap__status premap__loader_begin_chunk(premap__file *file, size_t *size, bool paces_itself, premap__flight *flight) {
  *flight = (premap__flight){.file = file, .bytes = *size};
  if (!premap__loader_is_bounded(file)) {
    count(file, *size);
    return (premap__status){0, 0};
  }
  uint64_t least = least_of(*size);
  premap__schedule_lock();
  bool begins = may_begin_locked(file, NULL, least, paces_itself) || wait_for_turn_locked(file, least, paces_itself);
  bool is_wanted = premap__worker_is_wanted(file);
  begins = begins && is_wanted;
  if (begins) {
    uint64_t room = room_locked(file, paces_itself);
    flight->bytes = *size < room ? *size : room;
    flight->gentle = !premap__loader_is_gentle(file) ? 0 : paces_itself ? GENTLE_BYTES : flight->bytes;
    DL_APPEND(flights, flight);
    count(file, flight->bytes);
  }
  premap__schedule_unlock();
  *size = begins ? (size_t)flight->bytes : 0;
  return (premap__status){begins ? 0 : is_wanted ? PREMAP_EAGAIN : PREMAP_ECANCELED, 0};
}

premap__status premap__loader_wait_for_flights(premap__file *file, size_t size, bool paces_itself) {
  premap__schedule_lock();
  bool is_later = file->place == PREMAP__RUNNING && premap__worker_is_wanted(file) &&
                  !may_begin_locked(file, NULL, least_of(size), paces_itself);
  if (is_later) {
    file->awaits_flights = true;
    premap__place_move(file, PREMAP__STARVED);
  }
  premap__schedule_unlock();
  return (premap__status){is_later ? PREMAP__INTERRUPTED : 0, 0};
}

void premap__loader_end_chunk(premap__flight *flight) {
  premap__file *file = flight->file;
  count(file, 0 - flight->bytes);
  if (!premap__loader_is_bounded(file))
    return;
  premap__schedule_lock();
  DL_DELETE(flights, flight);
  premap__schedule_landed_locked();
  premap__schedule_unlock();
}

void premap__chunk_orphan_locked(void) {
  flights = NULL;
  turns = NULL;
  waiters = 0;
}

/* ---- Between two chunks */

/* Waits as long as the file's pause is, or until that has to end. */
static void pause_locked(const premap__file *file) {
  uint64_t end = premap__now_ns() + file->plan->pause_us * UINT64_C(1000);
  while (premap__worker_is_wanted(file) && !premap__pool_is_stopping_locked() &&
         !(file->place == PREMAP__RUNNING && (premap__schedule_is_urgent(file) || premap__pool_has_too_many())))
    if (!premap__schedule_pause_locked(end))
      break;
}

bool premap__loader_may_interrupt(const premap__file *file) {
  return file->plan->pause_us >= LONG_PAUSE_US || premap__schedule_is_urgent(file) || premap__pool_has_too_many();
}

bool premap__loader_interrupts(premap__file *file) {
  bool long_pause = file->plan->pause_us >= LONG_PAUSE_US;
  if (file->plan->pause_us > 0 && !long_pause)
    premap__os_pause_us(file->plan->pause_us);
  if (!premap__loader_may_interrupt(file))
    return false;
  premap__schedule_lock();
  if (long_pause)
    pause_locked(file);
  bool is_one_too_many = premap__pool_has_too_many();
  bool is_asked = premap__schedule_is_urgent(file) || is_one_too_many;
  bool gives_way = is_asked && file->place == PREMAP__RUNNING && premap__worker_is_wanted(file);
  if (gives_way && is_one_too_many)
    premap__pool_give_way_locked();
  if (gives_way) {
    file->plan->loader->interruptions++;
    premap__place_move(file, PREMAP__SUSPENDED);
  }
  premap__schedule_unlock();
  return gives_way;
}

void premap__loader_wake(void) {
  premap__schedule_lock();
  premap__schedule_end_pauses_locked();
  premap__schedule_changed();
  premap__schedule_unlock();
}

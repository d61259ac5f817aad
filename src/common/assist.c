/* SPDX-License-Identifier: MIT
 *
 * assist.c - a second thread for one piece of work, while the pool has one that nothing waits for.
 *
 * Who loads a large file, or closes many, offers the work in pieces, of which both take one after the other. The offer is on
 * that thread's stack: it goes only once the assistant is out of it. An assistant leaves after each piece for a file that
 * waits, so it keeps nobody.
 */
#include "schedule.h"

#include <utlist.h>
#include <uv.h>

static premap__assist *offers; /* under the scheduler's lock */

/* ---- Who offers it */

bool premap__assist_is_of_use(void) {
  static atomic_uint known; /* relaxed: who misses the news asks again */
  unsigned processors = atomic_load_explicit(&known, memory_order_relaxed);
  if (processors == 0) {
    processors = uv_available_parallelism();
    atomic_store_explicit(&known, processors, memory_order_relaxed);
  }
  return processors > 1;
}

void premap__assist_begin(premap__assist *assist) {
  assist->is_done = false;
  assist->has_assistant = false;
  premap__schedule_lock();
  DL_APPEND(offers, assist);
  premap__pool_attract_locked();
  premap__schedule_unlock();
}

void premap__assist_end(premap__assist *assist) {
  premap__schedule_lock();
  DL_DELETE(offers, assist);
  while (assist->has_assistant)
    (void)premap__schedule_wait(UINT64_MAX);
  premap__schedule_unlock();
}

/* ---- Threads of the pool */

static bool may_assist(const premap__assist *assist) {
  const premap_loader *loader = assist->loader;
  return !assist->is_done && !assist->has_assistant &&
         loader->counts[PREMAP__RUNNING] + loader->assistants < loader->limits.workers;
}

static premap__assist *find_offer(void) {
  premap__assist *assist;
  DL_FOREACH(offers, assist) {
    if (may_assist(assist))
      return assist;
  }
  return NULL;
}

size_t premap__assist_wanted_locked(void) {
  size_t wanted = 0;
  const premap__assist *assist;
  DL_FOREACH(offers, assist) {
    wanted += assist->has_assistant || may_assist(assist);
  }
  return wanted;
}

static bool is_free_locked(void) {
  return !premap__pool_is_stopping_locked() && !premap__pool_has_too_many() && !premap__loader_has_waiting_locked();
}

bool premap__assist_is_wanted_locked(void) {
  return is_free_locked() && find_offer() != NULL;
}

void premap__assist_work(uint64_t end_ns) {
  premap__schedule_lock();
  premap__assist *assist = is_free_locked() ? find_offer() : NULL;
  if (assist != NULL) {
    assist->has_assistant = true;
    assist->loader->assistants++;
    bool goes_on = true;
    while (goes_on && is_free_locked() && premap__now_ns() < end_ns) {
      premap__schedule_unlock();
      goes_on = assist->do_piece(assist);
      premap__schedule_lock();
    }
    assist->is_done = !goes_on;
    assist->loader->assistants--;
    assist->has_assistant = false;
    premap__schedule_assistant_left_locked();
  }
  premap__schedule_unlock();
}

/* ---- The child of a fork */

void premap__assist_orphan_locked(void) {
  offers = NULL;
}

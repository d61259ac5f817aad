/* SPDX-License-Identifier: MIT
 *
 * monitor.c - locks, each with a condition, for objects that are many or small.
 *
 * A mutex for each file would cost more memory than the rest of it, and a fork has to hold every lock there is: so objects
 * share a fixed number of them, chosen by their address. Two objects may meet at one monitor. Hence nobody enters a second one
 * while in one, and all who wait look whether it was for them that they woke.
 */
#include "internal.h"

#include <uv.h>

enum {
  SPINS = 100,
  MONITOR_BITS = 5, /* a fork holds them all, and ThreadSanitizer counts no more than 64 locks that one thread holds */
  MONITORS = 1 << MONITOR_BITS
};

_Static_assert(MONITORS <= 8 * sizeof(premap__monitors), "each has its bit");

static premap__monitor monitors[MONITORS];
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;

static void initialize(void) {
  for (int i = 0; i < MONITORS && initial_error == 0; i++) {
    initial_error = uv_mutex_init(&monitors[i].lock);
    if (initial_error == 0)
      initial_error = uv_cond_init(&monitors[i].changed);
  }
}

bool premap__monitors_ready(void) {
  uv_once(&once, initialize);
  return initial_error == 0;
}

void premap__lock_briefly(uv_mutex_t *lock) {
  for (int tries = 0; tries < SPINS; tries++)
    if (uv_mutex_trylock(lock) == 0)
      return;
  uv_mutex_lock(lock);
}

premap__monitor *premap__monitor_enter(const void *object) {
  /* The low bits are those of alignment; a multiplication spreads the others over the high ones. */
  uint64_t spread = ((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9E3779B97F4A7C15);
  premap__monitor *monitor = &monitors[spread >> (64 - MONITOR_BITS)];
  premap__lock_briefly(&monitor->lock);
  return monitor;
}

premap__monitors premap__monitors_with(const premap__monitor *monitor) {
  return (premap__monitors)1 << (monitor - monitors);
}

void premap__monitors_wake(premap__monitors sleeping) {
  for (int i = 0; sleeping != 0; i++, sleeping >>= 1)
    if ((sleeping & 1) != 0)
      uv_cond_broadcast(&monitors[i].changed);
}

void premap__monitors_fork(premap__fork_stage stage) {
  for (int i = 0; i < MONITORS; i++) {
    if (stage == PREMAP__FORK_PREPARE) {
      uv_mutex_lock(&monitors[i].lock);
      continue;
    }
    if (stage == PREMAP__FORK_CHILD)
      (void)uv_cond_init(&monitors[i].changed); /* those who waited are gone, but it still counts them */
    uv_mutex_unlock(&monitors[i].lock);
  }
}

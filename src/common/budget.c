/* SPDX-License-Identifier: MIT
 *
 * budget.c - how much memory and how many maps loads may take.
 *
 * The system counts clean pages of files as reclaimable, those of our own READY files among them: so what is available never
 * falls while we fill it, and a file larger than memory would push its own beginning out. Therefore the bytes held present by
 * our mapped files are counted here, and subtracted. Copies are private memory, which the system itself counts as used.
 */
#include "internal.h"

#include <uv.h>

/* Reading the system's figures costs some 100 us, so they serve for a while; bursts of copies in between are subtracted here.
 * Before saying no they are read again, though not without end. */
enum { FRESH_NS = 100 * 1000 * 1000, RETRY_NS = 1000 * 1000 };
/* Left to the rest of the machine: a sixteenth, within these bounds, but never more than half. Read-ahead needs some too: what
 * it brings in behind the last chunk would push the first ones out. */
#define RESERVE_MIN ((uint64_t)16 << 20)
#define RESERVE_MAX ((uint64_t)256 << 20)

static uv_mutex_t lock;
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;
static bool is_read; /* guarded, as the next two */
static uint64_t read_ns;
static uint64_t available;    /* less the reserve and what was copied since */
static _Atomic uint64_t held; /* changed under the lock when it grows, at any time when it shrinks */
static _Atomic size_t maps;
static size_t map_limit;

static void initialize(void) {
  initial_error = uv_mutex_init(&lock);
  size_t limit = premap__os_map_limit();
  map_limit = limit == SIZE_MAX ? limit : limit / 2;
}

static bool enough(uint64_t size) {
  uint64_t in_use = atomic_load_explicit(&held, memory_order_relaxed);
  return in_use <= available && size <= available - in_use;
}

static uint64_t reserve_of(uint64_t size) {
  uint64_t reserve = size / 16;
  if (reserve < RESERVE_MIN)
    reserve = RESERVE_MIN;
  if (reserve > RESERVE_MAX)
    reserve = RESERVE_MAX;
  return reserve < size / 2 ? reserve : size / 2;
}

static void read_available(uint64_t now) {
  available = premap__os_memory_available();
  if (available != UINT64_MAX)
    available -= reserve_of(available);
  is_read = true;
  read_ns = now;
}

/* With the lock held. */
static bool enough_now(uint64_t size) {
  uint64_t now = premap__now_ns();
  uint64_t age_ns = now - read_ns;
  if (!is_read || age_ns > FRESH_NS || (age_ns > RETRY_NS && !enough(size)))
    read_available(now);
  return enough(size);
}

/* What a grant is counted as. */
typedef enum count_as { NOTHING, COPIED, HELD } count_as;

static bool grant(uint64_t size, count_as as) {
  uv_once(&once, initialize);
  if (initial_error != 0)
    return false;
  uv_mutex_lock(&lock);
  bool granted = enough_now(size);
  if (granted && as == COPIED && available != UINT64_MAX)
    available -= size;
  if (granted && as == HELD)
    atomic_fetch_add_explicit(&held, size, memory_order_relaxed);
  uv_mutex_unlock(&lock);
  return granted;
}

bool premap__budget_allows(uint64_t size) {
  return grant(size, NOTHING);
}

bool premap__budget_copy(uint64_t size) {
  return grant(size, COPIED);
}

bool premap__budget_hold(uint64_t size) {
  return grant(size, HELD);
}

void premap__budget_hold_resident(uint64_t size) {
  atomic_fetch_add_explicit(&held, size, memory_order_relaxed);
}

void premap__budget_give_back(uint64_t size) {
  atomic_fetch_sub_explicit(&held, size, memory_order_relaxed);
}

bool premap__budget_take_map(void) {
  uv_once(&once, initialize);
  if (atomic_fetch_add_explicit(&maps, 1, memory_order_relaxed) < map_limit)
    return true;
  premap__budget_give_back_map();
  return false;
}

void premap__budget_give_back_map(void) {
  atomic_fetch_sub_explicit(&maps, 1, memory_order_relaxed);
}

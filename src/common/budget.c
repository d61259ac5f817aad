/* SPDX-License-Identifier: MIT
 *
 * budget.c - how much memory and how many maps loads may take.
 *
 * Some systems count clean pages of files as reclaimable, those of our own READY files among them: so what is available never
 * falls while we fill it, and a file larger than memory would push its own beginning out. Therefore the bytes held present by
 * our mapped files are counted here, and subtracted; elsewhere only what they grew by since the system was asked. Copies are
 * private memory, which every system counts as used.
 */
#include "internal.h"

#include <stdlib.h>
#include <uv.h>
#define HASH_NONFATAL_OOM 1 /* a full memory is an answer, not the end of the process */
#include <uthash.h>

/* Reading the system's figures costs some 100 us, so they serve for a while; bursts of copies in between are subtracted here.
 * Before saying no they are read again, though not without end. */
enum { FRESH_NS = 100 * 1000 * 1000, RETRY_NS = 1000 * 1000 };
/* Left to the rest of the machine: a sixteenth, within these bounds, but never more than half. Read-ahead needs some too: what
 * it brings in behind the last chunk would push the first ones out. */
#define RESERVE_MIN ((uint64_t)16 << 20)
#define RESERVE_MAX ((uint64_t)256 << 20)

/* What our READY files hold of one file of the system, however often it is open: its pages are there once. */
typedef struct premap__held {
  struct {
    uint64_t device;
    uint64_t index;
  } key;
  uint64_t sum;   /* of what its files hold */
  uint64_t limit; /* the file's size, which the sum may exceed */
  UT_hash_handle hh;
} premap__held;

static uv_mutex_t lock; /* guards all below but maps */
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;
static bool is_read;
static uint64_t read_ns;
static premap__os_memory available; /* less the reserve and what was granted to copies since */
static uint64_t copying;            /* granted to copies that are not filled yet */
static uint64_t held;
static uint64_t held_in_use; /* of held, what the system counted as used when it was asked */
static premap__held *held_files;
static _Atomic size_t maps;
static size_t map_limit;

static void initialize(void) {
  initial_error = uv_mutex_init(&lock);
  size_t limit = premap__os_map_limit();
  map_limit = limit == SIZE_MAX ? limit : limit / 2;
}

static uint64_t less(uint64_t from, uint64_t size) {
  return from > size ? from - size : 0;
}

/* Of the memory for copies, or of that for pages. */
static bool enough(const uint64_t *of, uint64_t size) {
  uint64_t counted_as_free = less(held, held_in_use);
  return counted_as_free <= *of && size <= *of - counted_as_free;
}

static uint64_t reserve_of(uint64_t size) {
  uint64_t reserve = size / 16;
  if (reserve < RESERVE_MIN)
    reserve = RESERVE_MIN;
  if (reserve > RESERVE_MAX)
    reserve = RESERVE_MAX;
  return reserve < size / 2 ? reserve : size / 2;
}

static void take_from(uint64_t *of, uint64_t size) {
  if (*of != UINT64_MAX)
    *of = less(*of, size);
}

static void read_available(uint64_t now) {
  available = premap__os_memory_available();
  take_from(&available.for_copies, reserve_of(available.for_copies) + copying);
  take_from(&available.for_pages, reserve_of(available.for_pages) + copying);
  held_in_use = available.counts_present_as_free ? 0 : held;
  is_read = true;
  read_ns = now;
}

/* With the lock held. */
static bool enough_now(const uint64_t *of, uint64_t size) {
  uint64_t now = premap__now_ns();
  uint64_t age_ns = now - read_ns;
  if (!is_read || age_ns > FRESH_NS || (age_ns > RETRY_NS && !enough(of, size)))
    read_available(now);
  return enough(of, size);
}

static bool lock_budget(void) {
  uv_once(&once, initialize);
  if (initial_error != 0)
    return false;
  uv_mutex_lock(&lock);
  return true;
}

bool premap__budget_copy(uint64_t size) {
  if (!lock_budget())
    return false;
  bool granted = enough_now(&available.for_copies, size);
  if (granted) {
    copying += size;
    take_from(&available.for_copies, size);
    take_from(&available.for_pages, size);
  }
  uv_mutex_unlock(&lock);
  return granted;
}

void premap__budget_copied(uint64_t size) {
  uv_mutex_lock(&lock);
  copying -= size;
  uv_mutex_unlock(&lock);
}

/* ---- Held by mapped files. With the lock held. */

static uint64_t counted(const premap__held *of) {
  return of->sum < of->limit ? of->sum : of->limit;
}

static premap__held *find_held(const premap__file *file) {
  premap__held *found = file->held_by;
  premap__held sought = {.key = {file->identity.device, file->identity.index}};
  if (found == NULL)
    HASH_FIND(hh, held_files, &sought.key, sizeof sought.key, found);
  return found;
}

/* How many bytes more would be held in all. */
static uint64_t growth(const premap__file *file, uint64_t size) {
  const premap__held *found = find_held(file);
  if (found == NULL)
    return size;
  uint64_t room = less(found->limit, found->sum);
  return size < room ? size : room;
}

static bool count(premap__file *file, uint64_t size) {
  premap__held *found = find_held(file);
  if (found == NULL) {
    found = calloc(1, sizeof *found);
    if (found == NULL)
      return false;
    found->key.device = file->identity.device;
    found->key.index = file->identity.index;
    HASH_ADD(hh, held_files, key, sizeof found->key, found);
    if (found->hh.tbl == NULL) { /* uthash's sign that there was no memory */
      free(found);
      return false;
    }
  }
  held -= counted(found);
  if (file->identity.size > found->limit)
    found->limit = file->identity.size;
  found->sum += size;
  held += counted(found);
  file->held += size;
  file->held_by = found;
  return true;
}

bool premap__budget_allows(const premap__file *file, uint64_t size) {
  if (!lock_budget())
    return false;
  bool allowed = enough_now(&available.for_pages, growth(file, size));
  uv_mutex_unlock(&lock);
  return allowed;
}

bool premap__budget_hold(premap__file *file, uint64_t size) {
  if (!lock_budget())
    return false;
  bool granted = enough_now(&available.for_pages, growth(file, size)) && count(file, size);
  uv_mutex_unlock(&lock);
  return granted;
}

void premap__budget_hold_resident(premap__file *file, uint64_t size) {
  if (!lock_budget())
    return;
  (void)count(file, size); /* without memory to count it the budget only says yes too often */
  uv_mutex_unlock(&lock);
}

void premap__budget_give_back(premap__file *file, uint64_t size) {
  if (!lock_budget())
    return;
  premap__held *found = file->held_by;
  if (size > file->held)
    size = file->held;
  if (found != NULL) {
    held -= counted(found);
    found->sum -= size;
    held += counted(found);
    file->held -= size;
    if (file->held == 0)
      file->held_by = NULL;
    if (found->sum == 0) {
      HASH_DEL(held_files, found);
      free(found);
    }
  }
  uv_mutex_unlock(&lock);
}

/* ---- Maps */

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

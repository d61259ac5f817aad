/* SPDX-License-Identifier: MIT
 *
 * budget.c - how much memory and how many maps loads may take.
 *
 * Some systems count clean pages of files as reclaimable, those of our own READY files among them: so what is available never
 * falls while we fill it, and a file larger than memory would push its own beginning out. Therefore the bytes held present by
 * our mapped files are counted here, and subtracted; elsewhere only what they grew by since the system was asked. Copies are
 * private memory, which every system counts as used.
 */
#include "limits.h"
#include "schedule.h"

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
/* Copies up to this are filled before it matters that the system does not count them yet. */
#define SOON_FILLED_MAX ((uint64_t)256 << 10)
/* Files of the system up to this count as often as they are open, which may be too much by this for each further handle: what
 * tells that they are the same takes some 100 bytes a file. */
#define COUNTED_EACH_MAX ((uint64_t)64 << 10)

/* What our READY files hold of one larger file of the system, however often it is open: its pages are there once. */
typedef struct premap__held {
  struct {
    uint64_t device;
    uint64_t index;
  } key;
  uint64_t sum;   /* of what its files hold */
  uint64_t limit; /* the file's size, which the sum may exceed */
  UT_hash_handle hh;
} premap__held;

static uv_mutex_t lock; /* guards all below */
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;
static bool is_read;
static uint64_t read_ns;
static premap__os_memory available; /* less the reserve and what was granted to copies since */
static uint64_t copied;             /* all that copies hold */
static uint64_t copying;            /* granted to large copies that are not filled yet */
static uint64_t held;
static uint64_t held_in_use; /* of held, what the system counted as used when it was asked */
static premap__held *held_files;
static size_t maps;
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

/* The loader's own limit, which its owner set. */
static bool loader_has(const premap_loader *loader, uint64_t size) {
  return size <= loader->limits.memory && loader->memory <= loader->limits.memory - size;
}

/* With the lock held. */
static bool grant_copy(premap_loader *loader, uint64_t size) {
  bool granted = loader_has(loader, size) && enough_now(&available.for_copies, size);
  if (granted) {
    loader->memory += size;
    copied += size;
    take_from(&available.for_copies, size);
    take_from(&available.for_pages, size);
  }
  return granted;
}

/* Are all copies few enough for one more, of a file that could be mapped as well? */
static bool are_few(uint64_t size) {
  return size <= PREMAP_COPY_ANYWAY || copied + size <= PREMAP_COPIES_MAX;
}

static bool grant_copy_to(premap__file *file, uint64_t size) {
  bool granted = grant_copy(file->plan->loader, size);
  if (granted) {
    file->held = size;
    file->is_copying = size > SOON_FILLED_MAX;
    copying += file->is_copying ? size : 0;
  }
  return granted;
}

bool premap__budget_copy(premap__file *file, uint64_t size) {
  if (!lock_budget())
    return false;
  bool granted = grant_copy_to(file, size);
  uv_mutex_unlock(&lock);
  return granted;
}

premap__grant premap__budget_copy_small(premap__file *file, uint64_t size) {
  if (!lock_budget())
    return PREMAP__GRANT_NO_MEMORY;
  premap__grant answer = PREMAP__GRANT_MANY_COPIES;
  if (are_few(size))
    answer = grant_copy_to(file, size) ? PREMAP__GRANTED : PREMAP__GRANT_NO_MEMORY;
  uv_mutex_unlock(&lock);
  return answer;
}

void premap__budget_copied(premap__file *file) {
  if (!lock_budget())
    return;
  copying -= file->is_copying ? file->held : 0;
  file->is_copying = false;
  uv_mutex_unlock(&lock);
}

bool premap__budget_copy_aside(premap_loader *loader, uint64_t size, bool may_be_mapped) {
  if (!lock_budget())
    return false;
  bool granted = (!may_be_mapped || are_few(size)) && grant_copy(loader, size);
  uv_mutex_unlock(&lock);
  return granted;
}

void premap__budget_adopt(premap__file *file, uint64_t size) {
  file->held = size;
}

void premap__budget_give_back_aside(premap_loader *loader, uint64_t size) {
  uv_mutex_lock(&lock); /* what was granted had it */
  loader->memory -= size;
  copied -= size;
  uv_mutex_unlock(&lock);
  premap__loader_freed(PREMAP__MEMORY);
}

/* ---- Held by mapped files. With the lock held. */

static uint64_t counted(const premap__held *of) {
  return of->sum < of->limit ? of->sum : of->limit;
}

static bool is_counted_each_time(const premap__file *file) {
  return file->identity.size <= COUNTED_EACH_MAX;
}

static premap__held *find_held(const premap__file *file) {
  premap__held *found;
  premap__held sought = {.key = {file->identity.device, file->identity.index}};
  HASH_FIND(hh, held_files, &sought.key, sizeof sought.key, found);
  return found;
}

/* How many bytes more would be held in all. */
static uint64_t growth(const premap__file *file, uint64_t size) {
  const premap__held *found = is_counted_each_time(file) ? NULL : find_held(file);
  if (found == NULL)
    return size;
  uint64_t room = less(found->limit, found->sum);
  return size < room ? size : room;
}

/* Null: no memory. */
static premap__held *make_held(const premap__file *file) {
  premap__held *made = calloc(1, sizeof *made);
  if (made == NULL)
    return NULL;
  made->key.device = file->identity.device;
  made->key.index = file->identity.index;
  HASH_ADD(hh, held_files, key, sizeof made->key, made);
  if (made->hh.tbl == NULL) { /* uthash's sign that there was no memory */
    free(made);
    return NULL;
  }
  return made;
}

static bool count_once(const premap__file *file, uint64_t size) {
  premap__held *found = find_held(file);
  if (found == NULL)
    found = make_held(file);
  if (found == NULL)
    return false;
  held -= counted(found);
  if (file->identity.size > found->limit)
    found->limit = file->identity.size;
  found->sum += size;
  held += counted(found);
  return true;
}

static bool count(premap__file *file, uint64_t size) {
  if (is_counted_each_time(file))
    held += size;
  else if (!count_once(file, size))
    return false;
  file->held += size;
  file->plan->loader->memory += size;
  return true;
}

static void count_back(const premap__file *file, uint64_t size) {
  if (is_counted_each_time(file)) {
    held -= size;
    return;
  }
  premap__held *found = find_held(file); /* what holds something has one */
  held -= counted(found);
  found->sum -= size;
  held += counted(found);
  if (found->sum == 0) {
    HASH_DEL(held_files, found);
    free(found);
  }
}

bool premap__budget_allows(const premap__file *file, uint64_t size) {
  if (!lock_budget())
    return false;
  bool allowed = loader_has(file->plan->loader, size) && enough_now(&available.for_pages, growth(file, size));
  uv_mutex_unlock(&lock);
  return allowed;
}

static bool hold(premap__file *file, uint64_t size) {
  return loader_has(file->plan->loader, size) && enough_now(&available.for_pages, growth(file, size)) && count(file, size);
}

bool premap__budget_hold(premap__file *file, uint64_t size) {
  if (!lock_budget())
    return false;
  bool granted = hold(file, size);
  uv_mutex_unlock(&lock);
  return granted;
}

bool premap__budget_hold_more(premap__file *file, uint64_t size, uint64_t *held_more) {
  if (!lock_budget())
    return false;
  uint64_t missing = less(premap__file_size(file), file->held);
  *held_more = size < missing ? size : missing;
  bool granted = *held_more == 0 || hold(file, *held_more);
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
  if (size > file->held)
    size = file->held;
  if (size > 0 && file->backing == PREMAP_BACKING_MAPPED)
    count_back(file, size);
  if (file->backing == PREMAP_BACKING_COPIED)
    copied -= size;
  file->held -= size;
  file->plan->loader->memory -= size;
  uv_mutex_unlock(&lock);
  if (size > 0)
    premap__loader_freed(PREMAP__MEMORY);
}

/* ---- Maps */

bool premap__budget_take_map(premap_loader *loader) {
  if (!lock_budget())
    return false;
  bool granted = maps < map_limit && loader->maps < loader->limits.maps;
  maps += granted;
  loader->maps += granted;
  uv_mutex_unlock(&lock);
  return granted;
}

void premap__budget_give_back_map(premap_loader *loader) {
  uv_mutex_lock(&lock);
  maps--;
  loader->maps--;
  uv_mutex_unlock(&lock);
}

/* ---- Numbers */

void premap__budget_read(premap_loader *loader, premap_loader_metrics *to) {
  if (!lock_budget())
    return;
  (void)enough_now(&available.for_pages, 1);
  uint64_t counted_as_free = less(held, held_in_use);
  uint64_t left = less(loader->limits.memory, loader->memory);
  to->memory_available = available.for_pages == UINT64_MAX ? UINT64_MAX : less(available.for_pages, counted_as_free);
  if (loader->limits.memory != UINT64_MAX && left < to->memory_available)
    to->memory_available = left;
  to->memory = loader->memory;
  to->memory_max = loader->limits.memory;
  to->maps = loader->maps;
  to->maps_max = loader->limits.maps < map_limit ? loader->limits.maps : map_limit;
  uv_mutex_unlock(&lock);
}

/* ---- The child of a fork */

void premap__budget_fork(premap__fork_stage stage) {
  if (stage == PREMAP__FORK_PREPARE) {
    (void)lock_budget();
    return;
  }
  if (initial_error != 0)
    return;
  if (stage == PREMAP__FORK_CHILD)
    copying = 0;
  uv_mutex_unlock(&lock);
}

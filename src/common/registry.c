/* SPDX-License-Identifier: MIT
 *
 * registry.c - handles: which file an integer names, and who still needs it.
 *
 * A handle is a slot's index and generation. The slot has one atomic word with everything that must change together:
 *
 *   63        36 35      20 19      3 2   0
 *   generation   references  pins     state
 *
 * The generation is odd while the slot is open to its handle, even once the last reference is closed: a handle always asks for
 * an odd one, so a closed slot answers nobody, although its file may live on for those that have it pinned. References are the
 * user's (premap_retain, premap_close); pins are the library's own (a call in progress, the queue, a worker). They are counted
 * apart so that no number of closes can take a worker's pin. The file goes when both are zero.
 *
 * Look-up takes no lock: segments of slots are allocated once and never move or go, so reading a stale slot's word is harmless.
 */
#include "internal.h"

#include <stdlib.h>
#include <uv.h>

enum {
  INDEX_BITS = 26,
  GENERATION_BITS = 28,
  SEGMENT_BITS = 13,
  SEGMENT_SLOTS = 1 << SEGMENT_BITS,
  SEGMENTS = 1 << (INDEX_BITS - SEGMENT_BITS),
  SHARDS = 16,
  BATCH_SLOTS = 64,

  STATE_BITS = 3,
  PIN_SHIFT = STATE_BITS,
  REFERENCE_SHIFT = 20,
  GENERATION_SHIFT = 36
};

#define STATE_MASK (((uint64_t)1 << STATE_BITS) - 1)
#define ONE_PIN ((uint64_t)1 << PIN_SHIFT)
#define PIN_MASK (((uint64_t)1 << REFERENCE_SHIFT) - ONE_PIN)
#define ONE_REFERENCE ((uint64_t)1 << REFERENCE_SHIFT)
#define REFERENCE_MASK (((uint64_t)1 << GENERATION_SHIFT) - ONE_REFERENCE)
#define ONE_GENERATION ((uint64_t)1 << GENERATION_SHIFT)
#define INDEX_MASK (((uint32_t)1 << INDEX_BITS) - 1)

_Static_assert(PREMAP_FILES_MAX == INDEX_MASK, "slot 0 is not used, so that no handle is a small number by accident");
_Static_assert(PREMAP_REFERENCES_MAX == REFERENCE_MASK >> REFERENCE_SHIFT, "the documented limit is the word's");
_Static_assert(INDEX_BITS + GENERATION_BITS - 1 == 53, "handles must be exact in a double");

typedef struct slot {
  _Atomic uint64_t word;
  union {
    premap__file *file; /* while there are references or pins; written before the word says so */
    uint32_t next;      /* while free: the next free slot of the shard, 0 for none */
  };
} slot;

/* Free slots, in several lists so that threads that create and close at the same time do not meet. */
typedef struct shard {
  _Alignas(64) uv_mutex_t lock;
  uint32_t free;
} shard;

static slot first_segment[SEGMENT_SLOTS]; /* so that a library which is unloaded leaves nothing behind */
static _Atomic(slot *) segments[SEGMENTS];
static shard shards[SHARDS];
static uv_mutex_t growth_lock;
static uint32_t grown; /* slots handed to shards so far; guarded by growth_lock */
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;

static void initialize(void) {
  atomic_store_explicit(&segments[0], first_segment, memory_order_release);
  initial_error = premap__monitors_ready() ? uv_mutex_init(&growth_lock) : UV_ENOMEM;
  for (int i = 0; i < SHARDS && initial_error == 0; i++)
    initial_error = uv_mutex_init(&shards[i].lock);
  if (initial_error == 0 && !premap__fork_ready())
    initial_error = UV_ENOMEM;
}

static slot *slot_at(uint32_t index) {
  slot *segment = atomic_load_explicit(&segments[index >> SEGMENT_BITS], memory_order_acquire);
  return segment != NULL ? &segment[index & (SEGMENT_SLOTS - 1)] : NULL;
}

/* The slot a handle names, or null, and the generation its word must have. A negative or too large handle asks for a generation
 * with more bits than a word has, and zero for one that slot 0 never gets, so neither needs a test of its own. */
static slot *slot_of(premap_file handle, uint64_t *generation) {
  *generation = (uint64_t)handle >> INDEX_BITS << 1 | 1;
  return slot_at((uint32_t)handle & INDEX_MASK);
}

static uint32_t index_of(const premap__file *file) {
  return (uint32_t)file->handle & INDEX_MASK;
}

/* ---- Free slots */

static shard *own_shard(void) {
  static _Atomic uint32_t threads;
  static _Thread_local uint32_t number;
  if (number == 0)
    number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % SHARDS + 1;
  return &shards[number - 1];
}

static uint32_t shard_take(shard *from) {
  uv_mutex_lock(&from->lock);
  uint32_t index = from->free;
  if (index != 0)
    from->free = slot_at(index)->next;
  uv_mutex_unlock(&from->lock);
  return index;
}

static void shard_put(shard *to, uint32_t first, uint32_t count) {
  uv_mutex_lock(&to->lock);
  for (uint32_t index = first + count; index-- > first;) {
    slot_at(index)->next = to->free;
    to->free = index;
  }
  uv_mutex_unlock(&to->lock);
}

/* Makes a batch of new slots and returns one of them; the others go to the shard. 0 and a code when there can be no more. */
static uint32_t grow(shard *to, int *code) {
  uv_mutex_lock(&growth_lock);
  uint32_t first = grown;
  _Atomic(slot *) *segment = first <= INDEX_MASK ? &segments[first >> SEGMENT_BITS] : NULL;
  *code = segment == NULL ? PREMAP_ENOBUFS : 0;
  if (segment != NULL && atomic_load_explicit(segment, memory_order_relaxed) == NULL) {
    slot *slots = calloc(SEGMENT_SLOTS, sizeof(slot));
    if (slots == NULL)
      *code = PREMAP_ENOMEM;
    else
      atomic_store_explicit(segment, slots, memory_order_release);
  }
  if (*code == 0)
    grown += BATCH_SLOTS;
  uv_mutex_unlock(&growth_lock);
  if (*code != 0)
    return 0;
  uint32_t mine = first == 0 ? 1 : first; /* slot 0 stays unused */
  shard_put(to, mine + 1, first + BATCH_SLOTS - mine - 1);
  return mine;
}

/* A program may open on one thread and close on another, so look at the other lists before making more. */
static uint32_t take_slot(int *code) {
  shard *own = own_shard();
  uint32_t index = shard_take(own);
  for (int i = 0; index == 0 && i < SHARDS; i++)
    index = shard_take(&shards[i]);
  return index != 0 ? index : grow(own, code);
}

/* ---- The word */

int premap__registry_insert(premap__file *file) {
  uv_once(&once, initialize);
  if (initial_error != 0)
    return PREMAP_ENOMEM;
  int code = 0;
  uint32_t index = take_slot(&code);
  if (index == 0)
    return code;
  slot *s = slot_at(index);
  s->file = file;
  /* The first generation open to a handle is 3: no handle is below 2^26, so small forged numbers are never valid. Nobody but
   * this thread changes the word of a free slot. */
  uint64_t generation = atomic_load_explicit(&s->word, memory_order_relaxed) >> GENERATION_SHIFT;
  generation = (generation == 0 ? 2 : generation) + 1;
  file->handle = (premap_file)(generation >> 1 << INDEX_BITS | index);
  atomic_store_explicit(&s->word, generation << GENERATION_SHIFT | ONE_REFERENCE | ONE_PIN | PREMAP__PENDING,
                        memory_order_release);
  return 0;
}

premap__file *premap__registry_pin(premap_file handle, int *code) {
  uint64_t generation;
  slot *s = slot_of(handle, &generation);
  *code = PREMAP_EBADF;
  if (s == NULL)
    return NULL;
  uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
  do {
    if (word >> GENERATION_SHIFT != generation)
      return NULL;
    if ((word & PIN_MASK) == PIN_MASK) {
      *code = PREMAP_EOVERFLOW;
      return NULL;
    }
    /* Acquire pairs with the release of the insertion: the pinner sees the file. */
  } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, word + ONE_PIN, memory_order_acquire, memory_order_relaxed));
  *code = 0;
  return s->file;
}

bool premap__registry_pin_more(premap__file *file) {
  slot *s = slot_at(index_of(file));
  uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
  do {
    if ((word & PIN_MASK) == PIN_MASK)
      return false;
    /* The caller's own pin keeps the file, so nothing has to be ordered. */
  } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, word + ONE_PIN, memory_order_relaxed, memory_order_relaxed));
  return true;
}

void premap__registry_unpin(premap__file *file) {
  uint32_t index = index_of(file);
  slot *s = slot_at(index);
  /* Release, so that what this thread did with the file comes before its end; acquire, so that the one who ends it sees all of
   * that. */
  uint64_t word = atomic_fetch_sub_explicit(&s->word, ONE_PIN, memory_order_acq_rel) - ONE_PIN;
  if ((word & (PIN_MASK | REFERENCE_MASK)) != 0)
    return;
  premap__file_destroy(file);
  if (word >> GENERATION_SHIFT != 0) /* at 0 the generations have been used up: the slot is retired */
    shard_put(own_shard(), index, 1);
}

int premap__registry_retain(premap_file handle) {
  uint64_t generation;
  slot *s = slot_of(handle, &generation);
  if (s == NULL)
    return PREMAP_EBADF;
  uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
  do {
    if (word >> GENERATION_SHIFT != generation)
      return PREMAP_EBADF;
    if ((word & REFERENCE_MASK) == REFERENCE_MASK)
      return PREMAP_EOVERFLOW;
  } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, word + ONE_REFERENCE, memory_order_relaxed,
                                                  memory_order_relaxed));
  return 0;
}

int premap__registry_release(premap_file handle, premap__file **last) {
  uint64_t generation;
  slot *s = slot_of(handle, &generation);
  *last = NULL;
  if (s == NULL)
    return PREMAP_EBADF;
  uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
  uint64_t next;
  bool is_last;
  do {
    if (word >> GENERATION_SHIFT != generation)
      return PREMAP_EBADF;
    is_last = (word & REFERENCE_MASK) == ONE_REFERENCE;
    /* The reference becomes a pin of the caller's, in the same step in which the handle becomes stale. The pins cannot overflow
     * into the references in between: with all of them taken the close is refused like any call. */
    if (is_last && (word & PIN_MASK) == PIN_MASK)
      return PREMAP_EOVERFLOW;
    next = word - ONE_REFERENCE + (is_last ? ONE_GENERATION + ONE_PIN : 0);
    /* Release: the user's reads of the region come before the unmapping, whoever does it. */
  } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, next, memory_order_acq_rel, memory_order_relaxed));
  if (is_last)
    *last = s->file;
  return 0;
}

premap__state premap__registry_state(const premap__file *file) {
  return (premap__state)(atomic_load_explicit(&slot_at(index_of(file))->word, memory_order_acquire) & STATE_MASK);
}

/* A premap__state, or PREMAP_EBADF. */
static int peek(premap_file handle) {
  uint64_t generation;
  slot *s = slot_of(handle, &generation);
  if (s == NULL)
    return PREMAP_EBADF;
  uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);
  return word >> GENERATION_SHIFT == generation ? (int)(word & STATE_MASK) : PREMAP_EBADF;
}

bool premap__registry_move(premap__file *file, premap__state from, premap__state to) {
  slot *s = slot_at(index_of(file));
  uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
  do {
    if ((word & STATE_MASK) != (uint64_t)from)
      return false;
  } while (!atomic_compare_exchange_weak_explicit(&s->word, &word, (word & ~STATE_MASK) | (uint64_t)to, memory_order_acq_rel,
                                                  memory_order_relaxed));
  return true;
}

/* ---- The child of a fork */

void premap__registry_fork(premap__fork_stage stage) {
  void (*turn)(uv_mutex_t *) = stage == PREMAP__FORK_PREPARE ? uv_mutex_lock : uv_mutex_unlock;
  turn(&growth_lock);
  for (int i = 0; i < SHARDS; i++)
    turn(&shards[i].lock);
}

static void each(void (*visit)(premap__file *file), bool drop_pins) {
  for (uint32_t index = 1; index < grown; index++) {
    slot *s = slot_at(index);
    uint64_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
    if ((word & REFERENCE_MASK) == 0)
      continue;
    if (drop_pins)
      atomic_store_explicit(&s->word, word & ~PIN_MASK, memory_order_relaxed);
    visit(s->file);
  }
}

void premap__registry_orphan(void (*visit)(premap__file *file)) {
  each(visit, true);
}

void premap__registry_each(void (*visit)(premap__file *file)) {
  each(visit, false);
}

/* ---- Look: here, so that polling costs one call and one load */

int premap_state(premap_file handle) {
  int state = peek(handle);
  return state == PREMAP__CANCELLED ? PREMAP_FAILED : state;
}

int premap_is_ready(premap_file handle) {
  return peek(handle) == PREMAP__READY;
}

int premap_is_failed(premap_file handle) {
  return peek(handle) >= PREMAP__FAILED;
}

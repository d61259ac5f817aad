/* SPDX-License-Identifier: MIT
 *
 * prefault.c - brings the pages of a mapped file in, chunk by chunk.
 *
 * Between two chunks the worker looks whether the file is still wanted. A chunk therefore bounds how long a cancelled load
 * keeps its thread: it shrinks towards 10 ms of the rate measured, down to the smallest allowed, and grows back. Chunks end at
 * multiples of 2 MiB of the file where they can, since the page cache's large pages begin there.
 */
#include "limits.h"

static const premap__status well = {0, 0};

enum {
  CHUNK_NS = 10 * 1000 * 1000,
  ASKED_MIN = 256 << 10,       /* of smaller files it is not asked whether they are in memory */
  ASKED_SIZE = 128 << 10,      /* of each chunk's beginning it is: of small pages the answer takes 7 us a MiB */
  ASK_SIZE = 128 << 10,        /* of what is asked for, more than a device's limit is cut off: that of most is larger */
  SHARED_NS = 4 * 1000 * 1000, /* what takes longer is worth a second thread, which has begun after some 50 us */
  SHARED_CHUNKS = 8,           /* after so many of its own a thread looks whether the other is of use */
  QUICK_NS = 100 * 1000        /* a chunk that is larger than usual takes no longer than that */
};
#define LARGE_PAGE ((uint64_t)2 << 20)
#define GROWN_MAX ((uint64_t)64 << 20)

/* A larger one is as good as none. */
static void set_chunk(premap__file *file, uint64_t size) {
  uint64_t kib = size / 1024;
  file->chunk_now_kib = kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
}

static uint64_t chunk_of(const premap__file *file) {
  return (uint64_t)file->chunk_now_kib * 1024;
}

static size_t chunk_at(const premap__file *file, size_t position, uint64_t chunk_size) {
  size_t left = premap__file_size(file) - position;
  uint64_t place = file->plan->offset + position;
  uint64_t end = place + chunk_size;
  if (chunk_size >= LARGE_PAGE)
    end -= end % LARGE_PAGE;
  return end - place < left ? (size_t)(end - place) : left;
}

/* The next chunk's size, after one of these bytes took that long. In large pages 4 MiB are there after 2 us, most of which is
 * what lies between two chunks: so these grow while they are quick, and shrink when they are not. */
static uint64_t adapt(premap__file *file, uint64_t chunk_size, size_t bytes, uint64_t took_ns) {
  uint64_t usual = file->plan->chunk_size;
  if (file->was_read)
    file->chunks_grow = false;
  if (took_ns > CHUNK_NS) {
    uint64_t fitting = bytes / (took_ns / CHUNK_NS + 1);
    if (fitting > usual)
      fitting = usual;
    return fitting < PREMAP_CHUNK_SIZE_MIN ? PREMAP_CHUNK_SIZE_MIN : fitting;
  }
  if (chunk_size > usual && !file->chunks_grow)
    return usual;
  if (chunk_size > usual && took_ns > QUICK_NS)
    return chunk_size / 2;
  uint64_t grown = chunk_size * 2;
  uint64_t limit = file->chunks_grow && took_ns < QUICK_NS / 2 ? GROWN_MAX : usual;
  return took_ns < CHUNK_NS / 4 && grown <= limit ? grown : chunk_size;
}

/* The page at the offset cannot be had: because the file has become shorter, or because its device failed. */
static premap__status tell_cause(premap__file *file, uint64_t offset, premap__status status) {
  file->error_offset = offset;
  if (status.code != PREMAP_EFAULT)
    return status;
  premap__os_identity now;
  bool is_shorter = premap__os_identify(file->descriptor, &now).code == 0 && now.size <= offset;
  return (premap__status){is_shorter ? PREMAP_ECHANGED : PREMAP_EIO, status.os_error};
}

static uint64_t resident_bytes(const premap__file *file, size_t position, size_t size) {
  uint64_t resident = 0;
  void *address = (unsigned char *)file->data + position;
  premap__status status = premap__os_resident(file->descriptor, file->plan->offset + position, size, address, &resident);
  return status.code == 0 ? resident : 0; /* unknown counts as none: the budget then decides */
}

/* Beyond the budget only what is in memory already may be made present, since it takes none: as much of the file as was when
 * the load began, since what read-ahead brings in while it runs does take memory. */
static bool take_budget(premap__file *file, size_t position, size_t size) {
  if (premap__budget_hold(file, size))
    return true;
  if (file->exempt < size || resident_bytes(file, position, size) < size)
    return false;
  file->exempt -= size;
  premap__budget_hold_resident(file, size);
  return true;
}

static uint8_t strategy_of(premap__os_way way) {
  static const uint8_t strategies[] = {[PREMAP__WAY_FAULT_AROUND] = PREMAP__STRATEGY_FAULT_AROUND,
                                       [PREMAP__WAY_POPULATE] = PREMAP__STRATEGY_POPULATE,
                                       [PREMAP__WAY_PREFETCH] = PREMAP__STRATEGY_PREFETCH,
                                       [PREMAP__WAY_KERNEL_COPY] = PREMAP__STRATEGY_KERNEL_COPY};
  return strategies[way];
}

static bool is_paced(const premap__file *file) {
  return file->strategy == PREMAP__STRATEGY_POPULATE_PACED;
}

/* Who uses the region later has its read-ahead again. */
static void end_pacing(const premap__file *file) {
  if (is_paced(file))
    (void)premap__os_advise(file->descriptor, file->plan->offset, file->data, premap__file_size(file),
                            PREMAP_ADVICE_NORMAL); /* a hint too */
}

/* The system does not let pages be made present, so that hints are all that is left. */
static premap__status settle_for_advice(premap__file *file, size_t position) {
  premap__budget_give_back(file, UINT64_MAX);
  end_pacing(file);
  premap__status status = premap__advise(file, position, premap__file_size(file) - position, PREMAP_ADVICE_WILL_NEED);
  file->strategy = PREMAP__STRATEGY_ADVISE;
  file->partial = 1;
  file->reason = PREMAP__REASON_NOT_PRESENT;
  return status;
}

/* Before the first chunk that has to be read. What the device reads ahead would be in flight beside what is asked for, up to
 * many MiB: so where that is bounded nothing is read ahead. Else it comes in pieces of 2 MiB where the system would use smaller
 * pages, unless it will be read at random: that advice would not be heard any more. */
static void choose_reading(premap__file *file, size_t position) {
  size_t left = premap__file_size(file) - position;
  uint64_t behind = file->identity.size - file->plan->offset - position;
  void *address = (unsigned char *)file->data + position;
  if (premap__loader_is_bounded(file)) {
    if (behind > PREMAP__PACED_PIECE && premap__os_read_as_asked(address, left))
      file->strategy = PREMAP__STRATEGY_POPULATE_PACED;
  } else if (left >= LARGE_PAGE && file->plan->advice != PREMAP_ADVICE_RANDOM &&
             premap__os_read_in_large_pieces(file->descriptor, address, left)) {
    file->strategy = PREMAP__STRATEGY_POPULATE_LARGE;
    if (file->reason == PREMAP__REASON_LARGE)
      file->reason = PREMAP__REASON_SMALL_PAGES;
  }
}

/* Most files are in memory as a whole or not at all, and asking takes time: so it is asked until a chunk is not there, and not
 * of small files, unless it matters how they are read. */
static void look(premap__file *file, size_t position, size_t size) {
  if (file->was_read || (premap__file_size(file) < ASKED_MIN && !premap__loader_is_bounded(file)))
    return;
  if (size > ASKED_SIZE)
    size = ASKED_SIZE;
  file->was_read = resident_bytes(file, position, size) < size;
  if (file->was_read)
    choose_reading(file, position);
}

/* No more than a hint: what it does not bring in the populating does, page by page. */
static void ask_for(const premap__file *file, size_t position, size_t size) {
  for (size_t end = position + size; position < end; position += ASK_SIZE)
    (void)premap__os_advise(file->descriptor, file->plan->offset + position, (unsigned char *)file->data + position,
                            end - position < ASK_SIZE ? end - position : ASK_SIZE, PREMAP_ADVICE_WILL_NEED);
}

static premap__status populate_paced(const premap__file *file, size_t position, size_t size, size_t *done,
                                     premap__os_way *way) {
  size_t piece = premap__loader_is_gentle(file) && size > PREMAP__PACED_PIECE ? (size_t)PREMAP__PACED_PIECE : size;
  premap__status status = well;
  ask_for(file, position, piece);
  while (*done < size && status.code == 0) {
    size_t at = *done;
    size_t end = size - at > piece ? at + piece : size;
    size_t got = 0;
    if (end < size)
      ask_for(file, position + end, size - end > piece ? piece : size - end);
    status = premap__os_populate((unsigned char *)file->data + position + at, end - at, &got, way);
    *done += got;
  }
  return status;
}

/* What was in memory has been accessed before, as a rule. Once something was not, what the system read ahead of it may be there
 * without having been. */
static premap__status touch(unsigned char *address, size_t size, size_t *done, bool *touched) {
  if (!premap__os_needs_touch())
    return well;
  size_t got = 0;
  premap__status status = premap__os_touch(address, size, &got);
  *touched = *touched || status.code == 0;
  if (status.code != PREMAP_EFAULT)
    return well; /* there was no way to touch it */
  *done = got;
  return status; /* the page cannot be had any more */
}

static bool is_mapped_only(premap__os_way way) {
  return way == PREMAP__WAY_FAULT_AROUND || way == PREMAP__WAY_POPULATE;
}

/* The way to try first. */
static premap__os_way way_of(const premap__file *file, bool was_read) {
  if (file->strategy == PREMAP__STRATEGY_POPULATE)
    return PREMAP__WAY_POPULATE;
  return was_read ? PREMAP__WAY_FAULT_AROUND : PREMAP__WAY_UNKNOWN;
}

static premap__status populate_chunk(premap__file *file, size_t position, size_t size) {
  unsigned char *address = (unsigned char *)file->data + position;
  size_t done = 0;
  premap__os_way way = way_of(file, file->was_read);
  premap__status status = is_paced(file) ? populate_paced(file, position, size, &done, &way)
                                         : premap__os_populate(address, size, &done, &way);
  if (status.code == PREMAP_ENOSYS)
    return settle_for_advice(file, position);
  /* A chunk that a slow one made small is populated whatever the way of the others is. */
  bool is_special = is_paced(file) || file->strategy == PREMAP__STRATEGY_POPULATE_LARGE ||
                    (file->strategy == PREMAP__STRATEGY_FAULT_AROUND && size < ASKED_MIN);
  if (!is_mapped_only(way))
    end_pacing(file); /* it is not seen to from now on */
  if (!is_special || !is_mapped_only(way))
    file->strategy = strategy_of(way);
  if (status.code == 0 && is_mapped_only(way) && file->was_read) {
    bool touched = file->touched;
    status = touch(address, size, &done, &touched);
    file->touched = touched;
  }
  premap__file_add_done(file, done);
  premap__budget_give_back(file, size - done);
  return status.code != 0 ? tell_cause(file, file->plan->offset + position + done, status) : status;
}

premap__status premap__advise(premap__file *file, size_t position, size_t size, premap_advice advice) {
  uint64_t offset = file->plan->offset + position;
  void *address = (unsigned char *)file->data + position;
  premap__status status = premap__os_advise(file->descriptor, offset, address, size, advice);
  if (status.code == PREMAP_ENOSYS) {
    file->reason = PREMAP__REASON_NO_ADVICE;
    return well;
  }
  if (status.code != 0)
    file->error_offset = offset;
  return status;
}

static premap__status advise_chunk(premap__file *file, size_t position, size_t size) {
  premap__status status = premap__advise(file, position, size, PREMAP_ADVICE_WILL_NEED);
  file->strategy = file->reason == PREMAP__REASON_NO_ADVICE ? PREMAP__STRATEGY_NONE : PREMAP__STRATEGY_ADVISE;
  if (status.code == 0)
    premap__file_add_done(file, size);
  return status;
}

/* Sets partial when the budget has ended for good. */
static premap__status get_budget(premap__file *file, size_t position, size_t size) {
  bool waits = (file->plan->flags & PREMAP_WAIT_FOR_MEMORY) != 0;
  premap__frees seen = premap__loader_frees(PREMAP__MEMORY);
  for (; !take_budget(file, position, size); seen = premap__loader_frees(PREMAP__MEMORY)) {
    if (premap__deferred_give_back(file, seen))
      continue;
    premap__lack lack = waits ? premap__loader_lacks(file, seen) : PREMAP__LACK_LASTS;
    if (lack == PREMAP__LACK_LATER)
      return (premap__status){PREMAP__INTERRUPTED, 0};
    if (lack == PREMAP__LACK_LASTS) {
      file->partial = 1;
      file->reason = PREMAP__REASON_BUDGET;
      return well;
    }
  }
  return well;
}

/* A chunk that has grown has to be in memory as a whole, and to have room: what has to be read, or waits for memory, comes in
 * usual ones. True: it is held. Else *size is that of a usual one. */
static bool hold_grown(premap__file *file, size_t position, size_t *size) {
  if (premap__budget_allows(file, *size) && resident_bytes(file, position, *size) == *size && premap__budget_hold(file, *size))
    return true;
  *size = chunk_at(file, position, file->plan->chunk_size);
  return false;
}

/* Of *size bytes, which become as many as there is room for. *took_ns stays as it is where there is none now. */
static premap__status bring_in(premap__file *file, size_t position, size_t *size, uint64_t *took_ns) {
  bool populate = file->plan->prefault == PREMAP_PREFAULT_POPULATE;
  bool is_held = false;
  uint64_t asked_ns = 0;
  if (*size > file->plan->chunk_size) {
    uint64_t asking = premap__now_ns();
    is_held = hold_grown(file, position, size);
    asked_ns = premap__now_ns() - asking;
  }
  uint64_t exempt = file->exempt;
  premap__status status = populate && !is_held ? get_budget(file, position, *size) : well;
  if (status.code != 0 || file->partial)
    return status;
  if (populate)
    look(file, position, *size);
  size_t wanted = *size;
  premap__flight flight;
  status = premap__loader_begin_chunk(file, size, is_paced(file), &flight);
  if (populate && *size < wanted) {
    premap__budget_give_back(file, wanted - *size);
    file->exempt += file->exempt < exempt ? wanted - *size : 0;
  }
  if (status.code != 0)
    return status.code == PREMAP_EAGAIN ? premap__loader_wait_for_flights(file, wanted, is_paced(file)) : status;
  uint64_t begin = premap__now_ns();
  status = populate ? populate_chunk(file, position, *size) : advise_chunk(file, position, *size);
  *took_ns = premap__now_ns() - begin;
  set_chunk(file, adapt(file, chunk_of(file), *size, *took_ns + asked_ns));
  premap__loader_end_chunk(&flight);
  return status;
}

/* ---- By two threads. What is in memory comes as fast as page tables are filled, and two threads fill them nearly twice as
 * fast. */

/* What became of one thread's chunks. */
typedef struct outcome {
  premap__status status;
  size_t at; /* where it failed */
  premap__os_way way;
  bool is_any; /* of them */
  bool was_read;
  bool touched;
} outcome;

typedef struct together {
  premap__assist assist; /* comes first */
  premap__file *file;
  size_t chunk_size;
  _Atomic size_t next; /* where the next chunk begins: all before it are somebody's */
  atomic_bool ends;    /* nobody takes another one */
  outcome own, assistant_s;
  uint64_t alone_ns; /* that a chunk takes this thread when it has no other beside it */
  uint64_t began_ns; /* the last count of its chunks, which are looked at together */
  unsigned count;
  unsigned useless; /* such counts in a row, in which two threads did no more than one */
} together;

static bool is_there(const premap__file *file, size_t position, size_t size) {
  size_t asked = size < ASKED_SIZE ? size : ASKED_SIZE;
  return resident_bytes(file, position, asked) == asked;
}

/* The next chunk, if the budget has room for it: the caller's then. */
static bool take_chunk(together *of, size_t *position, size_t *size) {
  premap__file *file = of->file;
  size_t at = atomic_load_explicit(&of->next, memory_order_relaxed);
  while (at < premap__file_size(file)) {
    size_t chunk = chunk_at(file, at, of->chunk_size);
    if (!premap__budget_hold(file, chunk))
      return false;
    *position = at;
    *size = chunk;
    if (atomic_compare_exchange_strong_explicit(&of->next, &at, at + chunk, memory_order_relaxed, memory_order_relaxed))
      return true;
    premap__budget_give_back(file, chunk); /* the other thread was first */
  }
  return false;
}

static bool bring_next_in(together *of, outcome *to) {
  premap__file *file = of->file;
  size_t position, size, done = 0;
  if (atomic_load_explicit(&of->ends, memory_order_relaxed) || !premap__worker_is_wanted(file) ||
      !take_chunk(of, &position, &size))
    return false;
  premap__flight flight;
  (void)premap__loader_begin_chunk(file, &size, false, &flight); /* only counted, as it is not bounded */
  unsigned char *address = (unsigned char *)file->data + position;
  bool was_there = is_there(file, position, size);
  if (to->way != PREMAP__WAY_POPULATE)
    to->way = way_of(file, !was_there);
  premap__status status = premap__os_populate(address, size, &done, &to->way);
  if (!was_there && status.code == 0 && is_mapped_only(to->way))
    status = touch(address, size, &done, &to->touched);
  premap__loader_end_chunk(&flight);
  premap__file_add_done(file, done);
  to->is_any = true;
  to->was_read = !was_there;
  if (done < size)
    premap__budget_give_back(file, size - done);
  if (status.code != 0) {
    to->status = status;
    to->at = position + done;
  }
  bool ends = status.code != 0 || !was_there;
  if (ends)
    atomic_store_explicit(&of->ends, true, memory_order_relaxed);
  return !ends;
}

static bool assist(premap__assist *assist) {
  together *of = (together *)assist;
  return bring_next_in(of, &of->assistant_s);
}

/* Nobody else has the file any more, which goes on at the position. The one that failed first in the file tells its cause. */
static premap__status join(premap__file *file, size_t position, const outcome *one, const outcome *other) {
  file->assisted = file->assisted || other->is_any;
  file->was_read = one->was_read || other->was_read;
  file->touched = file->touched || one->touched || other->touched;
  if (one->way != PREMAP__WAY_FAULT_AROUND || other->way != PREMAP__WAY_FAULT_AROUND)
    file->strategy = strategy_of(one->way != PREMAP__WAY_FAULT_AROUND ? one->way : other->way);
  if (one->status.code == 0 || (other->status.code != 0 && other->at < one->at))
    one = other;
  if (one->status.code == PREMAP_ENOSYS)
    return settle_for_advice(file, one->at);
  if (one->status.code != 0)
    return tell_cause(file, file->plan->offset + one->at, one->status);
  if (file->was_read && position < premap__file_size(file))
    choose_reading(file, position);
  return well;
}

/* Do the two do more than one alone? Else the one keeps the other waiting, and both take the processor's time. One count of
 * chunks may only have been interrupted. */
static bool is_of_use(together *of) {
  if (++of->count < SHARED_CHUNKS)
    return true;
  uint64_t now = premap__now_ns();
  bool is_faster = (now - of->began_ns) * 5 < of->alone_ns * SHARED_CHUNKS * 9; /* by a tenth at least */
  of->useless = is_faster ? 0 : of->useless + 1;
  of->began_ns = now;
  of->count = 0;
  return of->useless < 2;
}

/* Until something comes in between, for which *position is where this thread goes on alone. It took took_ns for size bytes
 * before; *shares becomes false when two threads were no faster. */
static premap__status bring_in_together(premap__file *file, size_t *position, size_t size, uint64_t took_ns, bool *shares) {
  const outcome nothing = {.way = way_of(file, true)};
  uint64_t chunk_size = file->plan->chunk_size; /* what made it smaller was a device */
  together of = {.assist = {.loader = file->plan->loader, .do_piece = assist},
                 .file = file,
                 .chunk_size = chunk_size < PREMAP_CHUNK_SIZE_DEFAULT ? (size_t)chunk_size : (size_t)PREMAP_CHUNK_SIZE_DEFAULT,
                 .next = *position,
                 .own = nothing,
                 .assistant_s = nothing,
                 .began_ns = premap__now_ns()};
  of.alone_ns = (uint64_t)((double)took_ns * (double)of.chunk_size / (double)size);
  premap__assist_begin(&of.assist);
  while (*shares && !premap__loader_may_interrupt(file) && bring_next_in(&of, &of.own))
    *shares = is_of_use(&of);
  if (!*shares)
    atomic_store_explicit(&of.ends, true, memory_order_relaxed);
  premap__assist_end(&of.assist);
  *position = atomic_load_explicit(&of.next, memory_order_relaxed);
  return join(file, *position, &of.own, &of.assistant_s);
}

/* After a chunk of so many bytes that took so long, if it is in memory, and enough is left for a hand-off to be worth it. The
 * first one tells nothing, unless it is long: finding the way to bring it in took time too. */
static bool may_share(const premap__file *file, size_t position, size_t size, uint64_t took_ns) {
  bool is_plain = file->strategy == PREMAP__STRATEGY_FAULT_AROUND || file->strategy == PREMAP__STRATEGY_POPULATE;
  size_t left = premap__file_size(file) - position;
  bool tells = position > size || size > PREMAP_CHUNK_SIZE_DEFAULT;
  return took_ns > 0 && tells && left / size * took_ns > SHARED_NS && is_plain && !file->was_read && file->exempt == 0 &&
         file->plan->pause_us == 0 && !premap__loader_is_bounded(file) && !premap__loader_may_interrupt(file) &&
         premap__assist_is_of_use();
}

static premap__status bring_all_in(premap__file *file, size_t position) {
  bool shares = true; /* until it is seen to be of no use */
  while (position < premap__file_size(file) && !file->partial) {
    if (!premap__worker_is_wanted(file))
      return (premap__status){PREMAP_ECANCELED, 0};
    size_t size = chunk_at(file, position, chunk_of(file));
    uint64_t took_ns = 0;
    premap__status status = bring_in(file, position, &size, &took_ns);
    position += size;
    if (status.code == 0 && !file->partial && shares && may_share(file, position, size, took_ns))
      status = bring_in_together(file, &position, size, took_ns, &shares);
    if (status.code != 0)
      return status;
    if (position < premap__file_size(file) && !file->partial && premap__loader_interrupts(file))
      return (premap__status){PREMAP__INTERRUPTED, 0};
  }
  end_pacing(file);
  file->error_offset = 0;
  return well;
}

premap__status premap__prefault(premap__file *file) {
  if (file->plan->prefault == PREMAP_PREFAULT_NONE)
    return well;
  size_t position = (size_t)atomic_load_explicit(&file->done, memory_order_relaxed);
  if (position == 0) {
    bool may_lack = file->plan->prefault == PREMAP_PREFAULT_POPULATE && !premap__budget_allows(file, premap__file_size(file));
    file->exempt = may_lack ? resident_bytes(file, 0, premap__file_size(file)) : 0;
    file->chunks_grow = file->plan->chunks_may_grow && !premap__loader_is_bounded(file);
    set_chunk(file, file->plan->chunk_size);
  }
  return bring_all_in(file, position);
}

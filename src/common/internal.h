/* SPDX-License-Identifier: MIT
 *
 * internal.h - what the files of src/common share. Read file.c, loader.c, worker.c, prefault.c, notify.c and registry.c in that
 * order: they are the way of one file from premap_open to its last close.
 *
 * Who may touch what: see the comments of premap__file. Lock order: the scheduler's lock, one monitor, a waiter's lock. All
 * other locks (registry, budget, pages, callbacks) are leaves: nothing is locked under them.
 */
#ifndef PREMAP_INTERNAL_H
#define PREMAP_INTERNAL_H

#include <stdatomic.h>

#include <uv.h>

#include "os.h"

/* The public states, and one more: a cancelled file is FAILED to everybody outside, but the canceller may write nothing into
 * the file, since a worker may be in the middle of it. So the state alone says it. */
typedef enum premap__state {
  PREMAP__PENDING = PREMAP_PENDING,
  PREMAP__LOADING = PREMAP_LOADING,
  PREMAP__READY = PREMAP_READY,
  PREMAP__FAILED = PREMAP_FAILED,
  PREMAP__CANCELLED = 4
} premap__state;

/* How and why the bytes came in: XX(name, text). */
#define PREMAP__STRATEGY_MAP(XX)                                                                                               \
  XX(NONE, "none")                                                                                                             \
  XX(ADVISE, "advise")                                                                                                         \
  XX(READ, "read")                                                                                                             \
  XX(POPULATE, "populate")                                                                                                     \
  XX(POPULATE_LARGE, "populate-large")                                                                                         \
  XX(POPULATE_PACED, "populate-paced")                                                                                         \
  XX(FAULT_AROUND, "fault-around")                                                                                             \
  XX(PREFETCH, "prefetch")                                                                                                     \
  XX(KERNEL_COPY, "kernel-copy")                                                                                               \
  XX(CACHED, "cached")

#define PREMAP__REASON_MAP(XX)                                                                                                 \
  XX(NONE, "")                                                                                                                 \
  XX(ASKED, "as asked")                                                                                                        \
  XX(SMALL, "small enough to copy")                                                                                            \
  XX(INLINE, "already in memory, so read at the start")                                                                        \
  XX(CACHED, "already in memory")                                                                                              \
  XX(MANY_COPIES, "copies hold much memory already, so mapped")                                                                \
  XX(LARGE, "too large to copy")                                                                                               \
  XX(SMALL_PAGES, "too large to copy, and the system would have used small pages")                                             \
  XX(WRITABLE, "read-write files are mapped")                                                                                  \
  XX(ADVISED, "advice needs a mapping")                                                                                        \
  XX(NO_ADVICE, "mapped, but the system has no such advice")                                                                   \
  XX(LAZY, "no prefault asked, so mapped")                                                                                     \
  XX(EMPTY, "empty file")                                                                                                      \
  XX(UNSIZED, "reports no size, so read to its end")                                                                           \
  XX(UNMAPPABLE, "its file system refuses to map, so read")                                                                    \
  XX(MAP_LIMIT, "the limit of maps is reached, so read")                                                                       \
  XX(NOT_PRESENT, "the system does not let pages be made present")                                                             \
  XX(BUDGET, "the memory budget is reached")

#define XX(name, text) PREMAP__STRATEGY_##name,
enum { PREMAP__STRATEGY_MAP(XX) };
#undef XX
#define XX(name, text) PREMAP__REASON_##name,
enum { PREMAP__REASON_MAP(XX) };
#undef XX

/* How far a load is, for a worker that takes it up again. */
enum { PREMAP__PHASE_BEGIN = 0, PREMAP__PHASE_ALLOCATE, PREMAP__PHASE_COPY, PREMAP__PHASE_MAP, PREMAP__PHASE_END };

/* A pool that takes nothing for so long may be waiting for us. */
enum { PREMAP__STUCK_MS = 100 };

/* Instead of a code: the load was suspended, and belongs to somebody else by now. */
#define PREMAP__INTERRUPTED 1

struct premap__wait_node;
typedef struct premap__note premap__note;
typedef struct premap__host premap__host;

/* How to load, for one file or all of a group. Constant once made, but for the directory. Freed with the last file that has it.
 */
typedef struct premap__plan {
  _Atomic size_t references;
  premap_loader *loader; /* with a reference of ours */
  premap_group *group;   /* with a reference of ours; null: the file is in none */
  uint32_t pause_us;
  uint32_t flags;
  uint8_t mode;
  uint8_t prefault;
  uint8_t backing_asked;
  uint8_t advice;
  bool from_descriptor;      /* by premap_open_fd: the path is its name in messages */
  bool chunks_may_grow;      /* beyond chunk_size, of what is in memory */
  int8_t priority;           /* of files that are made */
  uint64_t deadline_ns;      /* of files that are made, from their start on; 0: none */
  premap_callback *callback; /* whom to tell of each end, if anybody */
  premap_queue *queue;       /* with a reference of ours; null: none */
  void *user_data;
  uint64_t chunk_size;
  uint64_t offset;
  uint64_t length;
  premap__os_file directory; /* ours, until the last load that needs it has ended */
  _Atomic size_t loads;      /* that may need it */
} premap__plan;

/* In queue_span and load_span: it has been measured. */
#define PREMAP__MEASURED ((uint64_t)1 << 63)
/* In queue_span: the file had ended before it was started. No time that is measured is so early. */
#define PREMAP__NEVER_STARTED ((uint64_t)1)

/* A request and what it becomes. Freed when the last pin on its slot goes (registry.c). 100,000 of them are usual, so it is
 * kept small: a test measures what each takes. */
typedef struct premap__file {
  /* Set at creation, constant from then on. */
  premap_file handle;
  premap__plan *plan;    /* with a reference of ours */
  bool is_known_regular; /* its directory said so, or the caller */

  /* Written only by the thread that moved the state to LOADING, before it moves it on, or away from PENDING for good; read by
   * others once it is READY or FAILED. */
  uint8_t backing;
  uint8_t strategy;
  uint8_t reason;
  uint8_t partial;
  uint8_t step;
  uint8_t phase;
  uint8_t block;       /* the kind of memory that it was copied to */
  bool needs_plan : 1; /* for the plan's directory: its load has not ended */
  bool was_read : 1;   /* a part of it was not in memory */
  bool touched : 1;    /* what was read, after it was made present */
  bool assisted : 1;   /* by a second thread */
  bool chunks_grow : 1;
  int16_t code;

  /* Guarded by the scheduler's lock. Priority is looked at without it between chunks, and so relaxed. */
  uint8_t place;
  bool is_helped : 1;        /* a waiting thread loads it */
  bool is_known_to_host : 1; /* the host's loop stays alive until it has ended */
  bool awaits_flights : 1;   /* STARVED for others' bytes in flight */
  _Atomic int8_t priority;

  uint8_t group_place; /* guarded by the group's monitor: see group.c */
  bool heap_locked;    /* guarded by the lock of pages (region.c) */
  bool is_copying;     /* what is held is much, and not filled yet; guarded by the budget's lock */

  /* As the first ones. */
  int32_t os_error;
  uint32_t base_before;   /* bytes that the mapping, pages or block begin before the region */
  uint32_t chunk_now_kib; /* the next chunk: adapted to the device */
  uint32_t ticket;        /* in the order of starting; guarded by the scheduler's lock */
  size_t base_size;       /* of the whole of it; 0: nothing to free */
  void *data;             /* of the region, whose size is total */
  premap__os_identity identity;
  premap__os_file descriptor; /* ours: given by premap_open_fd, or open while loading, or kept */
  union {
    uint64_t exempt;       /* while pages come in: bytes that were resident when the load began, and so take no memory */
    uint64_t error_offset; /* later: where a chunk failed */
  };

  /* Guarded by the scheduler's lock. */
  uint64_t deadline_ns; /* until the start, nanoseconds from it on; 0: none */
  union {
    struct premap__file *prev;
    size_t heap_place; /* of a file with a deadline, while it waits for a thread */
  };
  struct premap__file *next;

  /* For everybody. Progress is advice, so it is relaxed. */
  _Atomic uint64_t done;
  _Atomic uint64_t total;
  _Atomic uint64_t queue_span; /* when it was started (0: it was not), then with PREMAP__MEASURED how long it was queued */
  _Atomic uint64_t load_span;  /* so for the load */

  uint64_t held;                     /* guarded by the budget's lock */
  struct premap__wait_node *waiters; /* guarded by the file's monitor */
  premap__note *note;                /* tells its end; null: nobody asked, or it is sent */
  struct premap__file *group_prev, *group_next;
  char path[];
} premap__file;

/* ---- registry.c: handles, and the one atomic word of each slot */

/* Gives the file a slot and its handle, PENDING, with one user reference and a pin of the caller's. 0, PREMAP_ENOMEM or
 * PREMAP_ENOBUFS. */
int premap__registry_insert(premap__file *file);

/* Looks a handle up and pins it: the file cannot go until premap__registry_unpin. Null, with the code, for an invalid handle.
 */
premap__file *premap__registry_pin(premap_file handle, int *code);
/* One more pin for someone else, by a thread that has one. False when there are too many. */
bool premap__registry_pin_more(premap__file *file);
/* The last pin of a file without user references destroys it (premap__file_destroy) on this thread. */
void premap__registry_unpin(premap__file *file);

int premap__registry_retain(premap_file handle);
/* Drops a user reference. With the last one the handle is stale and *last is the file, pinned for the caller; else null. */
int premap__registry_release(premap_file handle, premap__file **last);

/* State of a pinned file, with acquire. premap_state and its kin, which take handles, are in registry.c too. */
premap__state premap__registry_state(const premap__file *file);
/* Moves a pinned file from one state to another: false when it was not in the first. Release, so that what was written into the
 * file is seen by who sees the new state; acquire, so that the mover sees what came before. */
bool premap__registry_move(premap__file *file, premap__state from, premap__state to);

/* ---- file.c: file objects and the calls that make, look at and end them */

/* Makes a plan of the options (null: defaults). The caller owns a reference. */
int premap__plan_make(premap__plan **plan, const premap_options *options);
void premap__plan_release(premap__plan *plan);
/* Keeps the plan's directory open, for one more load that needs it: false when the last one has closed it. */
bool premap__plan_keep_directory(premap__plan *plan);
void premap__plan_let_directory_go(premap__plan *plan);
/* Makes a file, pinned for the caller, with one user reference. 0 or a code. */
int premap__file_make(premap__file **file, const char *name, premap__plan *plan);
/* Frees all that the file has. Only the registry calls it, or who failed to make it. */
void premap__file_destroy(premap__file *file);
/* The code by which the file failed, 0 otherwise, given its state. */
int premap__file_code(const premap__file *file, premap__state state);
/* Bytes of the region, once the file was measured. */
static inline bool premap__file_is_cache_only(const premap__file *file) {
  return (file->plan->flags & PREMAP_CACHE_ONLY) != 0;
}

static inline size_t premap__file_size(const premap__file *file) {
  return (size_t)atomic_load_explicit(&file->total, memory_order_relaxed);
}
/* Progress: what is known of its size, and what has come. */
void premap__file_set_total(premap__file *file, uint64_t total);
void premap__file_add_done(premap__file *file, uint64_t bytes);
/* Was it ever started? */
static inline bool premap__file_was_started(const premap__file *file) {
  return atomic_load_explicit(&file->queue_span, memory_order_relaxed) > PREMAP__NEVER_STARTED;
}
/* Turns the time at which a span began into how long it was, unless it never began. */
void premap__span_end(_Atomic uint64_t *span, uint64_t now_ns);
/* Drops a user reference. With the last one, *last is the cancelled or finished file, pinned for the caller; else null. */
int premap__file_release(premap_file handle, premap__file **last);
/* Makes it cancelled if it is unfinished, and takes it out of the queue. The caller has it pinned. */
void premap__file_cancel(premap__file *file);
/* How the options say to open the path, for reading. */
premap__os_how premap__file_how(const premap__file *file);
/* Opens it, also for writing if the options say so. */
premap__status premap__file_open(const premap__file *file, premap__os_file *opened, premap__os_identity *identity);
/* Opens the path again, to ask about a file that was loaded. PREMAP_ENOTSUP when that cannot be: it came by descriptor or
 * directory. */
premap__status premap__file_reopen(const premap__file *file, premap__os_file *opened, premap__os_identity *identity);
/* Gives the descriptor back, or what it needed of its plan. Only for the thread that may write to the file. */
void premap__file_close_descriptor(premap__file *file);
void premap__file_end_load(premap__file *file);
/* What a wait returns for a file in a final state; fills *region (may be null) when it is READY. */
int premap__file_result(const premap__file *file, premap__state state, premap_region *region);

/* ---- options.c */

/* Fills a structure that the caller's version of the library may know more or less of; its first field is its size. */
void premap__copy_sized(void *to, size_t size, const void *from, size_t known);

/* Checks *options (null: defaults) and copies them, filling what an older caller does not know. 0 or a code. */
int premap__options_read(premap_options *to, const premap_options *options);

/* ---- assist.c: a second thread for one piece of work */

/* Work offered to a thread of the pool that has nothing else to do, piece by piece. Its owner's, who does it too, from
 * premap__assist_begin to premap__assist_end, which waits until the assistant is out of its piece. */
typedef struct premap__assist {
  premap_loader *loader;                           /* of whose workers it is one; its owner keeps it */
  bool (*do_piece)(struct premap__assist *assist); /* by the assistant; false: there are none left */
  struct premap__assist *prev, *next;              /* under the scheduler's lock, as are the others */
  bool is_done;                                    /* there are none left */
  bool has_assistant;
} premap__assist;

/* Has the machine a processor for it? */
bool premap__assist_is_of_use(void);
void premap__assist_begin(premap__assist *assist);
void premap__assist_end(premap__assist *assist);

/* ---- loader.c: which file is loaded next, and by whom */

/* How long a start waits for room in a full queue. */
typedef struct premap__patience {
  uint64_t deadline_ns;           /* 0: not at all */
  bool insists;                   /* also where the loader's owner chose not to wait, or not so long */
  bool (*is_over)(void *of_whom); /* null, or asked, with the scheduler's lock, whenever a file has ended: has its time come? */
  void *of_whom;
} premap__patience;

/* Starts a file that was not started. 0, or why the pool could not start or the file could not be queued: where the queue is
 * full PREMAP_ENOBUFS as the loader's owner chose, or PREMAP_ETIMEDOUT when the caller's patience ended first. */
int premap__loader_submit(premap__file *file, const premap__patience *patience);
/* Publishes the end of a file that the caller loads, and is no pool thread. */
void premap__loader_publish(premap__file *file, premap__state to);
/* Takes a file that was cancelled out of its place, if no thread works on it, and drops the scheduler's pin. The caller has one
 * too. True: it was put aside, and what it has so far is the caller's to drop. */
bool premap__loader_withdraw(premap__file *file);
/* Makes the calling thread the one that loads the file, if no other does: 1. 0: one does, or it has ended. Or a code. */
int premap__loader_help(premap__file *file);
/* The same for a file that was never started, by a thread that can end it at once: so it keeps to no limit. False: it does not.
 */
bool premap__loader_begin_here(premap__file *file);

/* ---- schedule.c: whoever lacks something */

/* A file that the caller loads lacks memory or a descriptor. */
typedef enum premap__lack {
  PREMAP__LACK_LASTS, /* nothing is under way that could give any back */
  PREMAP__LACK_LATER, /* the file was put aside until then; it is not the caller's any more */
  PREMAP__LACK_ENDED  /* something was given back while the caller waited */
} premap__lack;
/* How often something of a kind was given back, and files were unmapped for others: to be asked before one asks for it. */
typedef enum premap__kind { PREMAP__MEMORY, PREMAP__DESCRIPTORS } premap__kind;
typedef struct premap__frees {
  premap__kind kind;
  uint64_t count;
  uint64_t unmapped;
} premap__frees;
premap__frees premap__loader_frees(premap__kind kind);
premap__lack premap__loader_lacks(premap__file *file, premap__frees seen);
/* Something was given back. Never with a lock held. */
void premap__loader_freed(premap__kind kind);

/* ---- loaders.c: loaders as objects */

extern premap_loader premap__default_loader;
void premap__loader_retain(premap_loader *loader);
void premap__loader_release(premap_loader *loader);
/* Counts the end of one of its files, or takes that back. */
void premap__loader_count(premap_loader *loader, const premap__file *file, premap__state state, bool add);

/* ---- completion.c: telling that a file has ended */

struct premap__note {
  struct premap__note *prev, *next; /* guarded by whoever has it */
  premap_callback *callback;        /* or else */
  premap_queue *queue;              /* with a reference of ours */
  premap_completion told;
  bool is_known_to_host; /* the host's loop stays alive until it is told */
  atomic_int arrivals;   /* of start and end; acquire and release, so that the second sees what the first wrote */
};

/* Makes the note that the plan asks for; none is null. */
int premap__note_make(premap__note **note, const premap__plan *plan);
void premap__note_free(premap__note *note);
/* The file was started: under the scheduler's lock, once. 0, or why it could not be told. */
int premap__note_start(premap__file *file);
/* The file has ended: by whoever published it, once. */
void premap__note_end(premap__file *file, int result);
/* Makes the callback. */
void premap__note_tell(premap__note *note);
/* Is this the library's own thread for callbacks? */
bool premap__completion_is_own_thread(void);
/* Ends that thread once it has told all: false when the time passes first. */
bool premap__completion_stop(uint64_t deadline_ns);

/* ---- completion_queue.c */

void premap__completion_retain(premap_queue *queue);
void premap__completion_release(premap_queue *queue);
/* Takes the note over, and a reference. */
void premap__completion_put(premap_queue *queue, premap__note *note);

/* ---- inline.c: files that are in memory already, by the thread that starts them */

/* Starts the file and publishes its end, if nothing of that has to wait. False: nothing was done. */
bool premap__inline_load(premap__file *file);

/* ---- block.c: memory for the bytes of copied files */

/* Pages of its own, or memory whose pages hold others' bytes too. */
enum { PREMAP__BLOCK_PAGES = 0, PREMAP__BLOCK_HEAP, PREMAP__BLOCK_SLAB };

typedef struct premap__block {
  void *data;
  void *base; /* what it is freed by */
  size_t base_size;
  uint8_t kind;
} premap__block;

/* Memory that a group's copies share. All zero at first. */
typedef struct premap__slab premap__slab;
typedef struct premap__slabs {
  premap__slab *current; /* what the next copy is laid into */
  premap__slab *spare;   /* those without copies */
  unsigned spares;
} premap__slabs;

/* Of size bytes, aligned to 64, for a copy by this plan. False: no memory. */
bool premap__block_allocate(const premap__plan *plan, size_t size, premap__block *block);
void premap__block_free(const premap__plan *plan, const premap__block *block);
/* All of their copies are freed. */
void premap__slabs_end(premap__slabs *slabs);

/* ---- worker.c: one load from open to READY or FAILED */

/* Tries to move the file from PENDING to LOADING for this thread. */
bool premap__worker_claim(premap__file *file, uint64_t now_ns);
/* Does the load of a file this thread claimed, or what is left of a suspended one, and returns the state to publish. The caller
 * has it pinned. Blocks for the disk. PREMAP__LOADING: it was suspended, and its pin went with it. */
premap__state premap__worker_load(premap__file *file);
/* Of a file that was cancelled before its end was published: nobody may see the region, so it need not wait for the last close.
 */
void premap__worker_drop(premap__file *file);
/* A copy that was made aside becomes that of a file which this thread claimed, and the file READY. */
typedef struct premap__copy {
  premap__os_file descriptor; /* open for the file to keep, or PREMAP__NO_FILE */
  premap__os_identity identity;
  premap__block block;
  size_t size;
  uint64_t began_ns;
} premap__copy;
void premap__worker_adopt(premap__file *file, const premap__copy *copy);
/* Makes a file FAILED that cannot even be begun. */
void premap__worker_refuse(premap__file *file, premap__status status);
/* Drops what a file has that was cancelled while it was suspended, without taking long. */
void premap__worker_abandon(premap__file *file);
/* Is this thread's load still to go on, or has somebody cancelled it? */
bool premap__worker_is_wanted(const premap__file *file);
/* Unmaps or frees the region. */
void premap__worker_drop_region(premap__file *file);

/* ---- prefault.c: bringing the pages of a mapped file in */

/* By the file's policy, chunk by chunk, until the end, an error, the budget's end (sets partial), or the file is no longer
 * LOADING or was suspended (PREMAP__INTERRUPTED). Goes on where it was interrupted. */
premap__status premap__prefault(premap__file *file);
/* Gives the system a hint about a part of the region of a file that loads. That it has no such hint is the file's reason, not
 * an error. */
premap__status premap__advise(premap__file *file, size_t position, size_t size, premap_advice advice);

/* ---- notify.c: the end of a load, and those who wait for it */

/* Moves a pinned file to its final state and wakes everybody who waits. False when somebody else was first: then nothing
 * happened. */
bool premap__publish(premap__file *file, premap__state from, premap__state to);
/* With the scheduler's lock, after which they are woken. */
bool premap__publish_locked(premap__file *file, premap__state from, premap__state to, uint64_t now_ns);
uint64_t premap__now_ns(void);
/* Waits for a condition, with its lock held: false when the time had passed before. UINT64_MAX: for ever. */
bool premap__wait_until(uv_cond_t *condition, uv_mutex_t *lock, uint64_t deadline_ns);
/* The time at which a time-out from now ends; UINT64_MAX for one that never does. */
uint64_t premap__deadline_ns(int64_t timeout_ms);

/* ---- monitor.c: locks that objects share */

typedef struct premap__monitor {
  uv_mutex_t lock;
  uv_cond_t changed;
} premap__monitor;

/* Locks what is only ever held for less time than sleeping and waking up take: so it tries for a moment before it sleeps. */
void premap__lock_briefly(uv_mutex_t *lock);
/* Makes them. False: no memory. Whoever has a file, group, queue or host may rely on it. */
bool premap__monitors_ready(void);
/* The object's monitor, with its lock, which the caller unlocks. */
premap__monitor *premap__monitor_enter(const void *object);

/* A set of monitors. Who is woken enters the monitor: so it is better done after it was left. */
typedef uint32_t premap__monitors;
premap__monitors premap__monitors_with(const premap__monitor *monitor);
/* Wakes all who sleep in them. */
void premap__monitors_wake(premap__monitors sleeping);

/* ---- fork.c: the child of a fork. Each module that has locks takes its part */

typedef enum premap__fork_stage {
  PREMAP__FORK_PREPARE, /* take all locks */
  PREMAP__FORK_PARENT,  /* give them back */
  PREMAP__FORK_CHILD    /* so too, and forget what threads did that are not there any more */
} premap__fork_stage;

/* From now on forks are looked after. False: no memory. */
bool premap__fork_ready(void);
void premap__schedule_fork(premap__fork_stage stage);
void premap__monitors_fork(premap__fork_stage stage);
void premap__completion_fork(premap__fork_stage stage);
void premap__completion_queue_fork(premap__fork_stage stage);
void premap__budget_fork(premap__fork_stage stage);
void premap__region_fork(premap__fork_stage stage);
void premap__registry_fork(premap__fork_stage stage);
/* In the child, for each file that is open: drops all pins, and visits it. */
void premap__registry_orphan(void (*visit)(premap__file *file));
void premap__registry_each(void (*visit)(premap__file *file));
/* In the child, of a file that has not ended: no callback will be made. */
void premap__completion_disown(premap__file *file);
void premap__host_orphan(premap__host *host);

/* ---- group.c: what its files tell a group */

/* What is known of a file's size has changed; so many bytes have come in. */
void premap__group_measured(premap_group *group, uint64_t before, uint64_t total);
void premap__group_brought_in(premap_group *group, uint64_t bytes);
/* A file has reached its final state. Gives the monitor in which somebody has to be woken for it. */
premap__monitors premap__group_ended(premap__file *file, premap__state state);
/* A file was closed for good. */
void premap__group_forget(premap__file *file);
/* Are its paths resolved beneath a directory? */
bool premap__group_is_beneath(const premap_group *group);
/* As premap_group_add. */
premap_file premap__group_add(premap_group *group, const char *path, bool is_known_regular);
/* Adds a file that has failed already: 1, or a code. */
int premap__group_add_failed(premap_group *group, const char *path, premap__status status);
/* Where its small copies lie. */
premap__slabs *premap__group_slabs(premap_group *group);
/* Null: nothing. */
void premap__group_release(premap_group *group);

/* ---- deferred.c: unmapping that is left to the pool */

bool premap__deferred_is_any_locked(void);
/* Unmaps what waits for it, on this thread: false if there was nothing. Never with a lock held. */
bool premap__deferred_unmap(void);
/* How many were, so far. */
uint64_t premap__deferred_unmapped(void);
/* For a load that lacks what such a file may have: unmaps them, or waits for who is doing that, as long as the load is wanted.
 * True: something was unmapped since that was seen, so try again. */
bool premap__deferred_give_back(const premap__file *lacking, premap__frees seen);
/* Has the pool unmap a file that was cancelled, and is in no thread's hands. False: it cannot, or that is not worth it. */
bool premap__deferred_take_over(premap__file *file);
/* In the child of a fork. */
void premap__deferred_orphan_locked(void);

/* ---- region.c */

/* Locks the whole region of a READY file, or one that is about to be. */
premap__status premap__region_lock_all(premap__file *file);
/* Before a small copy is freed: its pages may hold other files' locked bytes. */
void premap__region_forget_lock(premap__file *file);

/* ---- error.c */

const char *premap__strategy_name(unsigned strategy, bool touched);
const char *premap__reason_text(unsigned reason);

#endif

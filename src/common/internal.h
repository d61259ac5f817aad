/* SPDX-License-Identifier: MIT
 *
 * internal.h - what the files of src/common share. Read file.c, loader.c, worker.c, prefault.c, notify.c and registry.c in that
 * order: they are the way of one file from premap_open to its last close.
 *
 * Who may touch what: see the comments of premap__file. Lock order: the loader's lock, a wait bucket, a waiter's lock. All
 * other locks (registry, budget, pages) are leaves: nothing is locked under them.
 */
#ifndef PREMAP_INTERNAL_H
#define PREMAP_INTERNAL_H

#include <stdatomic.h>

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
  XX(PREFETCH, "prefetch")                                                                                                     \
  XX(KERNEL_COPY, "kernel-copy")

#define PREMAP__REASON_MAP(XX)                                                                                                 \
  XX(NONE, "")                                                                                                                 \
  XX(ASKED, "as asked")                                                                                                        \
  XX(SMALL, "small enough to copy")                                                                                            \
  XX(LARGE, "too large to copy")                                                                                               \
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

/* Where the loader has a file. */
enum { PREMAP__NOWHERE = 0, PREMAP__QUEUED, PREMAP__RUNNING };

struct premap__wait_node;

/* A request and what it becomes. Freed when the last pin on its slot goes (registry.c). Kept small: 100,000 of them are usual.
 */
typedef struct premap__file {
  /* Set at creation, constant from then on. */
  uint32_t slot;
  uint32_t pause_us;
  uint64_t chunk_size;
  uint64_t offset;
  uint64_t length;
  uint8_t mode;
  uint8_t prefault;
  uint8_t backing_asked;
  uint8_t advice;
  uint8_t flags;
  bool from_descriptor; /* by premap_open_fd: path is its name in messages */

  /* Written only by the thread that moved the state to LOADING, before it moves it on; read by others once it is READY or
   * FAILED. */
  uint8_t backing;
  uint8_t strategy;
  uint8_t reason;
  uint8_t partial;
  uint8_t step;
  bool heap;        /* copied to malloc's memory, not to pages of its own */
  bool heap_locked; /* guarded by the lock of pages (region.c) */
  uint8_t place;    /* guarded by the loader's lock */
  int32_t code;
  int32_t os_error;
  uint64_t error_offset;
  premap_region region;
  void *base; /* mapping, pages or heap block; null: nothing to free */
  size_t base_size;
  premap__os_identity identity;
  premap__os_file descriptor; /* ours: given by premap_open_fd, or open while loading, or kept */
  premap__os_file directory;  /* ours until the load ends */

  /* For everybody. Progress is advice, so it is relaxed. */
  _Atomic uint64_t done;
  _Atomic uint64_t total;
  _Atomic uint64_t started_ns;
  _Atomic uint64_t claimed_ns;
  _Atomic uint64_t finished_ns;

  struct premap__held *held_by; /* guarded by the budget's lock, as is held */
  uint64_t held;
  struct premap__wait_node *waiters; /* guarded by the file's wait bucket */
  struct premap__file *prev, *next;  /* guarded by the loader's lock */
  char path[];
} premap__file;

/* ---- registry.c: handles, and the one atomic word of each slot */

/* Gives the file a slot with one user reference and no pin, PENDING. Returns the handle, or PREMAP_ENOMEM or PREMAP_ENOBUFS. */
premap_file premap__registry_insert(premap__file *file);

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

/* Frees all that the file has. Only the registry calls it. */
void premap__file_destroy(premap__file *file);
/* The code by which the file failed, 0 otherwise, given its state. */
int premap__file_code(const premap__file *file, premap__state state);
/* Makes it cancelled if it is unfinished, and takes it out of the queue. The caller has it pinned. */
void premap__file_cancel(premap__file *file);
/* Opens the path as the options say, to load it or to ask about it again. PREMAP_ENOTSUP when that cannot be: the file came by
 * descriptor, or its directory has been given back. */
premap__status premap__file_open(const premap__file *file, bool writable, premap__os_file *opened,
                                 premap__os_identity *identity);
/* Gives the descriptor and the directory back. Only for the thread that may write to the file. */
void premap__file_close_descriptor(premap__file *file);
void premap__file_close_directory(premap__file *file);
/* What a wait returns for a file in a final state; fills *region (may be null) when it is READY. */
int premap__file_result(const premap__file *file, premap__state state, premap_region *region);

/* ---- options.c */

/* Checks *options (null: defaults) and copies them, filling what an older caller does not know. 0 or a code. */
int premap__options_read(premap_options *to, const premap_options *options);

/* ---- loader.c: the queue, and the pool threads it borrows */

/* Queues a file that is PENDING and not queued; one that is neither is left alone. 0, or why the pool could not start. */
int premap__loader_submit(premap__file *file);
/* Before its worker publishes the end of a file: it is not among the running ones any more. */
void premap__loader_forget(premap__file *file);
/* Takes a file that was claimed or cancelled elsewhere out of the queue, and drops the queue's pin. The caller has one too. */
void premap__loader_withdraw(premap__file *file);

/* ---- worker.c: one load from open to READY or FAILED */

/* Tries to move the file from PENDING to LOADING for this thread. */
bool premap__worker_claim(premap__file *file);
/* Does the whole load of a file this thread claimed and has pinned, and publishes its end. Blocks for the disk. */
void premap__worker_load(premap__file *file);
/* Is this thread's load still to go on, or has somebody cancelled it? */
bool premap__worker_is_wanted(const premap__file *file);
/* Unmaps or frees the region. */
void premap__worker_drop_region(premap__file *file);

/* ---- prefault.c: bringing the pages of a mapped file in */

/* By the file's policy, chunk by chunk, until the end, an error, the budget's end (sets partial) or the file is no longer
 * LOADING. */
premap__status premap__prefault(premap__file *file);
/* Gives the system a hint about a part of the region of a file that loads. That it has no such hint is the file's reason, not
 * an error. */
premap__status premap__advise(premap__file *file, size_t position, size_t size, premap_advice advice);

/* ---- budget.c: memory and maps that loads may use */

/* May size more bytes be copied? Counts them if so, until they are filled (premap__budget_copied): then the system counts them.
 */
bool premap__budget_copy(uint64_t size);
void premap__budget_copied(uint64_t size);
/* Could size more bytes of the mapped file be made present now? Counts nothing. */
bool premap__budget_allows(const premap__file *file, uint64_t size);
/* May size more bytes of the mapped file be made present? Counts them as held if so, until given back. */
bool premap__budget_hold(premap__file *file, uint64_t size);
/* Counts bytes as held without asking, for what was in memory already. */
void premap__budget_hold_resident(premap__file *file, uint64_t size);
/* Gives back what the file holds, at most size. */
void premap__budget_give_back(premap__file *file, uint64_t size);
/* One more map, if the limit allows. */
bool premap__budget_take_map(void);
void premap__budget_give_back_map(void);

/* ---- notify.c: the end of a load, and those who wait for it */

/* Moves a pinned file to its final state and wakes everybody who waits. False when somebody else was first: then nothing
 * happened. */
bool premap__publish(premap__file *file, premap__state from, premap__state to);
uint64_t premap__now_ns(void);
/* The time at which a time-out from now ends; UINT64_MAX for one that never does. */
uint64_t premap__deadline_ns(int64_t timeout_ms);

/* ---- region.c */

/* Locks the whole region of a READY file, or one that is about to be. */
premap__status premap__region_lock_all(premap__file *file);
/* Before a heap copy is freed: its pages may hold other files' locked bytes. */
void premap__region_forget_lock(premap__file *file);

/* ---- error.c */

const char *premap__strategy_name(unsigned strategy);
const char *premap__reason_text(unsigned reason);

#endif

/* SPDX-License-Identifier: MIT
 *
 * premap.h - load files into memory in the background.
 *
 *   premap_file file = premap_open("model.bin", NULL);     a handle at once; a worker opens, maps and brings the pages in
 *   premap_region region;
 *   int result = premap_wait(file, -1, &region);           0: region.data[0 .. region.size) can be read without stalling
 *   ...
 *   premap_close(file);                                    the region is gone
 *
 * Every function may be called from any thread at any time, unless its comment says otherwise. None prints, exits, aborts,
 * installs a signal or exception handler, or leaves an error in a thread-local. Functions that return int return PREMAP_OK (0),
 * or a negative PREMAP_E* code. A handle that is closed, forged, zero or negative is PREMAP_EBADF in all of them.
 *
 * What no mapping can promise: when another program truncates a mapped file after it was READY, touching the bytes beyond its
 * new end raises SIGBUS (POSIX). Where that can happen, ask for PREMAP_BACKING_COPIED, read with premap_copy_out, or ask
 * premap_check first. Nor does the library promise a NUL after the last byte.
 *
 * Closing any descriptor of a file drops the POSIX record locks (fcntl F_SETLK) this process holds on it; the library opens and
 * closes one while it loads. Locks by flock() or open file description locks are not affected.
 *
 * Exit: running loads end within a chunk when the process exits; a read that hangs in the kernel (a network file system that is
 * gone) can hold a normal exit until a fatal signal, because libuv joins its pool's threads.
 *
 * Fork: in the child, files that were READY are readable, those that were started and not READY are FAILED with
 * PREMAP_ECANCELED, for whom no callback is made there, and new loads work: the first one makes a new pool. What unfinished
 * loads held in memory and descriptors stays until the child ends, and so do the descriptors of the parent's loop. A completion
 * queue keeps the entries it had, and its descriptor is the child's own. A loader made by premap_loader_attach may only be
 * detached there. The fork may happen on any thread at any time, but where another thread is in its very first start of a
 * file at that moment, starting is PREMAP_ENOTSUP in the child.
 *
 * Relative paths are resolved when the file is opened, against the working directory of that moment.
 *
 * Windows:
 *  - While a file is mapped nobody can truncate it (ERROR_USER_MAPPED_FILE, 1224), and deleting it may be refused too
 *    (ERROR_ACCESS_DENIED); renaming it is not. A copied file hinders nobody.
 *  - Files are opened so that others may read, write, rename and delete them. PREMAP_EBUSY: another program does not share
 *    the file, or has locked bytes that were to be copied. Mapped bytes know no such locks.
 *  - Paths may have slashes of both kinds, and up to 32,767 characters. PREMAP_EILSEQ: not valid UTF-8. PREMAP_EFTYPE: the
 *    name of a device (NUL, CON, COM1).
 *  - A READ_WRITE file keeps its handle open while it is mapped, since premap_flush needs it.
 *  - Once a file was started the library's DLL stays loaded: its threads may be in it until the process ends.
 */
#ifndef PREMAP_PREMAP_H
#define PREMAP_PREMAP_H

#include <stddef.h>
#include <stdint.h>

#include <premap/errors.h>
#include <premap/export.h>
#include <premap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A handle to a file: positive, below 2^53. A negative value is an error code; zero is never valid. A handle stays invalid for
 * ever once its last reference is closed: its slot's next user has another generation. */
typedef int64_t premap_file;

/* The loaded bytes. Borrowed: valid until the file's last close. data is never null, also for an empty file or one of
 * PREMAP_CACHE_ONLY. */
typedef struct premap_region {
  void *data;
  size_t size;
} premap_region;

/* A file moves forwards only, and reaches READY or FAILED exactly once. The values are fixed. */
typedef enum premap_load_state {
  PREMAP_PENDING = 0, /* created, or in the queue */
  PREMAP_LOADING = 1, /* a thread works on it */
  PREMAP_READY = 2,
  PREMAP_FAILED = 3 /* a cancelled file too, with PREMAP_ECANCELED */
} premap_load_state;

typedef enum premap_mode {
  PREMAP_READ_ONLY = 0,    /* writing to the region is undefined */
  PREMAP_READ_WRITE = 2,   /* writes go to the file; always mapped */
  PREMAP_COPY_ON_WRITE = 3 /* writes stay in this process */
} premap_mode;

/* What READY promises about the pages. */
typedef enum premap_prefault {
  PREMAP_PREFAULT_NONE = 0,     /* mapped; touching may stall */
  PREMAP_PREFAULT_POPULATE = 1, /* every page was made present for reading: without memory pressure touching it faults no more.
                                   An I/O error or a truncation met on the way is the file's error */
  PREMAP_PREFAULT_ADVISE = 2    /* the system was told chunk by chunk that it will be needed; touching may stall */
} premap_prefault;

typedef enum premap_backing {
  PREMAP_BACKING_AUTO = 0,   /* copied up to PREMAP_COPY_LIMIT bytes, mapped above or where copies hold much memory already; see
                              * premap_file_info.reason */
  PREMAP_BACKING_MAPPED = 1, /* the file's own pages */
  PREMAP_BACKING_COPIED = 2  /* private memory, aligned to 64 bytes: immune to later truncation */
} premap_backing;

typedef enum premap_advice {
  PREMAP_ADVICE_NORMAL = 0,
  PREMAP_ADVICE_SEQUENTIAL = 1,
  PREMAP_ADVICE_RANDOM = 2,
  PREMAP_ADVICE_WILL_NEED = 3 /* start reading now; does not wait */
} premap_advice;

/* The step at which a load failed. */
typedef enum premap_step {
  PREMAP_STEP_NONE = 0,
  PREMAP_STEP_OPEN = 1,
  PREMAP_STEP_SIZE = 2,
  PREMAP_STEP_MAP = 3,
  PREMAP_STEP_READ = 4,
  PREMAP_STEP_POPULATE = 5,
  PREMAP_STEP_LOCK = 6
} premap_step;

/* Loaders and queues: see below. */
typedef struct premap_loader premap_loader;
typedef struct premap_queue premap_queue;

/* The end of a file that was started. */
typedef struct premap_completion {
  premap_file file; /* may have been closed meanwhile */
  int result;       /* as premap_wait gives it: 0, PREMAP_PARTIAL or the file's error */
  void *user_data;
} premap_completion;

/* Called exactly once for each file whose start succeeded, also when it was cancelled or closed before its end
 * (PREMAP_ECANCELED): on a thread of the library's own that makes all callbacks one after the other, or on the loop's thread
 * for a loader made by premap_loader_attach; never before premap_start or premap_open have taken the file, but maybe before
 * they return. It may call any function, also premap_close for its own file, and block, which holds up other callbacks but no
 * load; only premap_shutdown gives PREMAP_EDEADLK there. user_data must live until then. */
typedef void premap_callback(premap_file file, int result, void *user_data);

/* Limits. */
#define PREMAP_FILES_MAX INT64_C(67108863)        /* handles open at once: premap_create gives PREMAP_ENOBUFS beyond */
#define PREMAP_REFERENCES_MAX 65535               /* references to one file: premap_retain gives PREMAP_EOVERFLOW beyond */
#define PREMAP_COPY_LIMIT ((uint64_t)256 << 10)   /* bytes up to which PREMAP_BACKING_AUTO copies */
#define PREMAP_COPY_ANYWAY ((uint64_t)32 << 10)   /* bytes up to which it does so however many copies there are; larger ones, */
#define PREMAP_COPIES_MAX ((uint64_t)8 << 20)     /* as long as all copies of the process would hold no more than this */
#define PREMAP_UNSIZED_LIMIT ((uint64_t)64 << 20) /* bytes read of a file that reports no size: PREMAP_EFBIG beyond */
#define PREMAP_CHUNK_SIZE_DEFAULT ((uint64_t)4 << 20) /* bytes between two looks at cancellation */
#define PREMAP_CHUNK_SIZE_MIN ((uint64_t)64 << 10)
#define PREMAP_PRIORITY_MIN (-128)
#define PREMAP_PRIORITY_MAX 127
#define PREMAP_PAUSE_MAX_US 1000000U
#define PREMAP_PAUSE_AUTO UINT32_MAX /* 100 us with PREMAP_PREFAULT_ADVISE, none otherwise */

/* Flags of premap_options.
 * NOFOLLOW: the path's last component must not be a symbolic link, else PREMAP_ELOOP.
 * BENEATH: resolve the path beneath the directory premap_options.beneath.
 * KEEP_OPEN: keep the descriptor until the last close, so that premap_check and premap_resident ask the very file.
 * LOCK: lock the pages in memory before READY, as premap_lock does.
 * GENTLE: of all gentle files together at most 1 MiB is being read at a time, so that other reading keeps its pace. On Linux
 * nothing is read ahead of it, save from a descriptor that the caller gave; other systems may.
 * WAIT_FOR_MEMORY: where the memory budget has no room, wait until other files have given some back, instead of becoming READY
 * with less present (or, asked for a copy, FAILED with PREMAP_ENOMEM) at once. The wait ends so when nothing is under way that
 * could.
 * INLINE_IF_CACHED: the call that starts the file may copy it on its own thread, and find it READY when it returns, where that
 * waits neither for a disk nor for another machine: a file of 1 to PREMAP_COPY_LIMIT bytes that is copied, on ext2 to ext4,
 * XFS, Btrfs or F2FS, all of it and of the way to it in memory. Else, with a pause or PREMAP_LOCK, before Linux 6.8 and on
 * other systems it is queued. Who is to be told is told as ever, maybe before the call returns. Such a file passes those that
 * are queued, and needs no room in the queue, no worker and no pool; limits of memory hold, and it cannot be started in a
 * loader that is closed.
 * KNOWN_REGULAR: the caller knows that the path names no FIFO and no device, whose mere opening may wake a writer or rewind a
 * tape. So the type is not looked at before, only after the opening, which saves a quarter of the time that a small file takes.
 * premap_group_add_directory does so by itself.
 * CACHE_ONLY: the bytes are wanted in the system's cache, where other processes and later loads find them, and not here. The
 * region is empty. Where the system tells that all of the file's range is in the cache (Linux, of files that the caller owns or
 * may write to), nothing is mapped or copied, and premap_file_info.strategy is "cached"; else the bytes come in as ever, and
 * their mapping or copy is given back before READY. Until the close they count as held in the loader's memory budget. Needs
 * PREMAP_READ_ONLY, PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, no advice and no PREMAP_LOCK, else PREMAP_EINVAL. */
#define PREMAP_NOFOLLOW 0x1U
#define PREMAP_BENEATH 0x2U
#define PREMAP_KEEP_OPEN 0x4U
#define PREMAP_LOCK 0x8U
#define PREMAP_GENTLE 0x10U
#define PREMAP_WAIT_FOR_MEMORY 0x20U
#define PREMAP_INLINE_IF_CACHED 0x40U
#define PREMAP_KNOWN_REGULAR 0x80U
#define PREMAP_CACHE_ONLY 0x100U

/* How to load. Start from PREMAP_OPTIONS_INIT; a null pointer means the same. All-zero fields after size are valid too: they
 * mean read-only, the whole file, automatic backing, no prefault, no pause. Errors of premap_create and its kin: size 0, a
 * value outside its enumeration, a chunk or pause outside its range, PREMAP_BACKING_COPIED with PREMAP_READ_WRITE or with an
 * advice, or what does not go with PREMAP_CACHE_ONLY: PREMAP_EINVAL. Non-zero bytes beyond what this library knows:
 * PREMAP_E2BIG. An unknown flag: PREMAP_ENOTSUP. */
typedef struct premap_options {
  size_t size;       /* sizeof(premap_options): tells the library which fields exist */
  uint32_t mode;     /* premap_mode */
  uint32_t prefault; /* premap_prefault */
  uint32_t backing;  /* premap_backing */
  /* premap_advice, given to the system once the pages are in. Anything but NORMAL chooses to map. Where the system has no such
   * hint (Windows: SEQUENTIAL, RANDOM) premap_file_info.reason says so. */
  uint32_t advice;
  uint32_t flags;    /* PREMAP_NOFOLLOW, ... */
  uint32_t pause_us; /* between two chunks: 0 to PREMAP_PAUSE_MAX_US, or PREMAP_PAUSE_AUTO */
  /* First byte of the file to load, and bytes to load (0: to the end). Any offset up to the file's size; at it the region is
   * empty. A range that is not in the file makes it FAILED with PREMAP_ERANGE. */
  uint64_t offset;
  uint64_t length;
  /* Bytes, at least PREMAP_CHUNK_SIZE_MIN; 0: PREMAP_CHUNK_SIZE_DEFAULT. Chunks of mapped files shrink on slow devices; with 0
   * they grow to 64 MiB, as long as each takes less than 0.1 ms, of what is in memory in large pages. */
  uint64_t chunk_size;
  /* With PREMAP_BENEATH: a directory's descriptor (Windows: handle), duplicated inside the call and closed when the file
   * completes, so that each unfinished file has one open; a group has one for all its files, until it is closed. The path must
   * be relative and may not leave the directory: PREMAP_EXDEV. Where the system cannot resolve so itself, ".." and symbolic
   * links are refused (PREMAP_EXDEV, PREMAP_ELOOP); so on Windows, where that holds for every reparse point, and for names with
   * a colon.
   */
  intptr_t beneath;
  /* PREMAP_PRIORITY_MIN to PREMAP_PRIORITY_MAX, usually 0: higher ones are loaded first, and interrupt lower ones between two
   * chunks. So who needs a part of a large file first opens it twice: as a whole, and that part by offset and length with a
   * higher priority. */
  int32_t priority;
  /* Milliseconds from the start by which it should be loaded; 0: none. Within one priority the earliest deadline goes first,
   * then the files without. Missing it fails nothing. */
  uint32_t deadline_ms;
  /* Who is told of the end: nobody (null), or either of a callback and a queue. See premap_callback and premap_queue. */
  premap_callback *callback;
  premap_queue *queue;
  void *user_data;       /* given to it */
  premap_loader *loader; /* null: the default one */
} premap_options;

#define PREMAP_OPTIONS_INIT                                                                                                    \
  {                                                                                                                            \
    sizeof(premap_options), PREMAP_READ_ONLY, PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_ADVICE_NORMAL, 0,          \
        PREMAP_PAUSE_AUTO, 0, 0, 0, -1, 0, 0, NULL, NULL, NULL, NULL                                                           \
  }

/* ---- Create, start, close (all since 0.1) */

/* Makes a handle for the file that path (UTF-8, copied) names. Opens nothing and does not block.
 * Returns the handle, or PREMAP_EINVAL (null or empty path, bad options), PREMAP_ENAMETOOLONG (over 65,535 bytes),
 * PREMAP_ENOMEM, PREMAP_ENOBUFS (PREMAP_FILES_MAX handles are open), or of beneath PREMAP_EBADF, PREMAP_ENOTDIR, PREMAP_EMFILE.
 * The caller owns one reference and ends it with premap_close. */
PREMAP_EXPORT premap_file premap_create(const char *path, const premap_options *options);

/* Puts the file in the queue of the pool. Does not wait for it, unless its loader's queue is full and the loader's owner chose
 * to wait for room (queued_wait_ms). A file that was started before is left alone. On an error the file is still PENDING, and
 * premap_wait without time-out would load it on the calling thread: PREMAP_ENOBUFS (the queue is full), PREMAP_EAGAIN
 * (premap_shutdown is at work, or no threads can be had), PREMAP_ENOMEM, PREMAP_EMFILE or PREMAP_ENFILE (the pool could not be
 * started), PREMAP_EOVERFLOW (131,071 calls on this file are in progress), PREMAP_ENOTSUP (in the child of a fork that happened
 * during its parent's first start: libuv's threads cannot be had there). With PREMAP_ECANCELED (the loader was closed) no wait
 * loads it either. The first start makes the pool, some 100 us a thread. */
PREMAP_EXPORT int premap_start(premap_file file);

/* premap_create and premap_start in one call. On an error there is nothing to close. */
PREMAP_EXPORT premap_file premap_open(const char *path, const premap_options *options);

/* As premap_open, for what is open already: a POSIX descriptor, or a Windows handle. It is duplicated inside the call, read by
 * explicit offset only (the caller's file position never moves), and stays the caller's. Errors also: PREMAP_EBADF (not a
 * descriptor), PREMAP_EACCES (not opened for what mode needs), PREMAP_EINVAL (with PREMAP_BENEATH or PREMAP_NOFOLLOW). */
PREMAP_EXPORT premap_file premap_open_fd(intptr_t descriptor, const premap_options *options);

/* Creates, loads on the calling thread, and gives the region: blocks until READY or FAILED. Returns the handle, or the error
 * with nothing to close; who wants the error's message uses premap_open and premap_wait. region may be null. */
PREMAP_EXPORT premap_file premap_load(const char *path, const premap_options *options, premap_region *region);

/* Adds a reference, to be ended by its own premap_close. PREMAP_EOVERFLOW beyond PREMAP_REFERENCES_MAX. */
PREMAP_EXPORT int premap_retain(premap_file file);

/* Drops a reference. PREMAP_EOVERFLOW when 131,071 calls on this file are in progress; then nothing was dropped. With the last
 * one the handle is invalid at once; a file that still loads is cancelled; the region is unmapped before the call returns,
 * unless another thread is inside a call on this file, loads it, or has just loaded it: then that thread unmaps it. Blocks no
 * longer than unmapping takes (0.2 to 34 ms a GiB). Nobody may read the region any more. */
PREMAP_EXPORT int premap_close(premap_file file);

/* As premap_close, but leaves the unmapping of a READY file to a thread of the pool: so it never takes longer than a
 * microsecond or two, save where the pool has to be made first. What the file holds counts as held until then, but a load that
 * lacks it has it given back first. Where no pool can be had it is premap_close. */
PREMAP_EXPORT int premap_close_async(premap_file file);

/* Change the order of a file that waits or loads; one that has ended is left alone. A file that loads is interrupted between
 * two chunks for one of higher priority, and goes on later. The deadline is timeout_ms from now, or for a file that was not
 * started from its start; negative: none. Among files of its new priority without deadline the file comes last. Neither blocks.
 * PREMAP_EINVAL: priority out of range. PREMAP_ENOMEM: no room for another deadline; nothing was changed. */
PREMAP_EXPORT int premap_set_priority(premap_file file, int32_t priority);
PREMAP_EXPORT int premap_set_deadline(premap_file file, int64_t timeout_ms);

/* ---- Look, without blocking (all since 0.1) */

/* PREMAP_PENDING to PREMAP_FAILED, or PREMAP_EBADF. Costs one acquire load. */
PREMAP_EXPORT int premap_state(premap_file file);
/* 1: READY; 0: not, or an invalid handle. After 1 the region's bytes are visible to this thread. Costs one acquire load. */
PREMAP_EXPORT int premap_is_ready(premap_file file);
/* 1: FAILED; 0: not, or an invalid handle. */
PREMAP_EXPORT int premap_is_failed(premap_file file);

/* The region of a READY file. PREMAP_EAGAIN: not finished; otherwise the file's error. Never blocks. */
PREMAP_EXPORT int premap_region_of(premap_file file, premap_region *region);

/* Writes the file's path to buffer, NUL-terminated and cut at capacity bytes: as it was given, of a directory's files with what
 * premap_group_add_directory was given in front and slashes between; "descriptor N" of premap_open_fd. Byte for byte, so that
 * what prints it has to see to control characters. Returns the path's full length in bytes without the NUL, or PREMAP_EBADF.
 * buffer may be null when capacity is 0. */
PREMAP_EXPORT int premap_path(premap_file file, char *buffer, size_t capacity);

/* Bytes dealt with (read, populated or advised) and bytes in all; total is 0 until the size is known. Either may be null. */
PREMAP_EXPORT int premap_progress(premap_file file, uint64_t *done, uint64_t *total);

/* What became of a file. */
typedef struct premap_file_info {
  size_t size;           /* sizeof(premap_file_info): set before the call; the library fills no more than that */
  uint32_t state;        /* premap_load_state. The fields below are filled when it is READY or FAILED, and zero before */
  int32_t error;         /* the PREMAP_E* code when FAILED, else 0 */
  int32_t os_error;      /* the system's own code (errno, GetLastError), 0 where there is none */
  uint32_t step;         /* premap_step at which it failed */
  uint64_t error_offset; /* byte of the file at which a read or populate failed, else 0 */
  uint64_t file_size;    /* bytes of the whole file when it was opened */
  uint64_t offset;       /* first byte loaded */
  uint64_t length;       /* bytes loaded: those in the region, but for PREMAP_CACHE_ONLY */
  uint64_t present;      /* bytes of them that were made present: all with POPULATE or a copy, unless partial is set */
  uint32_t partial;      /* 1: READY with less present than asked for; reason says why */
  uint32_t backing;      /* PREMAP_BACKING_MAPPED or PREMAP_BACKING_COPIED; with PREMAP_CACHE_ONLY 0 once it is READY */
  /* How the bytes came in: "none", "advise", "read", "fault-around" (single faults, each of which maps what is around it, and
   * proof that no page was left out), "populate" (one call made the pages present), "populate-large" (these two after being
   * read in pieces of 2 MiB, where the system would have used small pages), "populate-paced" (so too, with nothing read ahead,
   * since what is in flight is bounded), these four with "-touch" at the end (then pages were accessed too, all where some of
   * them stalled: on virtual machines that give memory back to their host, where the first access may), "kernel-copy" (the
   * kernel copied a byte of each), "prefetch" (one call read them, then as kernel-copy) or "cached" (with PREMAP_CACHE_ONLY:
   * they were in the system's cache). Static, never null. */
  const char *strategy;
  const char *reason; /* why this backing and strategy, or why partial. Static, never null */
  uint64_t queue_ns;  /* from the start until a thread took it */
  uint64_t load_ns;   /* from then until READY or FAILED */
  uint32_t assisted;  /* 1: a second thread, of the pool, brought some of it in, as it had nothing else to do */
} premap_file_info;

#define PREMAP_FILE_INFO_INIT                                                                                                  \
  { sizeof(premap_file_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Fills *info. PREMAP_EINVAL when info is null or its size is 0. */
PREMAP_EXPORT int premap_info(premap_file file, premap_file_info *info);

/* ---- Wait (all since 0.1) */

/* Blocks until the file is READY or FAILED, or timeout_ms have passed (0: looks only; -1 or any negative: for ever).
 * Returns 0, or PREMAP_PARTIAL (1) when it is READY with less present than asked for; the file's error when FAILED;
 * PREMAP_ETIMEDOUT when time ran out (the load goes on; premap_state tells it from a file that failed with that code). A file
 * that was never started is started. When the wait is for ever and no worker has taken the file yet, the calling thread loads
 * it itself. Errors of starting, where the time is limited: as premap_start. region may be null; it is filled when the result
 * is 0 or more. */
PREMAP_EXPORT int premap_wait(premap_file file, int64_t timeout_ms, premap_region *region);

/* Blocks until at least one of count files is READY or FAILED, starting those that were not. Returns 0 with *index the first
 * found, PREMAP_ETIMEDOUT, PREMAP_EBADF (*index: the first bad handle), PREMAP_EINVAL (count 0 or null pointer), PREMAP_ENOMEM.
 * Errors of starting a file where the time is limited, with its *index: as premap_start. A handle may appear more than once, up
 * to 131,071 times. A wait for ever loads a file on the calling thread when the pool has taken none of them for 100 ms: all its
 * threads may be waiting. index may be null. */
PREMAP_EXPORT int premap_wait_any(const premap_file *files, size_t count, int64_t timeout_ms, size_t *index);

/* Blocks until all count files are READY or FAILED, starting those that were not. Returns 0 when all are READY, else the error
 * of the first in the array that FAILED; otherwise as premap_wait_any. A wait for ever loads those that no worker has taken on
 * the calling thread. */
PREMAP_EXPORT int premap_wait_all(const premap_file *files, size_t count, int64_t timeout_ms);

/* ---- Control (all since 0.1) */

/* Makes an unfinished file FAILED with PREMAP_ECANCELED at once, without waiting for its load: queued work is removed, a
 * running load stops at its next chunk. A finished file stays as it is: 0 too. The handle still has to be closed. */
PREMAP_EXPORT int premap_cancel(premap_file file);

/* Cancels every load the library's pool has, waits up to timeout_ms (negative: for ever) for its workers to let go, and ends
 * the library's thread. READY files stay readable, handles stay valid, and a later premap_start begins anew. Call it before
 * dlclose. PREMAP_ETIMEDOUT: a worker is still at it, perhaps hanging in the kernel; the library must stay loaded. Starting a
 * file meanwhile is PREMAP_EAGAIN. Two descriptors that libuv opens once stay open. */
PREMAP_EXPORT int premap_shutdown(int64_t timeout_ms);

/* ---- Completion queues (since 0.1)
 *
 * Where files that have ended wait until somebody asks. Each file whose start succeeded has exactly one entry, in the order of
 * their ends. Its memory is reserved before the start, so that none is ever lost. */

/* PREMAP_EINVAL, PREMAP_ENOMEM, PREMAP_EMFILE, PREMAP_ENFILE. Ended by premap_queue_close. */
PREMAP_EXPORT int premap_queue_create(premap_queue **queue);

/* Takes up to capacity entries, and waits for the first of them: timeout_ms as in premap_wait. Returns how many; 0: none came
 * in time. PREMAP_EINVAL; PREMAP_EBADF when the queue is closed meanwhile. */
PREMAP_EXPORT int64_t premap_queue_poll(premap_queue *queue, premap_completion *entries, size_t capacity, int64_t timeout_ms);

/* A descriptor that is readable while there are entries (Windows: an event's handle that is signaled): for poll, epoll, kqueue,
 * WaitForMultipleObjects and what is built on them. Only to be waited for: premap_queue_poll takes the entries. The queue's. */
PREMAP_EXPORT intptr_t premap_queue_fd(premap_queue *queue);

/* Drops the entries that are there; those of files that have not ended are dropped when they do. A thread in premap_queue_poll
 * comes back. The queue may not be used any more. */
PREMAP_EXPORT void premap_queue_close(premap_queue *queue);

/* ---- Groups (since 0.1)
 *
 * Many files with the same options, one progress and one end; 256 bytes each beside the path, and as many again for a callback
 * or queue. The group has one reference to each of its files, which it drops when it is closed; premap_close drops it earlier,
 * so that memory can be given back file by file: not more than once for a file, unless it was retained. Small copies share
 * pieces of at most 1 MiB, each of which goes with the last file in it; up to nine without files are kept until the group has
 * gone. Nobody may close a group while another thread uses it. A null group is PREMAP_EINVAL in all of them. */
typedef struct premap_group premap_group;

/* The options are those of each file, its callback or queue too. Null: defaults. Errors: as premap_create. Ended by
 * premap_group_close. */
PREMAP_EXPORT int premap_group_create(premap_group **group, const premap_options *options);

/* Adds a file, and starts it if the group was started. Takes constant time, and opens nothing. Returns its handle, which may be
 * used until the group is closed, or an error with nothing added: as premap_create, and where it is started as premap_start. */
PREMAP_EXPORT premap_file premap_group_add(premap_group *group, const char *path);

/* Adds the regular files of a directory and of those in it, in any order; premap_path tells which is which. Symbolic links in
 * it are not followed. A directory that cannot be read becomes a FAILED file of the group, and so is counted. Reads the
 * directories on the calling thread, and blocks for that. Returns how many files were added, or an error as premap_group_add
 * (those added before it stay). PREMAP_ENOTSUP with PREMAP_BENEATH. */
PREMAP_EXPORT int64_t premap_group_add_directory(premap_group *group, const char *path);

/* Starts all files, and those that are added from now on. Errors: as premap_start, for the first that could not be; it and
 * those after it can be started again. */
PREMAP_EXPORT int premap_group_start(premap_group *group);

/* Starts the group, and blocks until all files that were added are READY or FAILED, or the time has passed: timeout_ms as in
 * premap_wait. 0 when all are READY, else the error of the first that FAILED; PREMAP_ETIMEDOUT. Where the time is limited, also
 * the errors of starting; a wait for ever loads those that no worker has taken on the calling thread. */
PREMAP_EXPORT int premap_group_wait(premap_group *group, int64_t timeout_ms);

/* Starts the group, and gives the next file that has ended, in the order of the ends, each once; waits for it so long as
 * premap_wait. Files that were closed are left out. 0; PREMAP_EOF when all files that were added have been given;
 * PREMAP_ETIMEDOUT; or an error of starting. user_data is that of the options. A wait for ever loads a file on the calling
 * thread when the pool has taken none for 100 ms. */
PREMAP_EXPORT int premap_group_next(premap_group *group, int64_t timeout_ms, premap_completion *ended);

/* Where a group is. */
typedef struct premap_group_progress {
  size_t size;           /* sizeof(premap_group_progress): set before the call; the library fills no more than that */
  uint64_t files;        /* that were added */
  uint64_t files_ended;  /* of these, READY or FAILED */
  uint64_t files_failed; /* of these, FAILED */
  uint64_t bytes_total;  /* of the files whose size is known by now */
  uint64_t bytes_done;   /* of these, dealt with: all of a file that has ended */
  int64_t left_ms;       /* until all have ended, by the rate so far; 0: they have; negative: not known yet */
} premap_group_progress;

/* Does not block, however many files there are. PREMAP_EINVAL also when progress is null or its size is 0. */
PREMAP_EXPORT int premap_group_progress_of(premap_group *group, premap_group_progress *progress);

/* Cancels all that is unfinished, as premap_cancel does. */
PREMAP_EXPORT void premap_group_cancel(premap_group *group);

/* Drops the group's reference to each of its files: those that nobody retained are cancelled or unmapped. Null: nothing. */
PREMAP_EXPORT void premap_group_close(premap_group *group);

/* ---- Loaders (since 0.1)
 *
 * A loader is an order of files with limits of its own; the threads come from libuv's one pool. The default loader has no
 * limits but those of the system, and needs no call at exit. */

/* Zero means no limit. */
typedef struct premap_loader_options {
  size_t size;
  uint32_t flags;       /* 0 */
  uint32_t workers_max; /* threads of the pool at work for it at once */
  uint64_t
      queued_max; /* files that wait to be begun: premap_start then waits for room, and gives PREMAP_ENOBUFS if none comes */
  int64_t queued_wait_ms;       /* so long: 0 not at all, negative for ever */
  uint64_t bytes_in_flight_max; /* being read at once: at least PREMAP_CHUNK_SIZE_MIN. Read-ahead: see PREMAP_GENTLE */
  uint64_t open_files_max;      /* files begun and not ended, each of which has a descriptor */
  uint64_t maps_max;            /* beyond it files are copied */
  uint64_t memory_max;          /* bytes made present or copied by its files, until they are closed */
} premap_loader_options;

#define PREMAP_LOADER_OPTIONS_INIT                                                                                             \
  { sizeof(premap_loader_options), 0, 0, 0, 0, 0, 0, 0, 0 }

/* options may be null. PREMAP_EINVAL (bad options, among them size 0), PREMAP_E2BIG, PREMAP_ENOTSUP (an unknown flag),
 * PREMAP_ENOMEM. Ended by premap_loader_close. */
PREMAP_EXPORT int premap_loader_create(premap_loader **loader, const premap_loader_options *options);

/* Waits until all that was started has ended: timeout_ms as in premap_wait. Null: the default loader. PREMAP_ETIMEDOUT. */
PREMAP_EXPORT int premap_loader_drain(premap_loader *loader, int64_t timeout_ms);

/* Cancels what it has not loaded yet and waits, timeout_ms as in premap_wait, until no thread works for it. PREMAP_ETIMEDOUT:
 * one is stuck, in a file system that hangs perhaps; it is left behind, and cleans up when it comes out. In both cases the
 * loader may not be used any more, but its READY files may: they are closed as usual. PREMAP_EINVAL: null, or one made by
 * premap_loader_attach. */
PREMAP_EXPORT int premap_loader_close(premap_loader *loader, int64_t timeout_ms);

/* What a loader does and did. */
typedef struct premap_loader_metrics {
  size_t size;              /* sizeof(premap_loader_metrics): set before the call; the library fills no more than that */
  uint64_t workers;         /* threads of the pool that all loaders together may use; 0: not started */
  uint64_t queued;          /* files that wait to be begun */
  uint64_t loading;         /* files that a thread works on */
  uint64_t interrupted;     /* files that gave way to more urgent ones */
  uint64_t starved;         /* files that wait for memory, a descriptor, or for others' bytes in flight, and have no thread */
  uint64_t bytes_in_flight; /* being brought in right now, those of cancelled loads that still hang among them */
  uint64_t memory;          /* bytes held by its files */
  uint64_t maps;
  /* Since it was made. */
  uint64_t started;
  uint64_t ready; /* partial ones among them */
  uint64_t partial;
  uint64_t failed; /* but not cancelled */
  uint64_t cancelled;
  uint64_t bytes_loaded;
  uint64_t deadlines_missed;
  uint64_t interruptions;
  /* Limits; UINT64_MAX: none. */
  uint64_t workers_max;
  uint64_t queued_max;
  uint64_t bytes_in_flight_max;
  uint64_t open_files_max;
  uint64_t maps_max;
  uint64_t memory_max;
  uint64_t memory_available; /* bytes that could be made present for its files now; UINT64_MAX: the system does not tell */
} premap_loader_metrics;

/* Null: the default loader. PREMAP_EINVAL when metrics is null or its size is 0. Does not block. */
PREMAP_EXPORT int premap_metrics(premap_loader *loader, premap_loader_metrics *metrics);

/* ---- Errors (all since 0.1) */

/* The code of a FAILED file; 0 when it has not failed; PREMAP_EBADF for an invalid handle. */
PREMAP_EXPORT int premap_error(premap_file file);

/* Writes a sentence such as  open 'x': no such file or directory (ENOENT)  to buffer, NUL-terminated and cut at capacity bytes;
 * an empty string when the file has not failed. Returns the sentence's full length in bytes without the NUL, or PREMAP_EBADF.
 * buffer may be null when capacity is 0. Bytes of the path that are control characters are written as \xNN. */
PREMAP_EXPORT int premap_error_message(premap_file file, char *buffer, size_t capacity);

/* Text and name ("ENOENT") of a code. Static strings, never null. */
PREMAP_EXPORT const char *premap_strerror(int code);
PREMAP_EXPORT const char *premap_err_name(int code);

/* ---- The bytes later (all since 0.1)
 *
 * All need a READY file: PREMAP_EAGAIN when it is unfinished, its error when FAILED. offset is in bytes from the region's
 * start; length 0 means to its end; a range beyond the region is PREMAP_ERANGE. An empty region succeeds. */

/* Makes the range present again, on the calling thread: blocks for the reading. PREMAP_PARTIAL: the memory budget allows less.
 * PREMAP_EIO, PREMAP_ECHANGED (the file has become shorter; where it cannot be asked any more, PREMAP_EIO), PREMAP_ENOSYS (the
 * system does not let pages be made present). */
PREMAP_EXPORT int premap_populate(premap_file file, uint64_t offset, uint64_t length);

/* Tells the system how the range will be read. PREMAP_ENOTSUP for copied files. PREMAP_ENOSYS: the system has no such hint;
 * Windows knows only NORMAL and WILL_NEED, the latter since Windows 8. On Linux a file whose strategy was "populate-large" is
 * still read in large pieces after RANDOM: one that has RANDOM in its options never gets that strategy. */
PREMAP_EXPORT int premap_advise(premap_file file, uint64_t offset, uint64_t length, premap_advice advice);

/* Keeps the range's pages in memory until premap_unlock or the last close. Populate first: pages not present are locked when
 * touched. Blocks little. PREMAP_ENOMEM or PREMAP_EPERM beyond the limit of lockable memory (ulimit -l; on Windows, where the
 * process's working set is enlarged to hold the locked pages and stays so, what the system allows). Locks do not nest. A
 * copy of up to 1 MiB shares its first and last page with other memory, so it is locked and unlocked as a whole, whatever the
 * range. */
PREMAP_EXPORT int premap_lock(premap_file file, uint64_t offset, uint64_t length);
PREMAP_EXPORT int premap_unlock(premap_file file, uint64_t offset, uint64_t length);

/* Writes the changes of a READ_WRITE file's range to storage and waits for it. PREMAP_ENOTSUP for other modes. */
PREMAP_EXPORT int premap_flush(premap_file file, uint64_t offset, uint64_t length);

/* Lets go of the pages that lie wholly in the range: out of the page tables, and out of the page cache where the system agrees
 * (nobody else maps them). Changes of the file not yet on storage are written first, so it may block. Touching the range reads
 * it again. On Windows the pages leave this process only, and stay in the cache until memory is wanted.
 * PREMAP_ENOTSUP for copied and copy-on-write files, whose bytes would be lost, and where premap_check would give it;
 * PREMAP_EINVAL for locked pages. */
PREMAP_EXPORT int premap_release(premap_file file, uint64_t offset, uint64_t length);

/* How many bytes of the range are in memory now: for a mapped file in the system's page cache (Windows, which does not tell
 * that: present in this process), for a copied one all. Any error means unknown: PREMAP_ENOSYS (the system does not tell),
 * PREMAP_EPERM (it tells only those who may write to the file), PREMAP_ECHANGED (the path names another file by now), or what
 * opening the path gave. Without PREMAP_KEEP_OPEN the path is opened to ask. */
PREMAP_EXPORT int premap_resident(premap_file file, uint64_t offset, uint64_t length, uint64_t *bytes);

/* Copies length bytes (here 0 means none) from offset to buffer through the kernel: where the file was truncated or its device
 * fails, gives PREMAP_ECHANGED or PREMAP_EIO where a plain read of the region would raise a signal. buffer may then be partly
 * written. PREMAP_ENOSYS: the system does not let a process be read so. */
PREMAP_EXPORT int premap_copy_out(premap_file file, uint64_t offset, void *buffer, size_t length);

/* Has the file changed since it was loaded? Compares identity, size and times by opening the path again, or through the
 * descriptor with PREMAP_KEEP_OPEN. 0: the same; PREMAP_ECHANGED; or what opening gave (PREMAP_ENOENT: it is gone).
 * PREMAP_ENOTSUP for a file loaded by premap_open_fd or with PREMAP_BENEATH unless PREMAP_KEEP_OPEN was set. Changes by writing
 * through this mapping count too. */
PREMAP_EXPORT int premap_check(premap_file file);

/* The library's version, "0.1.0". Static. */
PREMAP_EXPORT const char *premap_version(void);

#ifdef __cplusplus
}
#endif

#endif

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
 * Fork: a child may read the files that were READY, and load on its own thread (premap_load, premap_wait for ever). Starting a
 * file there is PREMAP_ENOTSUP when the parent's pool was running, since the child has none of its threads. For the same reason
 * such a child has to end by _exit or exec: libuv's own clean-up at exit waits for threads that are not there.
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

/* The loaded bytes. Borrowed: valid until the file's last close. data is never null, also for an empty file. */
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
  PREMAP_BACKING_AUTO = 0,   /* copied up to PREMAP_COPY_LIMIT bytes, mapped above; see premap_file_info.reason */
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

/* Limits. */
#define PREMAP_FILES_MAX INT64_C(67108863)            /* handles open at once: premap_create gives PREMAP_ENOBUFS beyond */
#define PREMAP_REFERENCES_MAX 65535                   /* references to one file: premap_retain gives PREMAP_EOVERFLOW beyond */
#define PREMAP_COPY_LIMIT ((uint64_t)256 << 10)       /* bytes up to which PREMAP_BACKING_AUTO copies */
#define PREMAP_UNSIZED_LIMIT ((uint64_t)64 << 20)     /* bytes read of a file that reports no size: PREMAP_EFBIG beyond */
#define PREMAP_CHUNK_SIZE_DEFAULT ((uint64_t)4 << 20) /* bytes between two looks at cancellation */
#define PREMAP_CHUNK_SIZE_MIN ((uint64_t)64 << 10)
#define PREMAP_PAUSE_MAX_US 1000000U
#define PREMAP_PAUSE_AUTO UINT32_MAX /* 100 us with PREMAP_PREFAULT_ADVISE, none otherwise */

/* Flags of premap_options.
 * NOFOLLOW: the path's last component must not be a symbolic link, else PREMAP_ELOOP.
 * BENEATH: resolve the path beneath the directory premap_options.beneath.
 * KEEP_OPEN: keep the descriptor until the last close, so that premap_check and premap_resident ask the very file.
 * LOCK: lock the pages in memory before READY, as premap_lock does. */
#define PREMAP_NOFOLLOW 0x1U
#define PREMAP_BENEATH 0x2U
#define PREMAP_KEEP_OPEN 0x4U
#define PREMAP_LOCK 0x8U

/* How to load. Start from PREMAP_OPTIONS_INIT; a null pointer means the same. All-zero fields after size are valid too: they
 * mean read-only, the whole file, automatic backing, no prefault, no pause. Errors of premap_create and its kin: size 0, a
 * value outside its enumeration, a chunk or pause outside its range, or PREMAP_BACKING_COPIED with PREMAP_READ_WRITE or with an
 * advice: PREMAP_EINVAL. Non-zero bytes beyond what this library knows: PREMAP_E2BIG. An unknown flag: PREMAP_ENOTSUP. */
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
  /* Bytes, at least PREMAP_CHUNK_SIZE_MIN; 0: PREMAP_CHUNK_SIZE_DEFAULT. Chunks of mapped files shrink on slow devices. */
  uint64_t chunk_size;
  /* With PREMAP_BENEATH: a directory's descriptor (Windows: handle), duplicated inside the call and closed when the file
   * completes, so that each unfinished file has one open. The path must be relative and may not leave the directory:
   * PREMAP_EXDEV. Where the system cannot resolve so itself, ".." and symbolic links are refused (PREMAP_EXDEV, PREMAP_ELOOP);
   * so on Windows, where that holds for every reparse point, and for names with a colon.
   */
  intptr_t beneath;
} premap_options;

#define PREMAP_OPTIONS_INIT                                                                                                    \
  {                                                                                                                            \
    sizeof(premap_options), PREMAP_READ_ONLY, PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_ADVICE_NORMAL, 0,          \
        PREMAP_PAUSE_AUTO, 0, 0, 0, -1                                                                                         \
  }

/* ---- Create, start, close (all since 0.1) */

/* Makes a handle for the file that path (UTF-8, copied) names. Opens nothing and does not block.
 * Returns the handle, or PREMAP_EINVAL (null or empty path, bad options), PREMAP_ENAMETOOLONG (over 65,535 bytes),
 * PREMAP_ENOMEM, PREMAP_ENOBUFS (PREMAP_FILES_MAX handles are open), or of beneath PREMAP_EBADF, PREMAP_ENOTDIR, PREMAP_EMFILE.
 * The caller owns one reference and ends it with premap_close. */
PREMAP_EXPORT premap_file premap_create(const char *path, const premap_options *options);

/* Puts the file in the queue of the pool. Does not wait for it. A file that was started before is left alone. On an error the
 * file is still PENDING, and premap_wait without time-out would load it on the calling thread: PREMAP_EAGAIN (premap_shutdown
 * is at work, or no threads can be had), PREMAP_ENOMEM, PREMAP_EMFILE or PREMAP_ENFILE (the pool could not be started),
 * PREMAP_ENOTSUP (in a child of fork), PREMAP_EOVERFLOW (131,071 calls on this file are in progress). The first start makes the
 * pool, some 100 us a thread. */
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

/* ---- Look, without blocking (all since 0.1) */

/* PREMAP_PENDING to PREMAP_FAILED, or PREMAP_EBADF. Costs one acquire load. */
PREMAP_EXPORT int premap_state(premap_file file);
/* 1: READY; 0: not, or an invalid handle. After 1 the region's bytes are visible to this thread. Costs one acquire load. */
PREMAP_EXPORT int premap_is_ready(premap_file file);
/* 1: FAILED; 0: not, or an invalid handle. */
PREMAP_EXPORT int premap_is_failed(premap_file file);

/* The region of a READY file. PREMAP_EAGAIN: not finished; otherwise the file's error. Never blocks. */
PREMAP_EXPORT int premap_region_of(premap_file file, premap_region *region);

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
  uint64_t length;       /* bytes in the region */
  uint64_t present;      /* bytes of the region that were made present: all with POPULATE or a copy, unless partial is set */
  uint32_t partial;      /* 1: READY with less present than asked for; reason says why */
  uint32_t backing;      /* PREMAP_BACKING_MAPPED or PREMAP_BACKING_COPIED */
  /* How the bytes came in: "none", "advise", "read", "populate" (one call made the pages present), "kernel-copy" (the kernel
   * copied a byte of each) or "prefetch" (one call read them, then as kernel-copy). Static, never null. */
  const char *strategy;
  const char *reason; /* why this backing and strategy, or why partial. Static, never null */
  uint64_t queue_ns;  /* from the start until a thread took it */
  uint64_t load_ns;   /* from then until READY or FAILED */
} premap_file_info;

#define PREMAP_FILE_INFO_INIT                                                                                                  \
  { sizeof(premap_file_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

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
 * Windows knows only NORMAL and WILL_NEED, the latter since Windows 8. */
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

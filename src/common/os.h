/* SPDX-License-Identifier: MIT
 *
 * os.h - the seam: what one platform does. Mechanism only; what to do, how much and when to stop is decided above it.
 *
 * src/posix and src/win32 implement every function here in files of the same names; what only some systems have is answered by
 * resident_none.c on the others. For all of them holds:
 *  - any thread may call them; none keeps state that needs a lock, none calls back;
 *  - none prints, aborts, installs a handler, or lets an error escape otherwise than by its status;
 *  - interrupted calls are taken up again inside (EINTR never comes out);
 *  - sizes and offsets have been checked above: a range is never empty, and never overflows;
 *  - "address" and "size" of a range need not be aligned unless the function says so.
 */
#ifndef PREMAP_OS_H
#define PREMAP_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <premap/premap.h>

/* How a call ended. Both zero: well. The system's code is translated here and nowhere else. */
typedef struct premap__status {
  int code;     /* 0 or PREMAP_E* */
  int os_error; /* errno or GetLastError, 0 where the failure has none */
} premap__status;

/* A descriptor or Windows handle. */
typedef intptr_t premap__os_file;
#define PREMAP__NO_FILE ((premap__os_file)-1)

/* ---- error.c */

premap__status premap__os_error(int os_error);

/* ---- file.c */

typedef struct premap__os_how {
  const char *path;        /* UTF-8 */
  premap__os_file beneath; /* the directory that the path may not leave, or PREMAP__NO_FILE */
  bool writable;           /* open for writing too */
  bool nofollow;           /* the last component may not be a symbolic link */
  bool is_known_regular;   /* so that opening it can do no harm */
} premap__os_how;

typedef struct premap__os_identity {
  uint64_t device;
  uint64_t index; /* inode or file index */
  uint64_t size;  /* bytes */
  int64_t modified_ns;
  int64_t changed_ns; /* of the metadata */
} premap__os_identity;

/* Opens a regular file, close-on-exec, without ever waiting for a peer (FIFO) or causing a device to act. A directory is
 * PREMAP_EISDIR, anything else that is not a regular file PREMAP_EFTYPE. On success *file must be closed, and *identity
 * describes what was opened. */
premap__status premap__os_open(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity);

/* Duplicates the caller's descriptor, with the same checks; PREMAP_EACCES when it is not open for reading (and writing, if
 * writable). */
premap__status premap__os_duplicate(intptr_t descriptor, bool writable, premap__os_file *file);

/* Duplicates a directory's descriptor. PREMAP_ENOTDIR when it is none. */
premap__status premap__os_duplicate_directory(intptr_t descriptor, premap__os_file *directory);

/* Identity of an open file as it is now, with the same checks as premap__os_open. */
premap__status premap__os_identify(premap__os_file file, premap__os_identity *identity);

/* Would a read wait for data that may never come? Only of a duplicate that reports no size, such as a stream of procfs. */
bool premap__os_would_wait(premap__os_file file);

/* Reads at an offset, never moving the file's position. Returns after at least one byte, at the end of the file (*got 0), or on
 * an error; of what was opened here it never waits for data that may never come (PREMAP_EAGAIN). */
premap__status premap__os_read(premap__os_file file, void *buffer, size_t size, uint64_t offset, size_t *got);

/* Never fails in a way that matters: the files were only read, or their mapping is flushed apart. */
void premap__os_close(premap__os_file file);

/* ---- cached_linux.c, or resident_none.c: the same where it is certain that neither a disk nor another machine is needed.
 * False: it is not, or the call fails for whatever reason, which only the one that may wait tells. Nothing is left to be closed
 * then. */

/* For reading only, with the checks of premap__os_open. */
bool premap__os_open_cached(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity);
bool premap__os_identify_cached(premap__os_file file, premap__os_identity *identity);
/* All size bytes. Only of a file for which one of these two was certain. */
bool premap__os_read_cached(premap__os_file file, void *buffer, size_t size, uint64_t offset);

/* ---- map.c */

typedef struct premap__os_mapping {
  void *data;       /* the byte at the asked offset */
  void *base;       /* what to give to premap__os_unmap */
  size_t base_size; /* bytes */
} premap__os_mapping;

/* Maps size bytes from offset on: any byte; alignment is hidden here. Large maps stand so that the system can use its large
 * pages. PREMAP_ENODEV: the file system cannot map this file. PREMAP_ECHANGED, where maps may not go beyond the end: the file
 * has become shorter. */
premap__status premap__os_map(premap__os_file file, premap_mode mode, uint64_t offset, size_t size,
                              premap__os_mapping *mapping);
void premap__os_unmap(void *base, size_t base_size);

/* Private zeroed pages, aligned and advised for large pages where they are large. Null: no memory. Freed by
 * premap__os_pages_free with the same size. */
void *premap__os_pages_allocate(size_t size);
void premap__os_pages_free(void *pages, size_t size);

/* Bytes of a page: a power of two. */
size_t premap__os_page_size(void);

/* Hints about a mapped range. WILL_NEED starts reading and does not wait; file is the mapped file or PREMAP__NO_FILE, and
 * offset the range's place in it, for systems whose hint takes these. PREMAP_ENOSYS: the system has no such hint. */
premap__status premap__os_advise(premap__os_file file, uint64_t offset, void *address, size_t size, premap_advice advice);

/* Lock without copying copy-on-write pages. Whole pages; page-aligned address. */
premap__status premap__os_lock(void *address, size_t size);
premap__status premap__os_unlock(void *address, size_t size);

/* Writes the range's changes to storage and waits. file is the mapped file where premap__os_flush_needs_file, else maybe
 * PREMAP__NO_FILE. */
premap__status premap__os_flush(premap__os_file file, void *address, size_t size);
bool premap__os_flush_needs_file(void);

/* Drops whole pages of a clean or shared mapping from the page tables; with a file also from the page cache, after writing what
 * is dirty. Page-aligned address and size. */
premap__status premap__os_release(premap__os_file file, uint64_t offset, void *address, size_t size);

/* ---- populate.c */

typedef enum premap__os_way {
  PREMAP__WAY_UNKNOWN,      /* to be found out, of what is in memory already */
  PREMAP__WAY_FAULT_AROUND, /* by single faults that bring in what is around, and the system told that nothing is left out */
  PREMAP__WAY_POPULATE,     /* one call makes the range present */
  PREMAP__WAY_PREFETCH,     /* one call read it, then the kernel copied a byte of each page */
  PREMAP__WAY_KERNEL_COPY   /* the kernel copied a byte of each page */
} premap__os_way;

/* Makes every page of a mapped range present for reading. *done is always set: the bytes from address on that certainly are
 * present, size when the status is well. PREMAP_EFAULT: the page at *done cannot be had (truncated, or an I/O error: the caller
 * finds out which). PREMAP_ENOSYS: the system refuses to do that for any page. *way tells how it was done, and before the call
 * what was best for the file so far. */
premap__status premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way);

/* Does the processor's first access to a page that was read in stall here, although the page is present? */
bool premap__os_needs_touch(void);
/* Accesses each page once. Fails as premap__os_populate does. */
premap__status premap__os_touch(void *address, size_t size, size_t *done);

/* Of a mapped range that is not in memory: has the system read nothing but what is asked for, until premap__os_advise says
 * NORMAL of it. True: it was asked to. */
bool premap__os_read_as_asked(void *address, size_t size);
/* The same of reads from a file that nobody else has opened so. No more than a hint. */
void premap__os_read_file_as_asked(premap__os_file file);
/* Of a mapped range that is not in memory: has the system read it in pieces of 2 MiB, where most of so many bytes would come in
 * small pages. True: it was asked to. */
bool premap__os_read_in_large_pieces(premap__os_file file, void *address, size_t size);

/* Copies mapped memory through the kernel (PREMAP_ENOSYS: it refuses to), which fails with PREMAP_EFAULT at a page that cannot
 * be had instead of raising a signal. */
premap__status premap__os_copy_out(void *buffer, const void *address, size_t size);

/* ---- residency.c */

/* Bytes of the file's range that are in the page cache, counted in whole pages but never more than size. mapped is the range's
 * address where the caller has it mapped, or null: systems that know only of maps count what is present there.
 * PREMAP_ENOSYS or PREMAP_EPERM: unknown; never a guess. */
premap__status premap__os_resident(premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes);

/* ---- memory.c */

/* Bytes that could be filled without pushing others out: the least of what the machine and each limit on this process leave,
 * reclaimable file pages counted as free. UINT64_MAX when the system does not tell. */
typedef struct premap__os_memory {
  uint64_t for_copies; /* private memory */
  uint64_t for_pages;  /* files' pages made present */
  /* Clean pages of files count as free even while they are present here. */
  bool counts_present_as_free;
} premap__os_memory;
premap__os_memory premap__os_memory_available(void);

/* Maps that this process may have; SIZE_MAX when there is no limit. */
size_t premap__os_map_limit(void);

/* Sleeps; lets other threads run. */
void premap__os_pause_us(uint32_t pause_us);
void premap__os_yield(void);

/* Leaves the host's asynchronous signals to the host's own threads, on this thread and those it makes. */
void premap__os_leave_signals(void);

/* ---- event.c: a descriptor (Windows: handle) that others can wait for while the event is set */

typedef struct premap__os_event {
  intptr_t wait;
  intptr_t signal; /* maybe the same */
} premap__os_event;

premap__status premap__os_event_open(premap__os_event *event);
/* Not while it is set already. */
void premap__os_event_set(const premap__os_event *event);
/* Only while it is set. */
void premap__os_event_clear(const premap__os_event *event);
intptr_t premap__os_event_descriptor(const premap__os_event *event);
void premap__os_event_close(const premap__os_event *event);
/* In the child of a fork: another event by the same descriptor, not set, since the parent's is the parent's. */
premap__status premap__os_event_renew(premap__os_event *event);

/* ---- module.c */

/* Keeps this library's code in memory to the end of the process, where unloading it beneath a running thread could not be
 * refused otherwise. */
void premap__os_stay_loaded(void);
/* Has these called around each fork of the process, where there are forks. */
premap__status premap__os_at_fork(void (*prepare)(void), void (*in_parent)(void), void (*in_child)(void));
/* Has the system ended all other threads by now, with whatever locks they held? So it is in a library at exit on Windows. */
bool premap__os_threads_are_gone(void);

#endif

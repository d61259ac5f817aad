/* SPDX-License-Identifier: MIT
 *
 * posix.h - what the files of src/posix share.
 *
 * A function whose name ends in _portable makes do with POSIX, mincore and madvise. Where there are Linux's own calls, the
 * function of the same name without that ending is in the file of the same name with _linux, which falls back on the portable
 * one when the kernel is too old. Elsewhere generic.c makes the two names one.
 */
#ifndef PREMAP_POSIX_H
#define PREMAP_POSIX_H

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "../common/os.h"

static const premap__status premap__posix_well = {0, 0};

/* ---- file.c */

/* Well for a regular file, else the reason to refuse it. */
premap__status premap__posix_check_type(const struct stat *found);

/* openat, taken up again when interrupted. */
premap__status premap__posix_openat(int directory, const char *path, int flags, int *file);

/* ---- beneath.c */

/* Opens a regular file beneath a directory, looking at what it is before opening it. */
premap__status premap__posix_open_beneath(int directory, const char *path, int flags, int *file);
premap__status premap__posix_open_beneath_portable(int directory, const char *path, int flags, int *file);

/* ---- map.c */

typedef struct premap__posix_range {
  char *start;
  size_t size;
} premap__posix_range;

/* The whole pages that cover a range. */
premap__posix_range premap__posix_pages_over(const void *address, size_t size);

/* Asks for large pages in private memory, where that can be asked. */
void premap__posix_want_large_pages(void *pages, size_t size);
/* Takes the pages of a map out of the page tables, so that less is left for munmap, during which nobody else can map. */
void premap__posix_leave_pages(void *base, size_t size);

/* ---- advise.c and evict.c */

premap__status premap__posix_advise_will_need(premap__os_file file, uint64_t offset, void *address, size_t size);

/* Writes what is dirty and drops the range from the page cache. */
premap__status premap__posix_evict(premap__os_file file, uint64_t offset, size_t size);

/* ---- event.c */

premap__status premap__posix_event_open_portable(premap__os_event *event);

/* ---- lock.c */

premap__status premap__posix_lock_portable(void *address, size_t size);

/* ---- pipe.c: memory read by the kernel, which fails with EFAULT where a read of our own would raise a signal */

/* Never blocks, neither at reading nor at writing. Closed by premap__posix_pipe_close. */
premap__status premap__posix_pipe_open(int ends[2]);
void premap__posix_pipe_close(const int ends[2]);

/* Sends what the count pieces hold through the empty pipe to sink, which leaves it empty again. Returns the bytes passed on: at
 * least one, but maybe not all; or -1 and errno. */
ssize_t premap__posix_pipe_pass(const int ends[2], const struct iovec *pieces, int count, void *sink);

/* ---- populate.c, copy.c, residency.c: see os.h */

premap__status premap__posix_populate_portable(void *address, size_t size, size_t *done, premap__os_way *way);
/* What is done of size bytes from address on when the covering pages are present up to the byte before end. */
size_t premap__posix_populated(const void *address, size_t size, const char *end);

/* ---- around_linux.c */

/* Makes all of a range of whole pages present: true if they certainly are. *way as in os.h. */
bool premap__posix_fault_around(char *start, size_t size, premap__os_way *way);

/* ---- touch_linux.c */

/* Has the kernel read one byte from each of count places. Returns from how many, in their order, it was read, which are fewer
 * when one of them cannot be had; or -1 and errno. */
enum { PREMAP__POSIX_ACCESS_MAX = 512 };
ssize_t premap__posix_access(const struct iovec *bytes, size_t count);

premap__status premap__posix_copy_out_portable(void *buffer, const void *address, size_t size);
premap__status premap__posix_resident_portable(premap__os_file file, uint64_t offset, size_t size, uint64_t *bytes);

/* ---- residency_linux.c: only there */

/* Pages of the file's range that are in the page cache. False, and errno: not told. */
bool premap__posix_count_cached(premap__os_file file, uint64_t offset, size_t size, uint64_t *pages);

/* ---- memory_linux.c, cgroup_linux.c: only there */

/* Reads a small file: cut at capacity - 1 bytes, NUL-terminated. False when it cannot be read. */
bool premap__posix_read_text(const char *path, char *text, size_t capacity);

/* The number behind a key that starts a line. False when there is none. */
bool premap__posix_find_number(const char *text, const char *key, uint64_t *number);

/* The least that the memory limits of this process's control groups leave; UINT64_MAX when there are none. root stands before
 * every path: empty, save in tests. */
uint64_t premap__posix_cgroup_available(const char *root);

#endif

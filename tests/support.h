/* SPDX-License-Identifier: MIT
 *
 * support.h - what the tests share: a directory of their own, files with known bytes, threads, and counts of what is left over.
 *
 * Include it first in each test: it asks the system's headers for all they declare. support.c is the same everywhere; what it
 * leaves to support_posix.c (with support_linux.c or support_macos.c) and support_win32.c is marked "system" here.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <limits.h>
#ifndef __cplusplus
#include <stdatomic.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <criterion/criterion.h>
#include <premap/ffi.h>
#include <premap/premap.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KIB = 1024, MIB = 1024 * 1024 };

/* A suite's time limit in seconds, for a machine on which nothing slows the tests. */
#define SECONDS(count) ((count)*PREMAP_TEST_SLOWNESS)

/* ---- Each test's own directory */

/* Makes and removes the test's directory; give them to TestSuite as .init and .fini. The end shuts the library down, and fails
 * the test when a descriptor or a mapping of one of its files, or (with LeakSanitizer) memory, is left over. */
void support_begin(void);
void support_end(void);
/* Fails the test from a function given as .fini, where Criterion counts no assertion. */
void note_problem(const char *what);

/* Paths are handed around by value, so that no test has to free one. */
enum { PATH_CAPACITY = 4096 };
typedef struct path {
  char text[PATH_CAPACITY];
} path;

/* The path of name in the test's directory; of the directory itself for "". */
path path_of(const char *name);

/* ---- Files with known bytes */

/* Makes a file whose bytes are pattern_fill's for this seed, and returns its path. */
path make_file(const char *name, size_t size, uint32_t seed);
/* One of SLOW_SIZE and seed 1, with a name of its own each time: Windows lets nobody write to one that is mapped. */
path make_slow_file(void);
path make_text(const char *name, const char *text);
/* The bytes that belong at offset of a file with this seed. */
void pattern_fill(void *to, size_t size, uint32_t seed, uint64_t offset);
/* Are these the bytes that belong at offset? */
bool pattern_equals(const void *data, size_t size, uint32_t seed, uint64_t offset);

/* ---- Files in general: 0 or more, or a UV_E* code, which the test judges */

int set_size(const char *name, uint64_t size);
int rename_file(const char *from, const char *to);
int remove_file(const char *name);
int make_directory(const char *name);
int set_permissions(const char *name, int mode);
/* Of the last change of the content. */
int set_time(const char *name, double seconds_since_1970);
int write_at(const char *name, uint64_t offset, const void *bytes, size_t size);
/* System: an empty file in which bytes that were never written take no room, where file systems have such. */
int make_sparse(const char *name);
/* Skips the test where links cannot be made. */
void make_link(const char *target, const char *name);

/* The test's own descriptors. flags: UV_FS_O_*. A directory can be opened too. */
uv_file open_own(const char *name, int flags);
void close_own(uv_file file);
/* What premap_open_fd and premap_options.beneath take. */
intptr_t descriptor_of(uv_file file);

/* ---- Loads */

premap_options options_with(premap_prefault prefault, premap_backing backing, premap_mode mode);
/* A load that takes minutes, but ends within a second of being cancelled: tiny chunks with the longest pause between them. */
premap_options slow_options(void);
/* Large enough to keep slow_options busy. */
enum { SLOW_SIZE = 32 * MIB };
premap_file_info info_of(premap_file file);
/* Was the library built with the system's own calls, and does this kernel have them? Without them it can do less. Asks in a
 * process of its own, so that this one's first load is still to come. */
bool has_system_calls(void);
/* Lets other threads run until the file is in this state. False when that has not come in a minute. */
bool reaches_state(premap_file file, premap_load_state state);
/* Opens the file again and again until its start makes it READY, and returns that handle: the kernel refuses while it has to
 * note that a link was read, or something is mounted anywhere. 0 when it has not come to that in a minute. */
premap_file open_inline(const char *name, const premap_options *options);
/* Lets other threads run until some of the file has been dealt with, so that what it takes is taken. */
bool makes_progress(premap_file file);
/* The file's message must be: step 'name'rest. */
void expect_message(premap_file file, const char *step, const char *name, const char *rest);
/* The load must fail at this step with this code, and say so in full. */
void expect_failure(const char *name, const premap_options *options, int code, premap_step step);

/* ---- Threads and processes */

/* Runs body(shared, 0) to body(shared, count - 1) on as many threads, which begin together, and waits for all. Bodies may not
 * use Criterion's assertions: they belong to the test's own thread. */
void run_threads(unsigned count, void (*body)(void *shared, unsigned index), void *shared);
/* Runs the program of child.c and gives its exit status, or 128 and the signal that ended it. */
int run_child(const char *what, const char *file);
/* System: before the library's first start. */
void set_pool_size(const char *threads);

/* ---- What this system does or has, all of it "system" */

/* May a file be shortened, replaced or removed while it is mapped, or replaced while it is open? Windows refuses, which
 * test_win32.c shows; POSIX systems never do. */
extern const bool mapped_files_are_held;
/* What a name with a file in the place of a directory gives, and one with a component that is too long. */
extern const int code_of_file_as_directory, code_of_long_component;

/* What the hints give that say in which order a file will be read. */
extern const int code_of_order_advice;
/* Descriptors that the system's locks may take at some time or other, and then keep. */
extern const size_t lazy_descriptors;
/* What run_child gives of a program that raises SIGTERM. */
extern const int status_of_termination;

/* What tells the calling thread from all others; asking takes no memory and no descriptor. */
uintptr_t thread_number(void);

/* Each of these skips the test, with the reason, where the system lacks it: to be called before there is anything to clean up
 * but files. */
void need_presence(void);     /* present_bytes is known */
void need_dropping(void);     /* pages that are released leave the page tables */
void need_advice(void);       /* advice is not ignored */
void need_locked_bytes(void); /* locked_bytes is known, and locks work */
/* Takes this process's privileges away for the rest of the test, if it has any. */
void need_to_be_nobody(void);
/* Makes this process another user than the one who owns the files, for the rest of the test. */
void need_another_user(void);
/* Allows this process to lock no more. */
void need_lock_limit(uint64_t bytes);

/* Do files that are in memory load at the start here, as premap.h says of PREMAP_INLINE_IF_CACHED? Not asked of the library. */
bool loads_inline(void);

/* Is this a build with ThreadSanitizer? It multiplies memory, takes page faults of its own, and dies when the child of a fork
 * makes threads. */
bool has_thread_sanitizer(void);
/* Is this a build with AddressSanitizer? In the child of a fork its allocator may be locked for ever, and its leak check
 * reports what the parent's threads have. */
bool has_address_sanitizer(void);
/* Does valgrind run this? It takes page faults of its own, answers for the kernel where address space is short, and lacks new
 * system calls. */
bool has_valgrind(void);
/* Linux only: is this an emulator of Linux (qemu's user mode)? */
bool is_emulated(void);
/* So many, or fewer where all is slow: valgrind runs one thread at a time and so shows no more races by more rounds. */
size_t rounds_of(size_t count);
size_t open_descriptors(void);
/* Descriptors and mappings of files in the test's directory. */
size_t descriptors_left(void);
size_t mappings_left(void);
size_t page_size(void);
/* Page faults that this thread, or where the system counts so this process, took. False: not counted. */
bool count_faults(uint64_t *faults);
/* Bytes of the region whose pages are in the page tables, as the kernel tells; with only_of_file those that are the file's own,
 * not copies of it. */
uint64_t present_bytes(const premap_region *region, bool only_of_file);
/* Bytes of memory this process may not have swapped or dropped, as the system counts them. */
size_t locked_bytes(void);
/* Bytes that malloc has given out; always 0 under AddressSanitizer, which counts leaks itself. */
size_t allocated_bytes(void);
/* Bytes of the file in the page cache, by a mapping of the test's own. */
size_t cached_bytes(const char *name);
/* Writes what is dirty and drops the file from the page cache. False when the system kept more than a hundredth. */
bool drop_cache(const char *name);

/* System: is what premap_queue_fd gave readable (Windows: signaled), or will it be in this time? */
bool becomes_readable(intptr_t descriptor, int timeout_ms);

/* ---- Between support.c and the system's file */

path support_temporary_root(void);
void support_remove_tree(const char *name);
/* What else is wrong at the end, once the files are gone. Null: nothing. */
const char *support_other_problem(void);
/* For support_posix.c: did LeakSanitizer find anything? */
bool support_memory_leaked(void);
/* The test's directory. */
const path *support_directory(void);

#ifdef __cplusplus
}
#endif

#endif

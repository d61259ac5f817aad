/* SPDX-License-Identifier: MIT
 *
 * support.h - what the tests share: a directory of their own, files with known bytes, threads, and counts of what is left over.
 *
 * Include it first in each test: it asks the system's headers for all they declare.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <criterion/criterion.h>
#include <premap/ffi.h>
#include <premap/premap.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* ---- Each test's own directory */

/* Makes and removes the test's directory; give them to TestSuite as .init and .fini. The end shuts the library down, and fails
 * the test when a descriptor or a mapping of one of its files, or (with LeakSanitizer) memory, is left over. */
void support_begin(void);
void support_end(void);
/* Fails the test from a function given as .fini, where Criterion counts no assertion. */
void note_problem(const char *what);

/* Paths are handed around by value, so that no test has to free one. */
typedef struct path {
  char text[PATH_MAX];
} path;

/* The path of name in the test's directory; of the directory itself for "". */
path path_of(const char *name);

/* ---- Files with known bytes */

/* Makes a file whose bytes are pattern_fill's for this seed, and returns its path. */
path make_file(const char *name, size_t size, uint32_t seed);
path make_text(const char *name, const char *text);
/* The bytes that belong at offset of a file with this seed. */
void pattern_fill(void *to, size_t size, uint32_t seed, uint64_t offset);
/* Are these the bytes that belong at offset? */
bool pattern_equals(const void *data, size_t size, uint32_t seed, uint64_t offset);

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
/* The file's message must be: step 'name'rest. */
void expect_message(premap_file file, const char *step, const char *name, const char *rest);

/* ---- Threads */

/* Runs body(shared, 0) to body(shared, count - 1) on as many threads, which begin together, and waits for all. Bodies may not
 * use Criterion's assertions: they belong to the test's own thread. */
void run_threads(unsigned count, void (*body)(void *shared, unsigned index), void *shared);

/* ---- Counts and conditions */

/* Is this a build with ThreadSanitizer? It multiplies memory, takes page faults of its own, and dies when the child of a fork
 * makes threads. */
bool has_thread_sanitizer(void);
size_t open_descriptors(void);
/* Descriptors and mappings of files in the test's directory. */
size_t descriptors_left(void);
size_t mappings_left(void);
size_t page_size(void);
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
/* Takes this process's privileges away for the rest of the test. False when it has none to take, or they cannot be taken. */
bool become_nobody(void);

#endif

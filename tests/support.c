/* SPDX-License-Identifier: MIT
 *
 * support.c - see support.h.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/hooks.h>
#include <uv.h>

/* ---- Each test's own directory */

static path directory;

static const char *temporary_root(void) {
  const char *root = getenv("TMPDIR");
  return root != NULL && root[0] == '/' ? root : "/tmp";
}

/* Tests run in children of the runner: its process id names what they share. */
static path directory_of_runner(pid_t runner) {
  path made;
  snprintf(made.text, sizeof made.text, "%s/premap-tests-%ld", temporary_root(), (long)runner);
  return made;
}

static int remove_entry(const char *name, const struct stat *status, int type, struct FTW *where) {
  (void)status;
  (void)type;
  (void)where;
  return remove(name);
}

static void remove_tree(const char *name) {
  nftw(name, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Criterion counts nothing that goes wrong once the test's own function has returned, so what support_end finds is noted in a
 * file, and the runner counts it. A test that crashed could not clean up: the runner does that too. */
static path notes_of_runner(pid_t runner) {
  path made;
  snprintf(made.text, sizeof made.text, "%.4000s/notes", directory_of_runner(runner).text);
  return made;
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats) {
  FILE *notes = fopen(notes_of_runner(getpid()).text, "r");
  char line[256];
  while (notes != NULL && fgets(line, sizeof line, notes) != NULL) {
    fprintf(stderr, "[FAIL] %s", line);
    stats->tests_passed -= stats->tests_passed > 0;
    stats->tests_failed++;
  }
  if (notes != NULL)
    fclose(notes);
  remove_tree(directory_of_runner(getpid()).text);
}

void support_begin(void) {
  path parent = directory_of_runner(getppid());
  cr_assert(mkdir(parent.text, 0755) == 0 || errno == EEXIST, "%s: %s", parent.text, strerror(errno));
  snprintf(directory.text, sizeof directory.text, "%.4000s/%ld", parent.text, (long)getpid());
  cr_assert_eq(mkdir(directory.text, 0755), 0, "%s: %s", directory.text, strerror(errno));
}

/* Only there when the test was built with LeakSanitizer. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

void note_problem(const char *what) {
  FILE *notes = fopen(notes_of_runner(getppid()).text, "a");
  cr_assert_not_null(notes);
  fprintf(notes, "%s::%s: %s\n", criterion_current_suite->name, criterion_current_test->name, what);
  fclose(notes);
}

void support_end(void) {
  const char *problem = NULL;
  if (premap_shutdown(-1) != 0)
    problem = "the library could not be shut down";
  else if (descriptors_left() > 0)
    problem = "a descriptor of a test's file is left over";
  else if (mappings_left() > 0)
    problem = "a mapping of a test's file is left over";
  if (geteuid() != getuid() && seteuid(getuid()) != 0)
    problem = "privileges did not come back";
  remove_tree(directory.text);
  if (problem == NULL && __lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0)
    problem = "memory leaked";
  if (problem != NULL)
    note_problem(problem);
}

path path_of(const char *name) {
  path made;
  int length = snprintf(made.text, sizeof made.text, "%s%s%s", directory.text, name[0] != '\0' ? "/" : "", name);
  cr_assert_lt((size_t)length, sizeof made.text);
  return made;
}

/* ---- Files with known bytes */

void pattern_fill(void *to, size_t size, uint32_t seed, uint64_t offset) {
  unsigned char *bytes = to;
  for (size_t i = 0; i < size;) {
    uint64_t at = offset + i;
    uint64_t word = (at / 8 + 1 + ((uint64_t)seed << 32)) * UINT64_C(0x9E3779B97F4A7C15);
    word ^= word >> 29;
    size_t skip = (size_t)(at % 8);
    size_t part = size - i < 8 - skip ? size - i : 8 - skip;
    memcpy(bytes + i, (const unsigned char *)&word + skip, part);
    i += part;
  }
}

bool pattern_equals(const void *data, size_t size, uint32_t seed, uint64_t offset) {
  unsigned char expected[4 * KIB];
  for (size_t i = 0; i < size; i += sizeof expected) {
    size_t part = size - i < sizeof expected ? size - i : sizeof expected;
    pattern_fill(expected, part, seed, offset + i);
    if (memcmp((const unsigned char *)data + i, expected, part) != 0)
      return false;
  }
  return true;
}

static path make_with(const char *name, size_t size, const char *text, uint32_t seed) {
  path made = path_of(name);
  int descriptor = open(made.text, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  cr_assert_geq(descriptor, 0, "%s: %s", made.text, strerror(errno));
  char buffer[64 * KIB];
  for (size_t i = 0; i < size;) {
    size_t part = size - i < sizeof buffer ? size - i : sizeof buffer;
    if (text != NULL)
      memcpy(buffer, text + i, part);
    else
      pattern_fill(buffer, part, seed, i);
    if (write(descriptor, buffer, part) != (ssize_t)part)
      cr_assert_fail("%s: %s", made.text, strerror(errno));
    i += part;
  }
  close(descriptor);
  return made;
}

path make_file(const char *name, size_t size, uint32_t seed) {
  return make_with(name, size, NULL, seed);
}

path make_text(const char *name, const char *text) {
  return make_with(name, strlen(text), text, 0);
}

/* ---- Loads */

premap_options options_with(premap_prefault prefault, premap_backing backing, premap_mode mode) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.prefault = (uint32_t)prefault;
  options.backing = (uint32_t)backing;
  options.mode = (uint32_t)mode;
  return options;
}

premap_options slow_options(void) {
  premap_options options = options_with(PREMAP_PREFAULT_ADVISE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  options.pause_us = PREMAP_PAUSE_MAX_US;
  return options;
}

premap_file_info info_of(premap_file file) {
  premap_file_info info = PREMAP_FILE_INFO_INIT;
  cr_assert_eq(premap_info(file, &info), 0);
  return info;
}

bool has_system_calls(void) {
  path file = make_text("probe", "x");
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  pid_t child = fork();
  if (child == 0) {
    premap_file_info info = PREMAP_FILE_INFO_INIT;
    premap_file handle = premap_load(file.text, &options, NULL);
    _exit(premap_info(handle, &info) == 0 && strcmp(info.strategy, "populate") == 0 ? 0 : 1);
  }
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool reaches_state(premap_file file, premap_load_state state) {
  uint64_t begin = uv_hrtime();
  while (premap_state(file) != (int)state) {
    if (uv_hrtime() - begin > UINT64_C(60) * 1000 * 1000 * 1000)
      return false;
    async_yield();
  }
  return true;
}

void expect_message(premap_file file, const char *step, const char *name, const char *rest) {
  char expected[2 * PATH_MAX], actual[2 * PATH_MAX];
  int length = snprintf(expected, sizeof expected, "%s '%s'%s", step, name, rest);
  cr_expect_eq(premap_error_message(file, actual, sizeof actual), length);
  cr_expect_str_eq(actual, expected, "\"%s\" is not \"%s\"", actual, expected);
}

/* ---- Threads */

typedef struct member {
  uv_thread_t thread;
  uv_barrier_t *start;
  void (*body)(void *shared, unsigned index);
  void *shared;
  unsigned index;
} member;

static void run_member(void *argument) {
  member *self = argument;
  uv_barrier_wait(self->start);
  self->body(self->shared, self->index);
}

void run_threads(unsigned count, void (*body)(void *shared, unsigned index), void *shared) {
  member members[64];
  uv_barrier_t start;
  cr_assert_leq(count, sizeof members / sizeof members[0]);
  cr_assert_eq(uv_barrier_init(&start, count), 0);
  for (unsigned i = 0; i < count; i++) {
    members[i] = (member){.start = &start, .body = body, .shared = shared, .index = i};
    cr_assert_eq(uv_thread_create(&members[i].thread, run_member, &members[i]), 0);
  }
  for (unsigned i = 0; i < count; i++)
    uv_thread_join(&members[i].thread);
  uv_barrier_destroy(&start);
}

/* ---- Counts and conditions */

__attribute__((weak)) void __tsan_init(void);

bool has_thread_sanitizer(void) {
  return __tsan_init != NULL;
}

static size_t count_descriptors(const char *prefix) {
  DIR *all = opendir("/proc/self/fd");
  cr_assert_not_null(all);
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
    char target[PATH_MAX] = "";
    if (entry->d_name[0] == '.' || readlinkat(dirfd(all), entry->d_name, target, sizeof target - 1) < 0)
      continue;
    count += strncmp(target, prefix, strlen(prefix)) == 0;
  }
  closedir(all);
  return count;
}

size_t open_descriptors(void) {
  return count_descriptors("") - 1; /* one is the count's own */
}

size_t descriptors_left(void) {
  return count_descriptors(directory.text);
}

size_t mappings_left(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  cr_assert_not_null(maps);
  size_t count = 0;
  char line[2 * PATH_MAX];
  while (fgets(line, sizeof line, maps) != NULL)
    count += strstr(line, directory.text) != NULL;
  fclose(maps);
  return count;
}

size_t page_size(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

uint64_t present_bytes(const premap_region *region, bool only_of_file) {
  const uint64_t is_present = UINT64_C(1) << 63, is_of_file = UINT64_C(1) << 61;
  uint64_t wanted = only_of_file ? is_present | is_of_file : is_present, bytes = 0;
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  cr_assert_geq(pagemap, 0);
  uintptr_t begin = (uintptr_t)region->data, end = begin + region->size;
  for (uintptr_t at = begin; at < end;) {
    uintptr_t next = (at / page_size() + 1) * page_size();
    uint64_t entry = 0;
    if (pread(pagemap, &entry, sizeof entry, (off_t)(at / page_size() * sizeof entry)) != (ssize_t)sizeof entry)
      cr_assert_fail("the page map cannot be read");
    if ((entry & wanted) == wanted)
      bytes += (next < end ? next : end) - at;
    at = next;
  }
  close(pagemap);
  return bytes;
}

static size_t status_bytes(const char *field) {
  FILE *status = fopen("/proc/self/status", "r");
  cr_assert_not_null(status);
  size_t kib = 0;
  char line[256];
  while (fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, field, strlen(field)) == 0)
      kib = strtoul(line + strlen(field), NULL, 10);
  fclose(status);
  return kib * KIB;
}

size_t locked_bytes(void) {
  return status_bytes("VmLck:");
}

size_t allocated_bytes(void) {
  struct mallinfo2 all = mallinfo2();
  return all.uordblks + all.hblkhd;
}

size_t cached_bytes(const char *name) {
  int descriptor = open(name, O_RDONLY | O_CLOEXEC);
  cr_assert_geq(descriptor, 0, "%s: %s", name, strerror(errno));
  struct stat status;
  cr_assert_eq(fstat(descriptor, &status), 0);
  size_t size = (size_t)status.st_size, page = (size_t)sysconf(_SC_PAGESIZE);
  size_t pages = (size + page - 1) / page, cached = 0;
  void *mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
  unsigned char *resident = malloc(pages);
  cr_assert(mapped != MAP_FAILED && resident != NULL && mincore(mapped, size, resident) == 0);
  for (size_t i = 0; i < pages; i++)
    if ((resident[i] & 1) != 0)
      cached += i + 1 < pages ? page : size - i * page;
  free(resident);
  munmap(mapped, size);
  close(descriptor);
  return cached;
}

bool drop_cache(const char *name) {
  int descriptor = open(name, O_RDONLY | O_CLOEXEC);
  cr_assert_geq(descriptor, 0, "%s: %s", name, strerror(errno));
  struct stat status;
  bool dropped = fstat(descriptor, &status) == 0 && fdatasync(descriptor) == 0 &&
                 posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0;
  close(descriptor);
  return dropped && cached_bytes(name) <= (size_t)status.st_size / 100;
}

bool become_nobody(void) {
  const uid_t nobody = 65534;
  return geteuid() == 0 && setgroups(0, NULL) == 0 && seteuid(nobody) == 0;
}

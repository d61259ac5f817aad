/* SPDX-License-Identifier: MIT
 *
 * test_linux.c - files and limits that only Linux has.
 */
#include "support.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(linux_only, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* ---- Files that only reading shows */

Test(linux_only, files_without_a_size_are_read,
     .description = "procfs reports no size: the bytes are what read gives, also of a range") {
  FILE *version = fopen("/proc/version", "r");
  if (version == NULL)
    cr_skip_test("SKIPPED: no /proc/version");
  char expected[4096];
  size_t size = fread(expected, 1, sizeof expected, version);
  fclose(version);
  premap_region region;
  premap_file handle = premap_load("/proc/version", NULL, &region);
  cr_assert_gt(handle, 0);
  cr_expect(region.size == size && memcmp(region.data, expected, size) == 0);
  cr_expect_str_eq(info_of(handle).reason, "reports no size, so read to its end");
  cr_expect_eq(premap_close(handle), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.offset = 3;
  options.length = 5;
  handle = premap_load("/proc/version", &options, &region);
  cr_assert_gt(handle, 0);
  cr_expect(region.size == 5 && memcmp(region.data, expected + 3, 5) == 0);
  cr_expect_eq(premap_close(handle), 0);
  options.length = sizeof expected;
  cr_expect_eq(premap_load("/proc/version", &options, NULL), PREMAP_ERANGE);
}

Test(linux_only, long_files_without_a_size_are_whole, .description = "/proc/self/maps of many mappings is read to its end") {
  if (access("/proc/self/maps", R_OK) != 0)
    cr_skip_test("SKIPPED: no /proc/self/maps");
  premap_region region;
  premap_file handle = premap_load("/proc/self/maps", NULL, &region);
  cr_assert_gt(handle, 0);
  const char *text = region.data;
  cr_expect_gt(region.size, 100);
  cr_expect_eq(text[region.size - 1], '\n');
  cr_expect_not_null(memmem(text, region.size, "[vsyscall]", 10) != NULL ? text : memmem(text, region.size, "[stack]", 7));
  cr_expect_eq(premap_close(handle), 0);
}

Test(linux_only, files_that_promise_too_much_are_read,
     .description = "sysfs reports 4096 bytes and has fewer: the region has those") {
  const char *name = "/sys/kernel/mm/transparent_hugepage/enabled";
  FILE *file = fopen(name, "r");
  if (file == NULL)
    cr_skip_test("SKIPPED: no %s", name);
  char expected[256];
  size_t size = fread(expected, 1, sizeof expected, file);
  fclose(file);
  premap_region region;
  premap_file handle = premap_load(name, NULL, &region);
  cr_assert_gt(handle, 0);
  cr_expect(region.size == size && memcmp(region.data, expected, size) == 0);
  cr_expect_eq(info_of(handle).length, size);
  cr_expect_eq(premap_close(handle), 0);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  cr_expect_lt(premap_load(name, &options, NULL), 0, "it cannot be mapped");
}

/* ---- Descriptors */

Test(linux_only, descriptors_that_cannot_be_read, .description = "one that only names a file is refused") {
  uv_file own = open_own(make_text("file", "hello").text, O_PATH);
  cr_expect_lt(premap_open_fd(own, NULL), 0);
  close_own(own);
}

Test(linux_only, sizes_beyond_the_address_space,
     .description = "7 EiB: ENOMEM or EFBIG by each backing and prefault, and no crash") {
  if (has_valgrind())
    cr_skip_test("SKIPPED: valgrind refuses such a mapping with an error of its own");
  int own = memfd_create("premap", MFD_CLOEXEC);
  if (own < 0 || ftruncate(own, (off_t)7 << 60) != 0)
    cr_skip_test("SKIPPED: no file of 7 EiB can be made");
  for (uint32_t i = 0; i < 9; i++) {
    premap_options options = options_with((premap_prefault)(i % 3), (premap_backing)(i / 3), PREMAP_READ_ONLY);
    premap_file handle = premap_open_fd(own, &options);
    cr_assert_gt(handle, 0);
    int result = premap_wait(handle, -1, NULL);
    cr_expect(result == PREMAP_ENOMEM || result == PREMAP_EFBIG, "backing %u: %s", options.backing, premap_err_name(result));
    cr_expect_eq(info_of(handle).file_size, UINT64_C(7) << 60);
    cr_expect_eq(premap_close(handle), 0);
  }
  close(own);
}

/* ---- Loads at the start */

/* Has anybody opened it since? An O_PATH descriptor does not count. */
static bool was_opened(int watch) {
  char event[1024];
  return read(watch, event, sizeof event) > 0;
}

Test(linux_only, what_is_no_file_is_not_opened,
     .description = "a FIFO, whose writer would notice, by each way of loading, also with PREMAP_INLINE_IF_CACHED") {
  path fifo = path_of("fifo"), file = make_text("file", "hello");
  cr_assert_eq(mkfifo(fifo.text, 0644), 0);
  int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  cr_assert_geq(watch, 0);
  int of_fifo = inotify_add_watch(watch, fifo.text, IN_OPEN), of_file = inotify_add_watch(watch, file.text, IN_OPEN);
  if (of_fifo < 0 || of_file < 0)
    cr_skip_test("SKIPPED: inotify is missing");
  for (int i = 0; i < 2; i++) {
    premap_options options = PREMAP_OPTIONS_INIT;
    options.flags = i == 0 ? 0 : PREMAP_INLINE_IF_CACHED;
    expect_failure(fifo.text, &options, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
    cr_expect_not(was_opened(watch));
    premap_file handle = premap_open(file.text, &options);
    cr_expect_eq(premap_wait(handle, -1, NULL), 0);
    cr_expect_eq(premap_close(handle), 0);
    cr_expect(was_opened(watch), "the watch works");
  }
  close(watch);
}

Test(linux_only, other_mounts_load_at_the_start,
     .description = "on the same mount as the path's beginning, on another, and by a link; a file known as regular too") {
  if (!loads_inline())
    cr_skip_test("SKIPPED: here the system does not tell that a file is in memory");
  path top = path_of("top"), bound = path_of("bound");
  cr_assert(make_directory(top.text) == 0 && make_directory(bound.text) == 0);
  make_file("top/file", 5000, 4);
  /* Of this process's own, so that none is left whatever happens. */
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount(top.text, bound.text, NULL, MS_BIND, NULL) != 0)
    cr_skip_test("SKIPPED: mounting needs root");
  make_link("../bound/file", path_of("top/link").text);
  cr_assert_eq(chdir(top.text), 0);
  const char *const names[] = {"file", "../bound/file", "link", top.text, bound.text};
  for (unsigned i = 0; i < 10; i++) {
    char name[PATH_CAPACITY];
    snprintf(name, sizeof name, "%s%s", names[i / 2], i / 2 < 3 ? "" : "/file");
    premap_options options = PREMAP_OPTIONS_INIT;
    options.flags = PREMAP_INLINE_IF_CACHED | (i % 2 == 0 ? PREMAP_KNOWN_REGULAR : 0);
    premap_file handle = open_inline(name, &options);
    cr_assert_gt(handle, 0, "%s", name);
    cr_expect_eq(premap_close(handle), 0);
  }
  cr_expect_eq(chdir("/"), 0);
  cr_expect_eq(umount(bound.text), 0);
}

static long blocks_read(void) {
  struct rusage usage;
  cr_assert_eq(getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_inblock;
}

Test(linux_only, a_start_reads_no_disk,
     .description = "not even ahead: of a file that is not in memory, or of which only the beginning is") {
  if (!loads_inline())
    cr_skip_test("SKIPPED: here the system does not tell that a file is in memory");
  path file = make_file("file", 200000, 2);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_INLINE_IF_CACHED;
  for (int i = 0; i < 2; i++) {
    if (!drop_cache(file.text))
      cr_skip_test("SKIPPED: the page cache cannot be dropped here");
    char byte;
    int own = open(file.text, O_RDONLY | O_CLOEXEC);
    long before = blocks_read();
    if (i > 0) {
      cr_assert(posix_fadvise(own, 0, 0, POSIX_FADV_RANDOM) == 0 && pread(own, &byte, 1, 0) == 1);
      cr_expect_gt(blocks_read(), before, "reading counts");
    }
    close(own);
    before = blocks_read();
    premap_file handle = premap_open(file.text, &options);
    cr_expect_eq(blocks_read(), before);
    cr_expect_eq(premap_wait(handle, 60000, NULL), 0);
    cr_expect_str_eq(info_of(handle).reason, "small enough to copy");
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(linux_only, other_users_files_load_at_the_start,
     .description = "although newer kernels do not tell what of them is in memory; when it is not, they are queued") {
  if (!loads_inline())
    cr_skip_test("SKIPPED: here the system does not tell that a file is in memory");
  path file = make_file("file", 100000, 3);
  if (!drop_cache(file.text))
    cr_skip_test("SKIPPED: the page cache cannot be dropped here");
  need_another_user();
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_INLINE_IF_CACHED;
  for (int i = 0; i < 2; i++) {
    premap_file handle = i == 0 ? premap_open(file.text, &options) : open_inline(file.text, &options);
    premap_region region = {NULL, 0};
    cr_expect_eq(premap_wait(handle, 60000, &region), 0);
    cr_expect(region.size == 100000 && pattern_equals(region.data, region.size, 3, 0));
    /* The attempt to read it from memory asks the disk for it too, which may answer within the same call. */
    const char *reason = info_of(handle).reason;
    bool is_inline = strcmp(reason, "already in memory, so read at the start") == 0;
    cr_expect(is_inline || (i == 0 && strcmp(reason, "small enough to copy") == 0), "%s", reason);
    cr_expect_eq(premap_close(handle), 0);
  }
}

/* ---- Threads */

Test(linux_only, without_threads_waits_still_work,
     .description = "no thread can be created: open is EAGAIN, start too, and a wait for ever loads here") {
  path file = make_text("file", "hello");
  const uid_t nobody = 65534;
  struct rlimit before, none = {0, 0};
  if (geteuid() != 0 || setresuid(nobody, nobody, 0) != 0)
    cr_skip_test("SKIPPED: the limit of threads needs another user");
  cr_assert_eq(getrlimit(RLIMIT_NPROC, &before), 0);
  none.rlim_max = before.rlim_max;
  cr_assert_eq(setrlimit(RLIMIT_NPROC, &none), 0);
  premap_file handle = premap_create(file.text, NULL);
  cr_expect_eq(premap_open(file.text, NULL), PREMAP_EAGAIN);
  cr_expect_eq(premap_start(handle), PREMAP_EAGAIN);
  cr_expect_eq(premap_state(handle), PREMAP_PENDING);
  cr_expect_eq(premap_wait(handle, 10, NULL), PREMAP_EAGAIN);
  premap_region region = {NULL, 0};
  cr_expect_eq(premap_wait(handle, -1, &region), 0);
  cr_expect_eq(region.size, 5);
  cr_expect_eq(premap_close(handle), 0);
  cr_assert_eq(setrlimit(RLIMIT_NPROC, &before), 0);
  cr_assert_eq(setresuid(0, 0, 0), 0);
  handle = premap_open(file.text, NULL);
  cr_expect_eq(premap_wait(handle, 60000, NULL), 0);
  cr_expect_eq(premap_close(handle), 0);
}

/* In a process of its own that may have so many threads: 0 when a load failed for want of them or worked. */
static int load_with_threads(const char *name, rlim_t count) {
  const uid_t somebody = 60000 + (uid_t)(getpid() % 5000); /* who has no other process */
  struct rlimit limit = {count, count};
  if (setresuid(somebody, somebody, somebody) != 0 || setrlimit(RLIMIT_NPROC, &limit) != 0)
    return 1;
  premap_file handle = premap_open(name, NULL);
  int result = handle > 0 ? premap_wait(handle, 60000, NULL) : (int)handle;
  return result == 0 || result == PREMAP_EAGAIN ? 0 : 2;
}

Test(linux_only, too_few_threads_are_an_error, .description = "however many there may be: never the end of the process") {
  if (geteuid() != 0)
    cr_skip_test("SKIPPED: the limit of threads needs another user");
  if (has_thread_sanitizer())
    cr_skip_test("SKIPPED: a forked child cannot make threads under ThreadSanitizer");
  if (has_valgrind() || is_emulated())
    cr_skip_test("SKIPPED: threads that have ended count for long here");
  path file = make_text("file", "hello");
  for (rlim_t count = 1; count < 16; count++) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
      _exit(load_with_threads(file.text, count));
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d threads: status %x", (int)count, (unsigned)status);
  }
}

/* ---- One file, opened twice */

/* Bytes that this process had read from storage. */
static bool count_reads(uint64_t *bytes) {
  FILE *io = fopen("/proc/self/io", "r");
  char line[128];
  bool found = false;
  while (io != NULL && !found && fgets(line, sizeof line, io) != NULL)
    found = sscanf(line, "read_bytes: %" SCNu64, bytes) == 1;
  if (io != NULL)
    fclose(io);
  return found;
}

Test(linux_only, one_reading_serves_two,
     .description = "a file that is opened again while it loads is not read from storage again") {
  enum { SIZE = 64 * MIB };
  path file = make_file("file", SIZE, 1);
  uint64_t before, after;
  if (!drop_cache(file.text) || !count_reads(&before))
    cr_skip_test("SKIPPED: the file stays in the cache, or reads are not counted");
  premap_file files[4];
  for (int i = 0; i < 4; i++)
    cr_assert_gt(files[i] = premap_open(file.text, NULL), 0);
  cr_expect_eq(premap_wait_all(files, 4, 60000), 0);
  cr_assert(count_reads(&after));
  cr_expect_leq(after - before, (uint64_t)SIZE * 11 / 10, "%" PRIu64 " bytes", after - before);
  for (int i = 0; i < 4; i++)
    cr_expect_eq(premap_close(files[i]), 0);
}

/* ---- What is in memory already */

static void expect_strategy(const char *name, const char *strategy) {
  premap_region region;
  premap_file file = premap_open(name, NULL);
  cr_assert_eq(premap_wait(file, 60000, &region), 0);
  cr_expect_str_eq(info_of(file).strategy, strategy);
  cr_expect_eq(present_bytes(&region, true), region.size);
  cr_expect_eq(premap_close(file), 0);
}

/* What a file that was not in memory came in by: on virtual machines that give memory back to their host each page is touched.
 */
static const char *cold(const char *strategy) {
  static char name[64];
  FILE *file = fopen("/sys/module/page_reporting/parameters/page_reporting_order", "r");
  char order[32] = "-1";
  bool is_known = file != NULL && fgets(order, sizeof order, file) != NULL;
  if (file != NULL)
    fclose(file);
  bool touches = is_known && order[0] != '-' && strtoull(order, NULL, 10) < 32;
  snprintf(name, sizeof name, "%s%s", strategy, touches ? "-touch" : "");
  return name;
}

/* The way of Linux 5.14 and newer, or that of 6.7. */
static bool is_usual(const char *strategy) {
  return strcmp(strategy, cold("populate")) == 0 || strcmp(strategy, cold("fault-around")) == 0;
}

/* Not in a build without the system's own calls, or in an emulator. */
static void need_populate(const char *name) {
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_file file = premap_load(name, &mapped, NULL);
  bool has_it = is_usual(info_of(file).strategy) || strcmp(info_of(file).strategy, cold("populate-large")) == 0;
  cr_expect_eq(premap_close(file), 0);
  if (!has_it)
    cr_skip_test("SKIPPED: pages are not brought in by populating here");
}

Test(linux_only, pages_in_memory_are_mapped_many_at_a_time,
     .description = "all of them, proved by the page map; those of a file that is read in too") {
  need_presence();
  enum { SIZE = 8 * MIB };
  path file = make_file("file", SIZE, 1);
  premap_file first = premap_load(file.text, NULL, NULL);
  bool has_it = strcmp(info_of(first).strategy, "fault-around") == 0;
  cr_expect_eq(premap_close(first), 0);
  if (!has_it)
    cr_skip_test("SKIPPED: this kernel does not tell which pages are missing");
  expect_strategy(file.text, "fault-around");
  if (!drop_cache(file.text))
    return;
  premap_region region;
  premap_file again = premap_load(file.text, NULL, &region); /* the device's read-ahead decides in which pieces */
  const char *strategy = info_of(again).strategy;
  cr_expect(is_usual(strategy) || strcmp(strategy, cold("populate-large")) == 0, "%s", strategy);
  cr_expect_eq(present_bytes(&region, true), region.size);
  cr_expect_eq(premap_close(again), 0);
}

/* An ext4 of its own in the test's directory, on a device that reads so much ahead; it goes with the process. */
static void mount_device(const char *folder, int read_ahead_kib) {
  char command[PATH_CAPACITY + 512];
  if (has_valgrind())
    cr_skip_test("SKIPPED: valgrind runs no program of another user, as mount is");
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    cr_skip_test("SKIPPED: mounting needs root");
  snprintf(command, sizeof command,
           "folder='%s' && truncate -s 64M \"$folder.image\" && mkfs.ext4 -qF \"$folder.image\" && mkdir \"$folder\" && "
           "mount -o loop \"$folder.image\" \"$folder\" && "
           "blockdev --setra %d \"$(findmnt -no SOURCE \"$folder\")\"",
           folder, read_ahead_kib * 2);
  if (system(command) != 0)
    cr_skip_test("SKIPPED: there is no loop device with ext4 here");
}

/* On such a device, which is umounted by the test. */
static path make_cold_file(path folder, int read_ahead_kib, size_t size) {
  need_presence();
  mount_device(folder.text, read_ahead_kib);
  path file = make_file("device/file", size, 1);
  cr_assert(drop_cache(file.text));
  need_populate(file.text);
  cr_assert(drop_cache(file.text));
  return file;
}

Test(linux_only, little_read_ahead_is_made_up_for, .description = "by pieces of 2 MiB, and the reason says so") {
  enum { SIZE = 8 * MIB };
  path folder = path_of("device");
  path file = make_cold_file(folder, 128, SIZE);
  premap_region region;
  premap_file handle = premap_load(file.text, NULL, &region);
  cr_expect_str_eq(info_of(handle).strategy, cold("populate-large"));
  cr_expect_str_eq(info_of(handle).reason, "too large to copy, and the system would have used small pages");
  cr_expect(region.size == SIZE && pattern_equals(region.data, SIZE, 1, 0));
  cr_expect_eq(premap_close(handle), 0);
  handle = premap_load(file.text, NULL, NULL);
  const char *again = info_of(handle).strategy;
  cr_expect(strcmp(again, "populate") == 0 || strcmp(again, "fault-around") == 0, "%s: what is in memory is not touched",
            again);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(umount(folder.text), 0);
}

static uint64_t resident_bytes(const char *name) {
  premap_options none = options_with(PREMAP_PREFAULT_NONE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_file file = premap_load(name, &none, NULL);
  uint64_t bytes = 0;
  cr_expect_eq(premap_resident(file, 0, 0, &bytes), 0);
  cr_expect_eq(premap_close(file), 0);
  return bytes;
}

Test(linux_only, nothing_is_read_ahead_of_what_is_bounded,
     .description = "gently, or with few bytes in flight: by pieces that are asked for, on a device that reads 4 MiB ahead") {
  enum { SIZE = 16 * MIB };
  path folder = path_of("device");
  path file = make_cold_file(folder, 4096, SIZE);
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.bytes_in_flight_max = 1 * MIB;
  for (int way = 0; way < 4; way++) {
    bool gentle = way % 2 == 1, copied = way > 1;
    premap_loader *loader;
    cr_assert_eq(premap_loader_create(&loader, &limits), 0);
    premap_options options = PREMAP_OPTIONS_INIT;
    options.flags = gentle ? PREMAP_GENTLE : 0;
    options.loader = gentle ? NULL : loader;
    options.length = 2 * MIB + 4096;
    options.backing = copied ? PREMAP_BACKING_COPIED : PREMAP_BACKING_AUTO;
    cr_assert(drop_cache(file.text));
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_expect_str_eq(info_of(handle).strategy, copied ? "read" : cold("populate-paced"));
    cr_expect(region.size == options.length && pattern_equals(region.data, region.size, 1, 0));
    cr_expect_eq(resident_bytes(file.text), region.size);
    cr_expect_eq(premap_close(handle), 0);
    cr_expect_eq(premap_loader_close(loader, 60000), 0);
  }
  cr_expect_eq(umount(folder.text), 0);
}

static long pages_read_alone(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_majflt;
}

Test(linux_only, what_is_bounded_comes_in_few_reads,
     .description = "more than the device reads at a time, without read-ahead") {
  enum { SIZE = 8 * MIB };
  path folder = path_of("device");
  path file = make_cold_file(folder, 128, SIZE);
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.bytes_in_flight_max = 4 * MIB;
  premap_options options = PREMAP_OPTIONS_INIT;
  cr_assert_eq(premap_loader_create(&options.loader, &limits), 0);
  long before = pages_read_alone();
  premap_file handle = premap_load(file.text, &options, NULL);
  cr_expect_leq(pages_read_alone() - before, SIZE / (128 * KIB));
  cr_expect_str_eq(info_of(handle).strategy, cold("populate-paced"));
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_loader_close(options.loader, 60000), 0);
  cr_expect_eq(umount(folder.text), 0);
}

Test(
    linux_only, much_read_ahead_is_left_alone,
    .description = "of what is long enough for it to grow, and of what will be read at random; less comes in pieces of 2 MiB") {
  path folder = path_of("device");
  path file = make_cold_file(folder, 4096, 40 * MIB);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  for (int i = 0; i < 3; i++) {
    options.offset = i == 0 ? 0 : 32 * MIB;
    options.advice = i == 1 ? PREMAP_ADVICE_RANDOM : PREMAP_ADVICE_NORMAL;
    cr_assert(drop_cache(file.text));
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    const char *strategy = info_of(handle).strategy;
    cr_expect(i < 2 ? is_usual(strategy) : strcmp(strategy, cold("populate-large")) == 0, "%d: %s", i, strategy);
    cr_expect_eq(present_bytes(&region, true), region.size);
    cr_expect_eq(premap_close(handle), 0);
  }
  cr_expect_eq(umount(folder.text), 0);
}

/* SPDX-License-Identifier: MIT
 *
 * test_linux.c - files and limits that only Linux has.
 */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
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

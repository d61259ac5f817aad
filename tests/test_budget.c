/* SPDX-License-Identifier: MIT
 *
 * test_budget.c - loads larger than the memory that their control group allows: needs root and memory groups of version 1 or 2.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/hooks.h>
#include <uv.h>

enum { LIMIT = 64 * MIB, LARGE = 256 * MIB };

static path parent, group; /* group is empty when there is none */

static bool write_to(const path *folder, const char *name, unsigned long number) {
  char full[PATH_MAX + 32], text[32];
  snprintf(full, sizeof full, "%s/%s", folder->text, name);
  int length = snprintf(text, sizeof text, "%lu", number);
  int file = open(full, O_WRONLY | O_CLOEXEC);
  bool well = file >= 0 && write(file, text, (size_t)length) == length;
  if (file >= 0)
    close(file);
  return well;
}

/* This process's own group, below the usual place of its hierarchy. */
static bool find_group(const char *field, const char *place) {
  FILE *groups = fopen("/proc/self/cgroup", "r");
  char line[PATH_MAX];
  bool found = false;
  while (groups != NULL && !found && fgets(line, sizeof line, groups) != NULL) {
    char *name = strstr(line, field);
    line[strcspn(line, "\n")] = '\0';
    found = name != NULL;
    if (found)
      snprintf(parent.text, sizeof parent.text, "%s%.3000s", place, name + strlen(field));
  }
  if (groups != NULL)
    fclose(groups);
  return found;
}

static bool enter_group(const char *limit) {
  snprintf(group.text, sizeof group.text, "%.3900s/premap-tests-%ld-%ld", parent.text, (long)getppid(), (long)getpid());
  if (mkdir(group.text, 0755) == 0 && write_to(&group, limit, LIMIT) &&
      write_to(&group, "cgroup.procs", (unsigned long)getpid()))
    return true;
  rmdir(group.text);
  group.text[0] = '\0';
  return false;
}

static const struct {
  const char *field, *place, *limit;
} versions[] = {{":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"0::", "/sys/fs/cgroup", "memory.max"}};

/* A test that was killed could not remove its group, so the runner does it for all at the end. */
ReportHook(POST_ALL)(struct criterion_global_stats *stats) {
  (void)stats;
  for (size_t i = 0; i < 2; i++) {
    glob_t found;
    if (!find_group(versions[i].field, versions[i].place))
      continue;
    snprintf(group.text, sizeof group.text, "%.3900s/premap-tests-%ld-*", parent.text, (long)getpid());
    if (glob(group.text, 0, NULL, &found) != 0)
      continue;
    for (size_t j = 0; j < found.gl_pathc; j++)
      rmdir(found.gl_pathv[j]);
    globfree(&found);
  }
}

static void begin(void) {
  support_begin();
  make_file("large", LARGE, 1);
  make_file("small", 8 * MIB, 2);
  if (!drop_cache(path_of("large").text))
    return; /* what the tests' own group paid for would not count */
  if (has_thread_sanitizer())
    return; /* whose own memory would be too much for the group */
  if (!has_system_calls())
    return; /* then the library knows nothing of groups */
  for (size_t i = 0; i < 2 && group.text[0] == '\0'; i++)
    if (find_group(versions[i].field, versions[i].place))
      (void)enter_group(versions[i].limit);
}

static void end(void) {
  (void)premap_shutdown(-1);
  if (group.text[0] != '\0') {
    bool left = write_to(&parent, "cgroup.procs", (unsigned long)getpid());
    int removed = rmdir(group.text);
    for (int i = 0; i < 60000 && removed != 0 && errno == EBUSY; i++) {
      uv_sleep(1); /* a thread that was joined is in it for a moment longer */
      removed = rmdir(group.text);
    }
    if (!left || removed != 0)
      note_problem("the memory group could not be removed");
  }
  support_end();
}

TestSuite(budget, .init = begin, .fini = end, .timeout = SECONDS(120));

static void need_group(void) {
  need_presence();
  if (group.text[0] == '\0')
    cr_skip_test("SKIPPED: no memory group (it needs root, and the calls of Linux)");
}

Test(budget, a_file_beyond_it_is_partly_present,
     .description = "READY with PREMAP_PARTIAL, the reason, and as much present as info says; the rest can still be read") {
  need_group();
  premap_file handle = premap_open(path_of("large").text, NULL);
  premap_region region = {NULL, 0};
  cr_assert_eq(premap_wait(handle, -1, &region), PREMAP_PARTIAL);
  premap_file_info info = info_of(handle);
  cr_expect_eq(info.state, PREMAP_READY);
  cr_expect_eq(info.error, 0);
  cr_expect_eq(info.partial, 1);
  cr_expect_str_eq(info.reason, "the memory budget is reached");
  cr_expect_eq(info.length, LARGE);
  cr_expect_gt(info.present, 0);
  cr_expect_lt(info.present, LIMIT, "%llu", (unsigned long long)info.present);
  premap_region first = {region.data, (size_t)info.present};
  uint64_t present = present_bytes(&first, false);
  cr_expect_eq(present, info.present, "%llu of %llu are still there", (unsigned long long)present,
               (unsigned long long)info.present);
  cr_expect_eq(premap_wait(handle, 0, NULL), PREMAP_PARTIAL);
  cr_expect_eq(premap_wait_all(&handle, 1, -1), 0);
  cr_expect_eq(premap_region_of(handle, &region), 0);
  cr_expect_eq(premap_populate(handle, 0, 0), PREMAP_PARTIAL);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_close(handle), 0);
}

Test(budget, a_copy_beyond_it_fails,
     .description = "a copy larger than what is left is ENOMEM at step read, and nobody is killed") {
  need_group();
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  premap_file handle = premap_open(path_of("large").text, &options);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ENOMEM);
  cr_expect_eq(info_of(handle).step, PREMAP_STEP_READ);
  cr_expect_str_eq(info_of(handle).reason, "the memory budget is reached");
  cr_expect_eq(premap_close(handle), 0);
}

Test(budget, what_fits_is_whole,
     .description = "smaller files load fully, one after the other, also more of them than the group allows at once") {
  need_group();
  for (int i = 0; i < 40; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
    premap_region region = {NULL, 0};
    premap_file handle = premap_open(path_of("small").text, &options);
    cr_expect_eq(premap_wait(handle, -1, &region), 0, "round %d", i);
    cr_expect_eq(present_bytes(&region, false), region.size);
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(budget, without_prefault_there_is_none,
     .description = "NONE and ADVISE bring nothing in, so a large file is ready without a partial mark") {
  need_group();
  const premap_prefault prefaults[] = {PREMAP_PREFAULT_NONE, PREMAP_PREFAULT_ADVISE};
  for (size_t i = 0; i < 2; i++) {
    premap_options options = options_with(prefaults[i], PREMAP_BACKING_AUTO, PREMAP_READ_ONLY);
    premap_file handle = premap_open(path_of("large").text, &options);
    cr_expect_eq(premap_wait(handle, -1, NULL), 0);
    cr_expect_eq(info_of(handle).partial, 0);
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(budget, one_file_counts_once,
     .description = "open forty times at once: its pages are in memory once, so there is room for another file") {
  need_group();
  enum { TIMES = 40 };
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_file handles[TIMES];
  for (int i = 0; i < TIMES; i++) {
    handles[i] = premap_open(path_of("small").text, &options);
    cr_expect_eq(premap_wait(handles[i], -1, NULL), 0, "time %d", i);
  }
  path name = make_file("other", 8 * MIB, 3);
  cr_assert(drop_cache(name.text));
  premap_file other = premap_open(name.text, &options);
  cr_expect_eq(premap_wait(other, -1, NULL), 0);
  cr_expect_eq(premap_close(other), 0);
  for (int i = 0; i < TIMES; i++)
    cr_expect_eq(premap_close(handles[i]), 0);
}

Test(budget, small_files_are_given_back,
     .description = "a file of 64 KiB, loaded and closed 2,000 times, leaves room for another file") {
  need_group();
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  path name = make_file("tiny", 64 * KIB, 4);
  for (int i = 0; i < 2000; i++) {
    premap_file tiny = premap_load(name.text, &options, NULL);
    cr_assert_gt(tiny, 0);
    cr_expect_eq(premap_close(tiny), 0);
  }
  name = make_file("other", 8 * MIB, 3);
  cr_assert(drop_cache(name.text));
  premap_file other = premap_load(name.text, &options, NULL);
  cr_expect_eq(premap_wait(other, 0, NULL), 0);
  cr_expect_eq(premap_close(other), 0);
}

Test(budget, beyond_it_small_files_load,
     .description = "once the budget refuses to copy small files they are mapped instead, and none fails") {
  need_group();
  premap_file large = premap_open(path_of("large").text, NULL);
  cr_expect_eq(premap_wait(large, -1, NULL), PREMAP_PARTIAL);
  path name = make_file("tiny", 200 * KIB, 4);
  enum { TIMES = 100 };
  premap_file tiny[TIMES];
  int mapped = 0;
  for (int i = 0; i < TIMES; i++) {
    premap_region region = {NULL, 0};
    tiny[i] = premap_open(name.text, NULL);
    cr_expect_geq(premap_wait(tiny[i], -1, &region), 0, "time %d", i);
    cr_expect(pattern_equals(region.data, region.size, 4, 0));
    premap_file_info info = info_of(tiny[i]);
    if (info.backing == PREMAP_BACKING_MAPPED) {
      cr_expect_str_eq(info.reason, "the memory budget is reached");
      mapped++;
    }
  }
  cr_expect_gt(mapped, 0);
  for (int i = 0; i < TIMES; i++)
    cr_expect_eq(premap_close(tiny[i]), 0);
  cr_expect_eq(premap_close(large), 0);
}

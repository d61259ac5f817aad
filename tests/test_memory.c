/* SPDX-License-Identifier: MIT
 *
 * test_memory.c - presence and residency: what READY promises about pages, checked by counts that are not the library's.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(memory, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* Reading a byte of each page of the region must cost no page fault, where those are counted: but for one or two that the
 * kernel may be moving meanwhile. A sanitizer would fault in its own notes about each. */
__attribute__((no_sanitize("address"))) static void expect_no_faults_of_touching(const premap_region *region) {
  uint64_t before, after;
  volatile const unsigned char *bytes = region->data;
  unsigned sum = 0;
  if (!count_faults(&before))
    return;
  for (size_t i = 0; i < region->size; i += page_size())
    sum += bytes[i];
  if (region->size > 0)
    sum += bytes[region->size - 1];
  cr_assert(count_faults(&after));
  (void)sum;
  cr_expect_leq(after - before, 2, "%llu page faults", (unsigned long long)(after - before));
}

Test(
    memory, page_faults_are_counted,
    .description = "a touch of fresh pages counts; where none does, the tests below still count the pages in the page tables") {
  uint64_t before, after;
  if (!count_faults(&before))
    cr_skip_test("SKIPPED: page faults are not counted here");
  enum { FRESH = 16 * MIB };
  volatile unsigned char *fresh = malloc(FRESH);
  for (size_t i = 0; i < FRESH; i += page_size())
    fresh[i] = 1;
  cr_assert(count_faults(&after));
  cr_expect_gt(after, before);
  free((void *)fresh);
}

static premap_options mapped(premap_prefault prefault, premap_mode mode) {
  return options_with(prefault, PREMAP_BACKING_MAPPED, mode);
}

/* ---- Present */

static void expect_no_faults(const path *file, const premap_options *options) {
  premap_region region;
  premap_file handle = premap_load(file->text, options, &region);
  cr_assert_gt(handle, 0);
  uint64_t present = present_bytes(&region, false);
  cr_expect_eq(present, region.size);
  cr_expect_eq(info_of(handle).present, present);
  expect_no_faults_of_touching(&region);
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, touching_a_warm_file_faults_no_more,
     .description = "after POPULATE of a cached file, by each mode, reading every page costs no page fault") {
  need_presence();
  path file = make_file("file", 37 * MIB + 5, 1);
  const premap_mode modes[] = {PREMAP_READ_ONLY, PREMAP_READ_WRITE, PREMAP_COPY_ON_WRITE};
  for (size_t i = 0; i < 9; i++) {
    premap_options options = mapped(PREMAP_PREFAULT_POPULATE, modes[i % 3]);
    options.offset = i / 3 == 1 ? 12345 : 0;
    options.chunk_size = i / 3 == 2 ? PREMAP_CHUNK_SIZE_MIN : 0; /* the last chunk is five bytes */
    expect_no_faults(&file, &options);
  }
}

Test(memory, touching_a_cold_file_faults_no_more, .description = "the same for a file that was not in the page cache") {
  need_presence();
  path file = make_file("file", 37 * MIB + 5, 1);
  const premap_mode modes[] = {PREMAP_READ_ONLY, PREMAP_READ_WRITE, PREMAP_COPY_ON_WRITE};
  for (size_t i = 0; i < 3; i++) {
    if (!drop_cache(file.text))
      cr_skip_test("SKIPPED: the system or the file system keeps what it caches");
    premap_options options = mapped(PREMAP_PREFAULT_POPULATE, modes[i]);
    expect_no_faults(&file, &options);
  }
}

Test(memory, files_with_holes_are_present_too, .description = "a sparse file's holes are populated like data") {
  need_presence();
  path file = make_text("file", "x");
  cr_assert_eq(set_size(file.text, 20 * MIB), 0);
  premap_options options = mapped(PREMAP_PREFAULT_POPULATE, PREMAP_READ_ONLY);
  expect_no_faults(&file, &options);
}

Test(memory, without_prefault_nothing_is_present,
     .description = "NONE on a cold file: nothing in the page tables, nothing read") {
  need_presence();
  path file = make_file("file", 8 * MIB, 1);
  bool cold = drop_cache(file.text);
  premap_options options = mapped(PREMAP_PREFAULT_NONE, PREMAP_READ_ONLY);
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_expect_eq(info_of(handle).present, 0);
  cr_expect_eq(present_bytes(&region, false), 0);
  if (cold)
    cr_expect_leq(cached_bytes(file.text), 8 * MIB / 100);
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, advise_reads_and_maps_nothing,
     .description = "ADVISE: nothing in the page tables, and the bytes come into the page cache") {
  need_presence();
  need_advice();
  path file = make_file("file", 8 * MIB, 1);
  if (!drop_cache(file.text))
    cr_skip_test("SKIPPED: the system or the file system keeps what it caches");
  premap_options options = mapped(PREMAP_PREFAULT_ADVISE, PREMAP_READ_ONLY);
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_expect_eq(info_of(handle).present, 0);
  cr_expect_eq(present_bytes(&region, false), 0);
  uint64_t done = 0, bytes = 0;
  cr_expect_eq(premap_progress(handle, &done, NULL), 0);
  cr_expect_eq(done, 8 * MIB);
  for (int i = 0; i < 10000000 && bytes < 8 * MIB; i++)
    if (premap_resident(handle, 0, 0, &bytes) != 0)
      cr_assert_fail("residency is unknown");
  cr_expect_eq(bytes, 8 * MIB);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, populate_makes_a_range_present,
     .description = "after NONE, populate of a range makes its pages present; of all, all of them") {
  need_presence();
  path file = make_file("file", 8 * MIB, 1);
  premap_options options = mapped(PREMAP_PREFAULT_NONE, PREMAP_READ_ONLY);
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_assert_gt(handle, 0);
  cr_expect_eq(premap_populate(handle, MIB + 1, MIB), 0);
  premap_region part = {(char *)region.data + MIB + 1, MIB};
  expect_no_faults_of_touching(&part);
  cr_expect_eq(present_bytes(&part, false), MIB);
  cr_expect_eq(premap_populate(handle, 0, 0), 0);
  expect_no_faults_of_touching(&region);
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Resident */

/* Read-ahead may still be on its way (and emulators take no advice against it): the same in the end. */
static bool counts_meet(premap_file handle, const char *name, uint64_t *resident) {
  uint64_t begin = uv_hrtime();
  bool meet = false;
  while (!meet && uv_hrtime() - begin < UINT64_C(60) * PREMAP_TEST_SLOWNESS * 1000 * 1000 * 1000) {
    cr_assert_eq(premap_resident(handle, 0, 0, resident), 0);
    meet = *resident == cached_bytes(name);
  }
  return meet;
}

Test(memory, resident_is_what_mincore_counts,
     .description = "a file of which some ranges were read: the same bytes by premap_resident and by mincore") {
  path file = make_file("file", 16 * MIB, 1);
  if (!drop_cache(file.text))
    cr_skip_test("SKIPPED: the system or the file system keeps what it caches");
  premap_options options = mapped(PREMAP_PREFAULT_NONE, PREMAP_READ_ONLY);
  options.flags = PREMAP_KEEP_OPEN;
  premap_file handle = premap_load(file.text, &options, NULL);
  const uint64_t ranges[][2] = {{0, 1}, {5 * MIB, 2 * MIB}, {9 * MIB + 77, MIB}, {0, 16 * MIB}};
  cr_expect_eq(premap_advise(handle, 0, 0, PREMAP_ADVICE_RANDOM), 0, "no read-ahead");
  for (size_t i = 0; i < 4; i++) {
    cr_expect_eq(premap_populate(handle, ranges[i][0], ranges[i][1]), 0);
    uint64_t all = 0, part = 0;
    cr_expect(counts_meet(handle, file.text, &all), "range %zu: %llu", i, (unsigned long long)all);
    cr_expect_eq(premap_resident(handle, ranges[i][0], ranges[i][1], &part), 0);
    cr_expect_eq(part, ranges[i][1], "range %zu: %llu", i, (unsigned long long)part);
  }
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, a_copy_is_resident, .description = "copied bytes are in memory, whatever becomes of the file and its cache") {
  path file = make_file("file", 2 * MIB, 1);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  premap_file handle = premap_load(file.text, &options, NULL);
  (void)drop_cache(file.text);
  cr_assert_eq(remove_file(file.text), 0);
  uint64_t bytes = 0;
  cr_expect_eq(premap_resident(handle, 0, 0, &bytes), 0);
  cr_expect_eq(bytes, 2 * MIB);
  cr_expect_eq(premap_resident(handle, 1, 5, &bytes), 0);
  cr_expect_eq(bytes, 5);
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, residency_of_a_gone_path_is_unknown,
     .description = "without KEEP_OPEN the path is asked: ENOENT when gone, ECHANGED when another file") {
  path file = make_file("file", 2 * MIB, 1);
  premap_file handle = premap_load(file.text, NULL, NULL);
  uint64_t bytes = 7;
  cr_assert_eq(rename_file(file.text, path_of("other").text), 0);
  cr_expect_eq(premap_resident(handle, 0, 0, &bytes), PREMAP_ENOENT);
  make_file("file", 2 * MIB, 2);
  cr_expect_eq(premap_resident(handle, 0, 0, &bytes), PREMAP_ECHANGED);
  cr_expect_eq(bytes, 7, "an unknown number was written");
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, residency_of_others_files_is_unknown,
     .description = "who may only read another's file is told EPERM, never a number; its owner is told") {
  path file = make_file("file", 2 * MIB, 1);
  path copy = make_file("own", 2 * MIB, 1);
  cr_assert_eq(set_permissions(file.text, 0444), 0);
  cr_assert_eq(set_permissions(copy.text, 0666), 0);
  need_another_user();
  for (uint32_t keep = 0; keep <= PREMAP_KEEP_OPEN; keep += PREMAP_KEEP_OPEN) {
    premap_options options = mapped(PREMAP_PREFAULT_POPULATE, PREMAP_READ_ONLY);
    options.flags = keep;
    premap_file others = premap_load(file.text, &options, NULL), own = premap_load(copy.text, &options, NULL);
    uint64_t bytes = 7;
    cr_expect_eq(premap_resident(others, 0, 0, &bytes), PREMAP_EPERM);
    cr_expect_eq(bytes, 7);
    cr_expect_eq(premap_resident(own, 0, 0, &bytes), 0, "a file that may be written");
    cr_expect_eq(bytes, 2 * MIB);
    cr_expect_eq(premap_close(others), 0);
    cr_expect_eq(premap_close(own), 0);
  }
}

/* ---- The cache only */

static premap_loader_metrics metrics_of_default(void) {
  premap_loader_metrics metrics = {.size = sizeof metrics};
  cr_assert_eq(premap_metrics(NULL, &metrics), 0);
  return metrics;
}

Test(memory, cache_only_keeps_nothing_here,
     .description = "small, large and empty files: READY with an empty region, counted, and neither mapped nor copied") {
  const size_t sizes[] = {0, 1, 100000, 5 * MIB + 1};
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_CACHE_ONLY;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char name[16];
    snprintf(name, sizeof name, "file%zu", i);
    path file = make_file(name, sizes[i], 1);
    premap_region region = {NULL, 1};
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0);
    cr_expect_eq(region.size, 0);
    cr_expect_not_null(region.data);
    premap_file_info info = info_of(handle);
    cr_expect_eq(info.length, sizes[i]);
    cr_expect_eq(info.present, sizes[i]);
    cr_expect_eq(info.backing, PREMAP_BACKING_AUTO);
    cr_expect_eq(mappings_left(), 0);
    cr_expect_eq(descriptors_left(), 0);
    cr_expect_eq(metrics_of_default().memory, sizes[i]);
    unsigned char byte = 7;
    uint64_t resident = 7;
    cr_expect_eq(premap_populate(handle, 0, 0), 0);
    cr_expect_eq(premap_resident(handle, 0, 0, &resident), 0);
    cr_expect_eq(resident, 0);
    cr_expect_eq(premap_copy_out(handle, 0, &byte, 1), PREMAP_ERANGE);
    cr_expect_eq(byte, 7);
    cr_expect_eq(premap_close(handle), 0);
    cr_expect_eq(metrics_of_default().memory, 0);
  }
}

Test(memory, what_is_cached_is_left_alone,
     .description = "with PREMAP_CACHE_ONLY a file is loaded when any of it is missing, and info says which way was taken") {
  const size_t sizes[] = {100000, 5 * MIB + 1};
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_CACHE_ONLY;
  for (size_t i = 0; i < 2; i++) {
    path file = make_file(i == 0 ? "small" : "large", sizes[i], 1);
    if (!drop_cache(file.text))
      cr_skip_test("SKIPPED: the page cache cannot be dropped here");
    for (int round = 0; round < 2; round++) {
      premap_file handle = premap_load(file.text, &options, NULL);
      cr_assert_gt(handle, 0);
      cr_expect_eq(cached_bytes(file.text), sizes[i]);
      cr_expect_eq(strcmp(info_of(handle).strategy, "cached") == 0, round == 1, "%s", info_of(handle).strategy);
      cr_expect_eq(strcmp(info_of(handle).reason, "already in memory") == 0, round == 1, "%s", info_of(handle).reason);
      cr_expect_eq(premap_close(handle), 0);
    }
  }
}

Test(memory, cache_only_goes_with_few_options, .description = "what would need the bytes here is EINVAL") {
  premap_options wrong[5];
  for (int i = 0; i < 5; i++) {
    wrong[i] = (premap_options)PREMAP_OPTIONS_INIT;
    wrong[i].flags = PREMAP_CACHE_ONLY;
  }
  wrong[0].mode = PREMAP_READ_WRITE;
  wrong[1].prefault = PREMAP_PREFAULT_ADVISE;
  wrong[2].backing = PREMAP_BACKING_COPIED;
  wrong[3].advice = PREMAP_ADVICE_RANDOM;
  wrong[4].flags |= PREMAP_LOCK;
  for (int i = 0; i < 5; i++)
    cr_expect_eq(premap_create("file", &wrong[i]), PREMAP_EINVAL, "%d", i);
}

Test(memory, others_files_are_cached_too,
     .description = "although the system does not tell what of them is: then they are loaded") {
  path file = make_file("file", 2 * MIB, 1);
  cr_assert_eq(set_permissions(file.text, 0444), 0);
  need_another_user();
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_CACHE_ONLY;
  premap_file handle = premap_load(file.text, &options, NULL);
  cr_assert_gt(handle, 0);
  cr_expect_eq(info_of(handle).present, 2 * MIB);
  cr_expect_str_neq(info_of(handle).strategy, "cached");
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Release */

Test(memory, release_drops_pages,
     .description = "the whole pages of a range leave page tables and page cache, the others stay, and touching reads again") {
  need_presence();
  path file = make_file("file", 16 * MIB, 1);
  if (!drop_cache(file.text))
    cr_skip_test("SKIPPED: the system or the file system keeps what it caches");
  premap_options options = mapped(PREMAP_PREFAULT_POPULATE, PREMAP_READ_ONLY);
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  uint64_t part = 0, all = 0;
  cr_expect_eq(premap_resident(handle, 0, 0, &all), 0);
  cr_expect_eq(all, 16 * MIB);
  cr_expect_eq(premap_release(handle, 4 * MIB - 1, 4 * MIB + 2), 0);
  premap_region released = {(char *)region.data + 4 * MIB, 4 * MIB};
  cr_expect_eq(present_bytes(&released, false), 0);
  cr_expect_eq(present_bytes(&region, false), 12 * MIB);
  cr_expect_eq(premap_resident(handle, 4 * MIB, 4 * MIB, &part), 0);
  cr_expect_eq(part, 0);
  cr_expect_eq(premap_resident(handle, 0, 0, &all), 0);
  cr_expect_eq(all, 12 * MIB);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_release(handle, 0, 0), 0);
  cr_expect_eq(present_bytes(&region, false), 0);
  cr_expect_eq(premap_populate(handle, 0, 0), 0);
  expect_no_faults_of_touching(&region);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, release_keeps_the_bytes, .description = "what a part or all of is dropped has the same bytes when touched again") {
  path file = make_file("file", 4 * MIB, 1);
  premap_options options = mapped(PREMAP_PREFAULT_POPULATE, PREMAP_READ_ONLY);
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  const uint64_t ranges[][2] = {{0, 0}, {5, 10}, {4095, 4098}, {MIB + 77, 2 * MIB + 99}, {4 * MIB - 1, 1}};
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    cr_expect_eq(premap_release(handle, ranges[i][0], ranges[i][1]), 0);
    cr_expect(pattern_equals(region.data, region.size, 1, 0));
  }
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, release_of_odd_offsets,
     .description = "a region that begins and ends within a page is dropped whole, and read again right") {
  need_presence();
  need_dropping();
  path file = make_file("file", 4 * MIB, 1);
  premap_options options = mapped(PREMAP_PREFAULT_POPULATE, PREMAP_READ_ONLY);
  options.offset = MIB + 77;
  options.length = 2 * MIB + 99;
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_expect_eq(premap_release(handle, 0, 0), 0);
  cr_expect_eq(present_bytes(&region, false), 0);
  cr_expect(pattern_equals(region.data, region.size, 1, MIB + 77));
  cr_expect_eq(premap_release(handle, 5, 10), 0);
  cr_expect_eq(present_bytes(&region, false), region.size, "no whole page was in the range");
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, release_keeps_changes, .description = "what was written to a read-write file is written out before its pages go") {
  path file = make_file("file", 4 * MIB, 1);
  premap_options options = mapped(PREMAP_PREFAULT_POPULATE, PREMAP_READ_WRITE);
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  pattern_fill(region.data, region.size, 2, 0);
  cr_expect_eq(premap_release(handle, 0, 0), 0);
  cr_expect(pattern_equals(region.data, region.size, 2, 0));
  cr_expect_eq(premap_close(handle), 0);
}

Test(memory, release_loses_no_private_bytes,
     .description = "copied and copy-on-write files: ENOTSUP, and the bytes stay as they were changed") {
  path file = make_file("file", 4 * MIB, 1);
  for (int i = 0; i < 3; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, i == 1 ? PREMAP_BACKING_MAPPED : PREMAP_BACKING_COPIED,
                                          i == 0 ? PREMAP_READ_ONLY : PREMAP_COPY_ON_WRITE);
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    if (i > 0)
      pattern_fill(region.data, region.size, 2, 0);
    cr_expect_eq(premap_release(handle, 0, 0), PREMAP_ENOTSUP);
    cr_expect(pattern_equals(region.data, region.size, i > 0 ? 2 : 1, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

/* ---- Advise */

Test(memory, advice_for_mapped_files, .description = "each advice is taken for a mapped file, and ENOTSUP for a copied one") {
  path file = make_file("file", 4 * MIB, 1);
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    for (uint32_t advice = PREMAP_ADVICE_NORMAL; advice <= PREMAP_ADVICE_WILL_NEED; advice++)
      cr_expect_eq(premap_advise(handle, 77, MIB, (premap_advice)advice),
                   backing == PREMAP_BACKING_COPIED                                       ? PREMAP_ENOTSUP
                   : advice == PREMAP_ADVICE_SEQUENTIAL || advice == PREMAP_ADVICE_RANDOM ? code_of_order_advice
                                                                                          : 0,
                   "advice %u", advice);
    cr_expect(pattern_equals(region.data, region.size, 1, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

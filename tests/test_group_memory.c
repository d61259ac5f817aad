/* SPDX-License-Identifier: MIT
 *
 * test_group_memory.c - what the files of a group take, and that their bytes keep out of each other's way.
 */
#include "support.h"

#include <stdio.h>

TestSuite(group_memory, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

static const int64_t minute_ms = 60000;

static premap_group *make_group(void) {
  premap_group *group = NULL;
  cr_assert_eq(premap_group_create(&group, NULL), 0);
  return group;
}

static premap_file add(premap_group *group, const char *name) {
  premap_file file = premap_group_add(group, name);
  cr_assert_gt(file, 0, "%s: %s", name, premap_strerror((int)file));
  return file;
}

Test(group_memory, each_file_takes_little, .description = "at most 256 bytes beside its path, for 100,000 of them") {
  enum { FILES = 100000 };
  if (allocated_bytes() == 0)
    cr_skip_test("SKIPPED: this build does not tell how much malloc has given out");
  premap_group *group = make_group();
  char name[64];
  size_t paths = 0;
  size_t before = allocated_bytes();
  for (int i = 0; i < FILES; i++) {
    paths += (size_t)snprintf(name, sizeof name, "some/directory/with/assets/number-%d", i) + 1;
    add(group, name);
  }
  size_t each = (allocated_bytes() - before - paths) / FILES;
  cr_expect_leq(each, 256, "%zu bytes", each);
  premap_group_close(group);
}

/* ---- Small copies */

enum { KINDS = 64, COPIES = 16 };

/* Around what copies are aligned to, a page, and the largest that share memory; up to what is copied; and some between. */
static size_t size_of(int kind) {
  static const size_t sizes[] = {1, 63, 64, 65, 4095, 4096, 4097, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB};
  size_t between = (size_t)kind * 317 + 63;
  return kind % 2 == 0 ? sizes[(size_t)kind / 2 % (sizeof sizes / sizeof *sizes)] : between;
}

static void make_kinds(path names[KINDS]) {
  for (int kind = 0; kind < KINDS; kind++) {
    char name[32];
    snprintf(name, sizeof name, "kind%d", kind);
    names[kind] = make_file(name, size_of(kind), (uint32_t)kind);
  }
}

static bool has_its_bytes(premap_file file, int kind) {
  premap_region region = {NULL, 0};
  return premap_region_of(file, &region) == 0 && region.size == size_of(kind) && (uintptr_t)region.data % 64 == 0 &&
         pattern_equals(region.data, region.size, (uint32_t)kind, 0);
}

Test(group_memory, bytes_stay_what_they_are,
     .description = "of small copies, while others of the group are closed and loaded, and after the group") {
  static path names[KINDS];
  static premap_file files[KINDS * COPIES];
  make_kinds(names);
  premap_group *group = make_group();
  cr_assert_eq(premap_group_start(group), 0);
  for (int i = 0; i < KINDS * COPIES; i++)
    files[i] = add(group, names[i % KINDS].text);
  cr_assert_eq(premap_group_wait(group, minute_ms), 0);
  for (int round = 0; round < 3; round++) {
    /* 7 shares no factor with their number: all but a seventh, in an order of its own. */
    for (int i = 0; i < KINDS * COPIES; i++)
      if (i % 7 != round)
        cr_assert_eq(premap_close(files[(i * 7) % (KINDS * COPIES)]), 0);
    for (int i = 0; i < KINDS * COPIES; i++)
      if (i % 7 != round)
        files[(i * 7) % (KINDS * COPIES)] = add(group, names[(i * 7) % KINDS].text);
    cr_assert_eq(premap_group_wait(group, minute_ms), 0);
    for (int i = 0; i < KINDS * COPIES; i++)
      cr_assert(has_its_bytes(files[i], i % KINDS), "round %d, file %d", round, i);
  }
  cr_assert_eq(premap_retain(files[9]), 0);
  premap_group_close(group);
  cr_expect(has_its_bytes(files[9], 9));
  cr_expect_eq(premap_close(files[9]), 0);
}

Test(group_memory, many_copies_give_way_to_maps,
     .description = "those of more than 32 KiB, once all copies hold 8 MiB; of files that were closed they hold nothing") {
  enum { LARGER = (int)PREMAP_COPY_ANYWAY + 1, MANY = 300, COPIED = (int)(PREMAP_COPIES_MAX / LARGER) };
  path smaller = make_file("smaller", PREMAP_COPY_ANYWAY, 1), larger = make_file("larger", LARGER, 2);
  for (int round = 0; round < 2; round++) {
    premap_group *group = make_group();
    premap_file files[MANY];
    for (int i = 0; i < MANY; i++)
      files[i] = add(group, larger.text);
    cr_assert_eq(premap_group_wait(group, minute_ms), 0);
    int copied = 0;
    for (int i = 0; i < MANY; i++) {
      premap_file_info info = info_of(files[i]);
      bool is_copied = info.backing == PREMAP_BACKING_COPIED;
      copied += is_copied;
      cr_expect_str_eq(info.reason, is_copied ? "small enough to copy" : "copies hold much memory already, so mapped");
      premap_region region = {NULL, 0};
      cr_expect_eq(premap_region_of(files[i], &region), 0);
      cr_expect(pattern_equals(region.data, LARGER, 2, 0));
    }
    cr_expect_eq(copied, COPIED);
    premap_file last = add(group, smaller.text);
    cr_expect_eq(premap_wait(last, minute_ms, NULL), 0);
    cr_expect_eq(info_of(last).backing, PREMAP_BACKING_COPIED);
    cr_expect_eq(premap_shutdown(-1), 0); /* who has just loaded it may still have it in the next round */
    premap_group_close(group);
  }
}

Test(group_memory, small_copies_are_locked_apart, .description = "although they share a page") {
  need_locked_bytes();
  path name = make_file("file", 100, 1);
  premap_group *group = make_group();
  premap_file files[2] = {add(group, name.text), add(group, name.text)};
  cr_assert_eq(premap_group_wait(group, minute_ms), 0);
  cr_expect_eq(premap_shutdown(-1), 0); /* who has just loaded one may still have it */
  size_t before = locked_bytes();
  cr_expect_eq(premap_lock(files[0], 0, 0), 0);
  size_t first = locked_bytes();
  cr_expect_gt(first, before);
  cr_expect_eq(premap_lock(files[1], 0, 0), 0);
  cr_expect_eq(locked_bytes(), first, "they share no page");
  cr_expect_eq(premap_close(files[0]), 0);
  cr_expect_eq(locked_bytes(), first, "the other's stay");
  cr_expect_eq(premap_close(files[1]), 0);
  cr_expect_eq(locked_bytes(), before);
  premap_group_close(group);
}

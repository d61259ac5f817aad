/* SPDX-License-Identifier: MIT
 *
 * test_load.c - the bytes of a load, whatever its size, place, backing, mode and pace.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>

TestSuite(load, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 64 * KIB, 256 * KIB, 256 * KIB + 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 3};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static const premap_prefault prefaults[] = {PREMAP_PREFAULT_NONE, PREMAP_PREFAULT_POPULATE, PREMAP_PREFAULT_ADVISE};
static const premap_backing backings[] = {PREMAP_BACKING_AUTO, PREMAP_BACKING_MAPPED, PREMAP_BACKING_COPIED};
static const premap_mode modes[] = {PREMAP_READ_ONLY, PREMAP_READ_WRITE, PREMAP_COPY_ON_WRITE};

/* Loads bytes first to first + size of a file with this seed, and compares. */
static void expect_bytes(const path *file, const premap_options *options, size_t size, uint32_t seed, uint64_t first) {
  premap_file handle = premap_open(file->text, options);
  cr_assert_gt(handle, 0);
  premap_region region = {NULL, 1};
  int result = premap_wait(handle, -1, &region);
  cr_assert_eq(result, 0, "prefault %u backing %u mode %u: %s", options->prefault, options->backing, options->mode,
               premap_err_name(result));
  cr_expect_not_null(region.data);
  cr_expect_eq(region.size, size);
  cr_expect(pattern_equals(region.data, region.size, seed, first), "prefault %u backing %u mode %u size %zu", options->prefault,
            options->backing, options->mode, size);
  cr_expect_eq(premap_close(handle), 0);
}

static void expect_sizes(const premap_options *options) {
  for (uint32_t i = 0; i < SIZES; i++) {
    char name[32];
    snprintf(name, sizeof name, "size-%zu", sizes[i]);
    path file = path_of(name);
    expect_bytes(&file, options, sizes[i], i, 0);
  }
}

Test(load, every_way_gives_the_same_bytes, .description = "eleven sizes by each prefault, backing and mode") {
  for (uint32_t i = 0; i < SIZES; i++) {
    char name[32];
    snprintf(name, sizeof name, "size-%zu", sizes[i]);
    make_file(name, sizes[i], i);
  }
  for (size_t way = 0; way < 27; way++) {
    premap_options options = options_with(prefaults[way % 3], backings[way / 3 % 3], modes[way / 9]);
    if (options.backing != PREMAP_BACKING_COPIED || options.mode != PREMAP_READ_WRITE)
      expect_sizes(&options);
  }
}

Test(load, defaults_are_the_whole_file, .description = "null options, PREMAP_OPTIONS_INIT and all zero give the same bytes") {
  path file = make_file("file", 300 * KIB, 7);
  premap_options init = PREMAP_OPTIONS_INIT, zero = {.size = sizeof zero};
  const premap_options *all[] = {NULL, &init, &zero};
  for (size_t i = 0; i < 3; i++) {
    premap_region region;
    premap_file handle = premap_load(file.text, all[i], &region);
    cr_assert_gt(handle, 0);
    cr_expect_eq(region.size, 300 * KIB);
    cr_expect(pattern_equals(region.data, region.size, 7, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(load, any_offset_and_length_work, .description = "ranges that begin and end at any byte, by each backing") {
  const size_t size = 3 * MIB + 5;
  path file = make_file("file", size, 3);
  const uint64_t offsets[] = {1, 63, 4095, 4096, 4097, 65535, 65537, 2 * MIB - 1, 2 * MIB + 1, size - 1};
  const uint64_t lengths[] = {0, 1, 4095, 4097, 65537, MIB + 1};
  for (size_t i = 0; i < 3 * 60; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backings[i % 3], PREMAP_READ_ONLY);
    options.offset = offsets[i / 3 % 10];
    options.length = lengths[i / 30];
    size_t left = size - (size_t)options.offset;
    if (options.length <= left)
      expect_bytes(&file, &options, options.length != 0 ? (size_t)options.length : left, 3, options.offset);
  }
}

/* A file of 5 GiB that takes hardly any room, with known bytes at its end and around 4 GiB. */
enum { SEED = 8 };
static const uint64_t gib = UINT64_C(1) << 30;

static path make_large(void) {
  static char bytes[2 * MIB];
  const uint64_t known[] = {4 * gib - MIB, 5 * gib - 2 * MIB};
  path file = path_of("large");
  cr_assert_eq(make_sparse(file.text), 0);
  int result = set_size(file.text, 5 * gib);
  for (size_t i = 0; i < 2 && result == 0; i++) {
    pattern_fill(bytes, sizeof bytes, SEED, known[i]);
    result = write_at(file.text, known[i], bytes, sizeof bytes);
  }
  if (result != 0)
    cr_skip_test("SKIPPED: no file of 5 GiB can be made here: %s", uv_strerror(result));
  return file;
}

Test(load, offsets_beyond_4_gib,
     .description = "parts of a file of 5 GiB, each mode and backing, also where pointers have 32 bits") {
  path file = make_large();
  const struct {
    uint64_t offset;
    size_t length;
  } parts[] = {{5 * gib - MIB, MIB}, {5 * gib - MIB - 5, 0}, {4 * gib - 12345, MIB}, {4 * gib, 1}, {5 * gib - 1, 1}};
  for (size_t i = 0; i < 9 * sizeof parts / sizeof parts[0]; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backings[i % 3], modes[i / 3 % 3]);
    if (options.backing == PREMAP_BACKING_COPIED && options.mode == PREMAP_READ_WRITE)
      continue;
    options.offset = parts[i / 9].offset;
    options.length = parts[i / 9].length;
    size_t length = parts[i / 9].length;
    expect_bytes(&file, &options, length != 0 ? length : (size_t)(5 * gib - options.offset), SEED, options.offset);
  }
}

Test(load, a_file_of_5_gib,
     .description = "READY as a whole where pointers can reach all of it, else EFBIG or ENOMEM, and no crash") {
  path file = make_large();
  for (size_t i = 0; i < 3; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_NONE, PREMAP_BACKING_MAPPED, modes[i]);
    premap_file handle = premap_open(file.text, &options);
    premap_region region = {NULL, 0};
    int result = premap_wait(handle, -1, &region);
    cr_expect_eq(info_of(handle).file_size, 5 * gib);
    if (SIZE_MAX < 5 * gib) {
      cr_expect(result == PREMAP_EFBIG || result == PREMAP_ENOMEM, "%s", premap_err_name(result));
    } else {
      cr_assert_eq(result, 0, "%s", premap_err_name(result));
      cr_assert_eq(region.size, 5 * gib);
      cr_expect(pattern_equals((const char *)region.data + (region.size - 2 * MIB), 2 * MIB, SEED, 5 * gib - 2 * MIB));
    }
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(load, the_end_is_an_empty_region, .description = "offset equal to size is ready, of size 0, with an address") {
  path file = make_file("file", 300 * KIB, 3);
  for (size_t i = 0; i < 3; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backings[i], PREMAP_READ_ONLY);
    options.offset = 300 * KIB;
    expect_bytes(&file, &options, 0, 3, 300 * KIB);
  }
}

Test(load, ranges_beyond_the_end_fail, .description = "offset or length past the end: ERANGE at step size") {
  path file = make_file("file", 300 * KIB, 3);
  const uint64_t ranges[][2] = {{300 * KIB + 1, 0}, {UINT64_MAX, 0}, {0, 300 * KIB + 1},       {1, 300 * KIB},
                                {300 * KIB, 1},     {1, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}, {INT64_MAX, 0}};
  for (size_t i = 0; i < 3 * sizeof ranges / sizeof ranges[0]; i++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backings[i % 3], PREMAP_READ_ONLY);
    options.offset = ranges[i / 3][0];
    options.length = ranges[i / 3][1];
    premap_file handle = premap_open(file.text, &options);
    cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_ERANGE);
    cr_expect_eq(info_of(handle).step, PREMAP_STEP_SIZE);
    expect_message(handle, "size", file.text, ": the range is outside the file (ERANGE)");
    cr_expect_eq(premap_close(handle), 0);
  }
}

Test(load, chunks_and_pauses_change_no_byte,
     .description = "small chunks, odd chunks, chunks beyond the file, with and without a pause") {
  path file = make_file("file", 5 * MIB + 3, 9);
  const uint64_t chunks[] = {0, PREMAP_CHUNK_SIZE_MIN, PREMAP_CHUNK_SIZE_MIN + 1, 3 * MIB - 1, 64 * MIB, UINT64_MAX};
  for (size_t i = 0; i < 6 * 6; i++) {
    premap_options options = options_with(prefaults[i / 6 % 3], i % 2 == 0 ? PREMAP_BACKING_MAPPED : PREMAP_BACKING_COPIED,
                                          PREMAP_READ_ONLY);
    options.chunk_size = chunks[i % 6];
    options.pause_us = i / 18 == 0 ? 0 : 10;
    expect_bytes(&file, &options, 5 * MIB + 3, 9, 0);
  }
}

Test(load, advice_changes_no_byte, .description = "each advice with each mode") {
  path file = make_file("file", 5 * MIB + 3, 9);
  for (uint32_t advice = PREMAP_ADVICE_NORMAL; advice <= PREMAP_ADVICE_WILL_NEED; advice++) {
    for (size_t i = 0; i < 3; i++) {
      premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, modes[i]);
      options.advice = advice;
      expect_bytes(&file, &options, 5 * MIB + 3, 9, 0);
    }
  }
}

/* ---- What a load tells */

static premap_file_info loaded(const char *name, const premap_options *options) {
  premap_file handle = premap_load(name, options, NULL);
  cr_assert_gt(handle, 0);
  premap_file_info info = info_of(handle);
  uint64_t done = 1, total = 1;
  cr_expect_eq(premap_progress(handle, &done, &total), 0);
  cr_expect_eq(total, info.length);
  cr_expect_eq(premap_close(handle), 0);
  return info;
}

Test(load, a_small_file_is_copied, .description = "what info says of 256 KiB: copied, read, all present") {
  path file = make_file("file", 256 * KIB, 1);
  premap_file_info info = loaded(file.text, NULL);
  cr_expect_eq(info.state, PREMAP_READY);
  cr_expect_eq(info.error, 0);
  cr_expect_eq(info.step, PREMAP_STEP_NONE);
  cr_expect_eq(info.backing, PREMAP_BACKING_COPIED);
  cr_expect_str_eq(info.strategy, "read");
  cr_expect_str_eq(info.reason, "small enough to copy");
  cr_expect_eq(info.file_size, 256 * KIB);
  cr_expect_eq(info.offset, 0);
  cr_expect_eq(info.length, 256 * KIB);
  cr_expect_eq(info.present, 256 * KIB);
  cr_expect_eq(info.partial, 0);
}

static bool makes_present(const char *strategy) {
  return strncmp(strategy, "populate", 8) == 0 || strncmp(strategy, "fault-around", 12) == 0 ||
         strcmp(strategy, "prefetch") == 0 || strcmp(strategy, "kernel-copy") == 0;
}

Test(load, a_large_file_is_mapped, .description = "what info says of 256 KiB and a byte: mapped, populated, all present") {
  path file = make_file("file", 256 * KIB + 1, 1);
  premap_file_info info = loaded(file.text, NULL);
  cr_expect_eq(info.backing, PREMAP_BACKING_MAPPED);
  cr_expect(makes_present(info.strategy), "%s", info.strategy);
  cr_expect_str_eq(info.reason, "too large to copy");
  cr_expect_eq(info.present, 256 * KIB + 1);
  cr_expect_gt(info.load_ns, 0);
}

Test(load, reasons_say_why, .description = "backing, strategy, reason and present of each way to load a small file") {
  path file = make_file("file", 8 * KIB, 1);
  const struct {
    premap_options options;
    premap_backing backing;
    const char *strategy; /* null: one of those that make pages present */
    const char *reason;
    uint64_t present;
  } ways[] = {
      {options_with(PREMAP_PREFAULT_NONE, PREMAP_BACKING_AUTO, 0), PREMAP_BACKING_MAPPED, "none",
       "no prefault asked, so mapped", 0},
      {options_with(PREMAP_PREFAULT_ADVISE, PREMAP_BACKING_AUTO, 0), PREMAP_BACKING_MAPPED, "advise",
       "no prefault asked, so mapped", 0},
      {options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, 0), PREMAP_BACKING_MAPPED, NULL, "as asked", 8 * KIB},
      {options_with(PREMAP_PREFAULT_NONE, PREMAP_BACKING_COPIED, 0), PREMAP_BACKING_COPIED, "read", "as asked", 8 * KIB},
      {options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE), PREMAP_BACKING_MAPPED, NULL,
       "read-write files are mapped", 8 * KIB},
  };
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    premap_file_info info = loaded(file.text, &ways[i].options);
    cr_expect_eq(info.backing, (uint32_t)ways[i].backing, "way %zu", i);
    cr_expect_str_eq(info.reason, ways[i].reason);
    cr_expect_eq(info.present, ways[i].present, "way %zu: %llu", i, (unsigned long long)info.present);
    if (ways[i].strategy != NULL)
      cr_expect_str_eq(info.strategy, ways[i].strategy);
    else
      cr_expect(makes_present(info.strategy), "%s", info.strategy);
  }
}

Test(load, info_tells_the_range, .description = "offset, length and size of the whole file; progress ends at the length") {
  path file = make_file("file", 5 * MIB, 1);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.offset = MIB + 1;
  options.length = 2 * MIB;
  premap_file handle = premap_load(file.text, &options, NULL);
  premap_file_info info = info_of(handle);
  cr_expect_eq(info.file_size, 5 * MIB);
  cr_expect_eq(info.offset, MIB + 1);
  cr_expect_eq(info.length, 2 * MIB);
  cr_expect_eq(info.present, 2 * MIB);
  uint64_t done = 0, total = 0;
  cr_expect_eq(premap_progress(handle, &done, &total), 0);
  cr_expect_eq(done, 2 * MIB);
  cr_expect_eq(total, 2 * MIB);
  cr_expect_eq(premap_progress(handle, NULL, NULL), 0);
  cr_expect_eq(premap_close(handle), 0);
}

Test(load, info_before_the_end_is_empty, .description = "a pending file has its state, texts and nothing else") {
  path file = make_file("file", 8 * KIB, 1);
  premap_file handle = premap_create(file.text, NULL);
  premap_file_info info = info_of(handle);
  cr_expect_eq(info.state, PREMAP_PENDING);
  cr_expect_eq(info.file_size + info.length + info.present + info.backing + info.queue_ns + info.load_ns, 0);
  cr_expect_not_null(info.strategy);
  cr_expect_not_null(info.reason);
  premap_region region;
  cr_expect_eq(premap_region_of(handle, &region), PREMAP_EAGAIN);
  uint64_t total = 1;
  cr_expect_eq(premap_progress(handle, NULL, &total), 0);
  cr_expect_eq(total, 0);
  cr_expect_eq(premap_close(handle), 0);
}

Test(load, info_fits_older_and_newer_callers,
     .description = "no more than the caller's size is written, and what is not known is zero") {
  path file = make_file("file", 8 * KIB, 1);
  premap_file handle = premap_load(file.text, NULL, NULL);
  premap_file_info small;
  memset(&small, 0xee, sizeof small);
  small.size = offsetof(premap_file_info, step);
  cr_expect_eq(premap_info(handle, &small), 0);
  cr_expect_eq(small.size, offsetof(premap_file_info, step));
  cr_expect_eq(small.state, PREMAP_READY);
  cr_expect_eq(small.step, 0xeeeeeeee);
  struct {
    premap_file_info known;
    uint64_t future[4];
  } large;
  memset(&large, 0xee, sizeof large);
  large.known.size = sizeof large;
  cr_expect_eq(premap_info(handle, &large.known), 0);
  cr_expect_eq(large.known.length, 8 * KIB);
  cr_expect_eq(large.future[0] | large.future[3], 0);
  cr_expect_eq(premap_info(handle, NULL), PREMAP_EINVAL);
  small.size = 0;
  cr_expect_eq(premap_info(handle, &small), PREMAP_EINVAL);
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Modes */

static bool file_begins(const char *name, const char *text) {
  char bytes[64];
  FILE *file = fopen(name, "rb");
  cr_assert_not_null(file);
  size_t got = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  return got >= strlen(text) && memcmp(bytes, text, strlen(text)) == 0;
}

Test(load, writes_reach_the_file,
     .description = "read-write: after flush other readers see the change; the file keeps its size") {
  path file = make_text("file", "hello, world");
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  options.offset = 7;
  premap_region region;
  premap_file handle = premap_load(file.text, &options, &region);
  cr_assert_gt(handle, 0);
  memcpy(region.data, "WORLD", 5);
  cr_expect_eq(premap_flush(handle, 0, 0), 0);
  cr_expect_eq(premap_flush(handle, 2, 2), 0);
  cr_expect_eq(premap_flush(handle, 2, 4), PREMAP_ERANGE);
  cr_expect(file_begins(file.text, "hello, WORLD"));
  cr_expect_eq(premap_close(handle), 0);
  cr_expect(file_begins(file.text, "hello, WORLD"));
}

Test(load, private_writes_stay_private,
     .description = "copy-on-write: the region changes, the file does not, by each backing") {
  for (size_t i = 0; i < 3; i++) {
    path file = make_text("file", "hello, world");
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backings[i], PREMAP_COPY_ON_WRITE);
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0);
    memcpy(region.data, "HELLO", 5);
    cr_expect_arr_eq(region.data, "HELLO, world", 12);
    cr_expect_eq(premap_flush(handle, 0, 0), PREMAP_ENOTSUP);
    cr_expect_eq(premap_close(handle), 0);
    cr_expect(file_begins(file.text, "hello, world"));
  }
}

/* Where permissions do not bind this user they must be given up. */
static void need_refusal(const char *name, int flags) {
  uv_fs_t request;
  uv_file file = uv_fs_open(NULL, &request, name, flags, 0, NULL);
  uv_fs_req_cleanup(&request);
  if (file < 0)
    return;
  close_own(file);
  need_to_be_nobody();
}

Test(load, a_read_only_file_refuses_read_write,
     .description = "an unprivileged read-write load of a file without write permission is EACCES") {
  path file = make_text("file", "hello");
  cr_assert_eq(set_permissions(file.text, 0444), 0);
  need_refusal(file.text, UV_FS_O_RDWR);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  premap_file handle = premap_open(file.text, &options);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_EACCES);
  cr_expect_eq(info_of(handle).step, PREMAP_STEP_OPEN);
  cr_expect_eq(premap_close(handle), 0);
}

Test(load, copies_are_aligned, .description = "copied bytes begin at a multiple of 64, also those of an odd offset") {
  path file = make_file("file", 3 * MIB, 1);
  for (size_t length = 1; length <= 3 * MIB - 1; length = length * 3 + 1) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
    options.offset = 1;
    options.length = length;
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0);
    cr_expect_eq((uintptr_t)region.data % 64, 0, "length %zu", length);
    cr_expect(pattern_equals(region.data, length, 1, 1));
    cr_expect_eq(premap_close(handle), 0);
  }
}

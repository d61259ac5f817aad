/* SPDX-License-Identifier: MIT
 *
 * test_inline.c - PREMAP_INLINE_IF_CACHED: what is in memory is READY when its start returns, and the rest is queued.
 *
 * Most tests keep the pool's only thread busy: then nothing but the starting thread can have made a file READY.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <premap/uv.h>

TestSuite(inlined, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

static const int64_t minute_ms = 60000;
static const char *const inline_reason = "already in memory, so read at the start";

static void need_inline(void) {
  if (!loads_inline())
    cr_skip_test("SKIPPED: here the system does not tell that a file is in memory");
}

static premap_options inline_options(void) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_INLINE_IF_CACHED;
  return options;
}

/* A load that keeps the pool's only thread: it gives way to nothing. */
static premap_file begin_gate(void) {
  set_pool_size("1");
  premap_options slow = slow_options();
  slow.priority = PREMAP_PRIORITY_MAX;
  premap_file gate = premap_open(make_file("gate", SLOW_SIZE, 1).text, &slow);
  cr_assert_gt(gate, 0);
  cr_assert(makes_progress(gate)); /* so its descriptor is open */
  return gate;
}

static premap_loader *loader_with(premap_loader_options options) {
  premap_loader *loader = NULL;
  cr_assert_eq(premap_loader_create(&loader, &options), 0);
  return loader;
}

static premap_loader_metrics metrics_of(premap_loader *loader) {
  premap_loader_metrics metrics = {.size = sizeof metrics};
  cr_assert_eq(premap_metrics(loader, &metrics), 0);
  return metrics;
}

/* The file must be READY by its start, with the bytes of a pattern that belong at the options' offset. */
static void expect_loaded(premap_file file, const premap_options *options, size_t size, uint32_t seed) {
  cr_assert_gt(file, 0, "%s", premap_err_name((int)file));
  cr_assert_eq(premap_state(file), PREMAP_READY, "%zu bytes are not ready at once", size);
  premap_region region = {NULL, 0};
  cr_expect_eq(premap_region_of(file, &region), 0);
  cr_expect_eq(region.size, size);
  cr_expect(pattern_equals(region.data, region.size, seed, options->offset));
  cr_expect_eq((uintptr_t)region.data % 64, 0);
  premap_file_info info = info_of(file);
  cr_expect_str_eq(info.reason, inline_reason);
  cr_expect_str_eq(info.strategy, "read");
  cr_expect_eq(info.backing, (uint32_t)PREMAP_BACKING_COPIED);
  cr_expect(info.length == size && info.present == size && info.partial == 0 && info.load_ns > 0);
}

static premap_file expect_inline(const char *name, const premap_options *options, size_t size, uint32_t seed) {
  premap_file file = open_inline(name, options);
  expect_loaded(file, options, size, seed);
  return file;
}

/* Where it counts that there is no other start. */
static premap_file expect_inline_once(const char *name, const premap_options *options, size_t size, uint32_t seed) {
  premap_file file = premap_open(name, options);
  expect_loaded(file, options, size, seed);
  return file;
}

/* Opens a file and expects it in the queue; once the gate is open it must come to this result. */
static void expect_queued(const char *what, const char *name, const premap_options *options, int result) {
  premap_file gate = begin_gate(), file = premap_open(name, options);
  cr_assert_gt(file, 0, "%s: %s", what, premap_err_name((int)file));
  cr_expect_eq(premap_state(file), PREMAP_PENDING, "%s is not queued", what);
  cr_expect_eq(premap_close(gate), 0);
  cr_expect_eq(premap_wait(file, minute_ms, NULL), result, "%s", what);
  cr_expect_str_neq(info_of(file).reason, inline_reason, "%s", what);
  cr_expect_eq(premap_close(file), 0);
}

/* ---- What is in memory */

Test(inlined, resident_files_are_ready_at_once,
     .description = "of 1 byte to the limit of copying, chosen or asked for, read-only or copy-on-write, with every byte") {
  need_inline();
  premap_file gate = begin_gate();
  const size_t sizes[] = {1, 4096, 5000, PREMAP_COPY_LIMIT};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char name[32];
    snprintf(name, sizeof name, "file%zu", i);
    path file = make_file(name, sizes[i], (uint32_t)i);
    for (unsigned how = 0; how < 8; how++) {
      premap_options options = inline_options();
      options.backing = (how & 1) != 0 ? PREMAP_BACKING_COPIED : PREMAP_BACKING_AUTO;
      options.mode = (how & 2) != 0 ? PREMAP_COPY_ON_WRITE : PREMAP_READ_ONLY;
      options.flags |= (how & 4) != 0 ? PREMAP_KNOWN_REGULAR : 0;
      cr_expect_eq(premap_close(expect_inline(file.text, &options, sizes[i], (uint32_t)i)), 0);
    }
  }
  cr_expect_eq(descriptors_left(), 1, "only the gate's");
  cr_expect_eq(premap_close(gate), 0);
}

Test(inlined, ranges_too, .description = "from any byte to any other, of a file that as a whole would be mapped") {
  need_inline();
  premap_file gate = begin_gate();
  path file = make_file("file", MIB, 2);
  const struct {
    uint64_t offset, length;
  } ranges[] = {{1, 1}, {4095, 2}, {5000, 100000}, {MIB - 7, 0}, {0, PREMAP_COPY_LIMIT}};
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    premap_options options = inline_options();
    options.offset = ranges[i].offset;
    options.length = ranges[i].length;
    size_t size = ranges[i].length != 0 ? (size_t)ranges[i].length : (size_t)(MIB - ranges[i].offset);
    cr_expect_eq(premap_close(expect_inline(file.text, &options, size, 2)), 0);
  }
  cr_expect_eq(premap_close(gate), 0);
}

Test(inlined, no_pool_is_needed, .description = "none is started, by create and start, by a timed wait, or by a descriptor") {
  need_inline();
  path file = make_file("file", 5000, 3);
  premap_options options = inline_options();
  premap_file started = premap_create(file.text, &options), waited = premap_create(file.text, &options);
  cr_expect_eq(premap_start(started), 0);
  cr_expect_eq(premap_start(started), 0, "a second start does nothing");
  cr_expect_eq(premap_wait(waited, 0, NULL), 0);
  uv_file own = open_own(file.text, UV_FS_O_RDONLY);
  premap_file given = premap_open_fd(descriptor_of(own), &options);
  cr_expect_eq(premap_state(given), PREMAP_READY);
  cr_expect_str_eq(info_of(given).reason, inline_reason);
  cr_expect_eq(descriptors_left(), 1, "only the test's");
  close_own(own);
  cr_expect_eq(metrics_of(NULL).workers, 0);
  cr_expect_eq(metrics_of(NULL).started, 3);
  cr_expect_eq(premap_close(started), 0);
  cr_expect_eq(premap_close(waited), 0);
  cr_expect_eq(premap_close(given), 0);
}

Test(inlined, the_file_can_be_asked_later,
     .description = "premap_check and the kept descriptor are of the file that was read") {
  need_inline();
  path file = make_file("file", 5000, 4);
  premap_options options = inline_options();
  for (int i = 0; i < 2; i++) {
    options.flags |= i > 0 ? PREMAP_KEEP_OPEN : 0;
    premap_file handle = expect_inline(file.text, &options, 5000, 4);
    cr_expect_eq(descriptors_left(), (size_t)i);
    cr_expect_eq(premap_check(handle), 0);
    cr_assert_eq(set_time(file.text, 1000000000.0 + i), 0);
    cr_expect_eq(premap_check(handle), PREMAP_ECHANGED);
    cr_expect_eq(premap_close(handle), 0);
  }
  cr_expect_eq(descriptors_left(), 0);
}

Test(inlined, links_and_directories_hold,
     .description = "NOFOLLOW refuses a link, BENEATH what leaves the directory; what they allow is ready at once") {
  need_inline();
  cr_assert_eq(make_directory(path_of("top").text), 0);
  path inner = make_file("top/file", 100, 5);
  make_file("secret", 100, 6);
  make_link("file", path_of("top/link").text);
  make_link("../secret", path_of("top/out").text);
  uv_file top = open_own(path_of("top").text, UV_FS_O_RDONLY);
  premap_options beneath = inline_options(), nofollow = inline_options();
  beneath.flags |= PREMAP_BENEATH;
  beneath.beneath = descriptor_of(top);
  nofollow.flags |= PREMAP_NOFOLLOW;
  premap_options options = inline_options();
  cr_expect_eq(premap_close(expect_inline(path_of("top/link").text, &options, 100, 5)), 0);
  cr_expect_eq(premap_close(expect_inline(inner.text, &nofollow, 100, 5)), 0);
  cr_expect_eq(premap_close(expect_inline("file", &beneath, 100, 5)), 0);
  cr_expect_eq(premap_close(expect_inline("link", &beneath, 100, 5)), 0);
  for (int i = 0; i < 2; i++) {
    expect_failure(path_of("top/link").text, &nofollow, PREMAP_ELOOP, PREMAP_STEP_OPEN);
    expect_failure("../secret", &beneath, PREMAP_EXDEV, PREMAP_STEP_OPEN);
    expect_failure("out", &beneath, PREMAP_EXDEV, PREMAP_STEP_OPEN);
    beneath.flags |= PREMAP_KNOWN_REGULAR;
    nofollow.flags |= PREMAP_KNOWN_REGULAR;
  }
  close_own(top);
  cr_expect_eq(descriptors_left(), 0);
}

/* ---- What is not */

Test(inlined, evicted_files_are_queued, .description = "and loaded when a worker takes them") {
  need_inline();
  premap_file gate = begin_gate();
  path file = make_file("file", 200000, 7);
  if (!drop_cache(file.text))
    cr_skip_test("SKIPPED: the page cache cannot be dropped here");
  premap_options options = inline_options();
  premap_file handle = premap_open(file.text, &options);
  cr_expect_eq(premap_state(handle), PREMAP_PENDING);
  cr_expect_eq(metrics_of(NULL).queued, 1);
  cr_expect_eq(descriptors_left(), 1, "only the gate's");
  cr_expect_eq(premap_close(gate), 0);
  premap_region region = {NULL, 0};
  cr_expect_eq(premap_wait(handle, minute_ms, &region), 0);
  cr_expect(region.size == 200000 && pattern_equals(region.data, region.size, 7, 0));
  cr_expect_str_eq(info_of(handle).reason, "small enough to copy");
  cr_expect_eq(premap_close(handle), 0);
}

Test(inlined, what_is_not_copied_is_queued, .description = "large and empty files, maps, advice, locks, pauses") {
  path file = make_file("file", 5000, 8);
  premap_options options = inline_options();
  expect_queued("a large file", make_file("large", PREMAP_COPY_LIMIT + 1, 8).text, &options, 0);
  expect_queued("an empty file", make_text("empty", "").text, &options, 0);
  options.backing = PREMAP_BACKING_COPIED;
  expect_queued("a large copy", path_of("large").text, &options, 0);
  options = inline_options();
  options.backing = PREMAP_BACKING_MAPPED;
  expect_queued("a map", file.text, &options, 0);
  options = inline_options();
  options.mode = PREMAP_READ_WRITE;
  expect_queued("a read-write file", file.text, &options, 0);
  options = inline_options();
  options.prefault = PREMAP_PREFAULT_NONE;
  expect_queued("a file without prefault", file.text, &options, 0);
  options = inline_options();
  options.pause_us = 1;
  expect_queued("a file with pauses", file.text, &options, 0);
  options = inline_options();
  options.advice = PREMAP_ADVICE_WILL_NEED;
  expect_queued("a file with advice", file.text, &options, 0);
  options = inline_options();
  options.flags |= PREMAP_LOCK;
  expect_queued("a locked file", make_text("small", "x").text, &options, 0);
}

Test(inlined, what_cannot_be_loaded_is_queued, .description = "the worker tells why: ENOENT, EISDIR, ERANGE") {
  premap_options options = inline_options();
  expect_queued("a missing file", path_of("missing").text, &options, PREMAP_ENOENT);
  expect_queued("a directory", path_of("").text, &options, PREMAP_EISDIR);
  path file = make_file("file", 5000, 9);
  options.offset = 5001;
  expect_queued("a range beyond the end", file.text, &options, PREMAP_ERANGE);
  options.offset = 4000;
  options.length = 1001;
  expect_queued("a range over the end", file.text, &options, PREMAP_ERANGE);
  options.offset = UINT64_MAX;
  options.length = 1;
  expect_queued("the last range of all", file.text, &options, PREMAP_ERANGE);
}

Test(inlined, elsewhere_all_is_queued,
     .description = "where the system does not tell what is in memory, the flag does nothing") {
  if (loads_inline())
    cr_skip_test("SKIPPED: here the system tells it");
  premap_options options = inline_options();
  expect_queued("a resident file", make_file("file", 5000, 10).text, &options, 0);
}

/* ---- Limits */

Test(inlined, a_full_queue_does_not_matter, .description = "a file that needs no room in it is loaded all the same") {
  need_inline();
  premap_file gate = begin_gate();
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.queued_max = 1;
  limits.open_files_max = 1;
  limits.workers_max = 1;
  premap_loader *loader = loader_with(limits);
  path file = make_file("file", 5000, 11);
  premap_options options = inline_options();
  options.loader = loader;
  options.backing = PREMAP_BACKING_MAPPED;
  premap_file queued = premap_open(file.text, &options);
  cr_expect_eq(premap_state(queued), PREMAP_PENDING);
  cr_expect_eq(premap_open(file.text, &options), PREMAP_ENOBUFS);
  options.backing = PREMAP_BACKING_AUTO;
  premap_file handle = expect_inline_once(file.text, &options, 5000, 11);
  premap_loader_metrics metrics = metrics_of(loader);
  cr_expect_eq(metrics.queued, 1);
  cr_expect_eq(metrics.loading, 0);
  cr_expect_eq(metrics.started, 2);
  cr_expect_eq(metrics.ready, 1);
  cr_expect_eq(metrics.bytes_loaded, 5000);
  cr_expect_eq(premap_close(queued), 0);
  cr_expect_eq(premap_loader_drain(loader, 0), 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  cr_expect_eq(premap_close(gate), 0);
}

Test(inlined, many_copies_are_left_to_be_mapped, .description = "those of more than 32 KiB, once all copies hold 8 MiB") {
  enum { LARGER = (int)PREMAP_COPY_ANYWAY + 1, MANY = 300, COPIED = (int)(PREMAP_COPIES_MAX / LARGER) };
  need_inline();
  path name = make_file("file", LARGER, 1);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_INLINE_IF_CACHED;
  premap_file files[MANY];
  int copied = 0;
  for (int i = 0; i < MANY; i++) {
    files[i] = premap_open(name.text, &options);
    cr_expect_eq(premap_wait(files[i], 60000, NULL), 0);
    copied += info_of(files[i]).backing == PREMAP_BACKING_COPIED;
  }
  cr_expect_eq(copied, COPIED);
  for (int i = 0; i < MANY; i++)
    cr_expect_eq(premap_close(files[i]), 0);
}

Test(inlined, memory_is_limited,
     .description = "what the loader's memory has no room for is queued, until some is given back") {
  need_inline();
  premap_file gate = begin_gate();
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = 8000;
  premap_loader *loader = loader_with(limits);
  path file = make_file("file", 5000, 12);
  premap_options options = inline_options();
  options.loader = loader;
  premap_file first = expect_inline(file.text, &options, 5000, 12), second = premap_open(file.text, &options);
  cr_expect_eq(premap_state(second), PREMAP_PENDING);
  cr_expect_eq(metrics_of(loader).memory, 5000);
  cr_expect_eq(premap_close(second), 0);
  cr_expect_eq(premap_close(first), 0);
  cr_expect_eq(metrics_of(loader).memory, 0);
  first = expect_inline(file.text, &options, 5000, 12);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  premap_region region = {NULL, 0};
  cr_expect_eq(premap_region_of(first, &region), 0);
  cr_expect(pattern_equals(region.data, region.size, 12, 0), "it outlives its loader");
  cr_expect_eq(premap_close(first), 0);
  cr_expect_eq(premap_close(gate), 0);
}

Test(inlined, a_closed_loader_refuses, .description = "ECANCELED, and the file stays as it was") {
  premap_loader *loader = loader_with((premap_loader_options)PREMAP_LOADER_OPTIONS_INIT);
  premap_options options = inline_options();
  options.loader = loader;
  premap_file file = premap_create(make_file("file", 5000, 13).text, &options);
  cr_expect_eq(premap_loader_close(loader, minute_ms), 0);
  cr_expect_eq(premap_start(file), PREMAP_ECANCELED);
  cr_expect_eq(premap_state(file), PREMAP_PENDING);
  cr_expect_eq(premap_close(file), 0);
}

/* ---- Who is told */

typedef struct told {
  uv_sem_t done;
  atomic_int calls;
  premap_file file;
  int result;
} told;

static void on_end(premap_file file, int result, void *user_data) {
  told *to = user_data;
  to->file = file;
  to->result = result;
  atomic_fetch_add(&to->calls, 1);
  uv_sem_post(&to->done);
}

Test(inlined, a_callback_is_made_once, .description = "with handle and result, on the library's thread, also after a close") {
  need_inline();
  path file = make_file("file", 5000, 14);
  for (int i = 0; i < 2; i++) {
    told to = {.calls = 0};
    cr_assert_eq(uv_sem_init(&to.done, 0), 0);
    premap_options options = inline_options();
    options.callback = on_end;
    options.user_data = &to;
    premap_file handle = expect_inline_once(file.text, &options, 5000, 14);
    if (i > 0)
      cr_expect_eq(premap_close(handle), 0);
    uv_sem_wait(&to.done);
    cr_expect_eq(to.file, handle);
    cr_expect_eq(to.result, 0);
    cr_expect_eq(premap_shutdown(-1), 0);
    cr_expect_eq(atomic_load(&to.calls), 1);
    if (i == 0)
      cr_expect_eq(premap_close(handle), 0);
    uv_sem_destroy(&to.done);
  }
}

Test(inlined, a_queue_gets_one_entry, .description = "which is there when the start returns") {
  need_inline();
  premap_queue *queue;
  cr_assert_eq(premap_queue_create(&queue), 0);
  premap_options options = inline_options();
  options.queue = queue;
  premap_file file = expect_inline_once(make_file("file", 5000, 15).text, &options, 5000, 15);
  premap_completion entries[2];
  cr_expect_eq(premap_queue_poll(queue, entries, 2, 0), 1);
  cr_expect(entries[0].file == file && entries[0].result == 0);
  cr_expect_eq(premap_close(file), 0);
  premap_queue_close(queue);
}

typedef struct host {
  uv_loop_t loop;
  premap_loader *loader;
  int ends;
} host;

static void on_host_end(premap_file file, int result, void *user_data) {
  host *of = user_data;
  of->ends += result == 0 && premap_close(file) == 0;
}

Test(inlined, a_host_is_told_on_its_loop,
     .description = "not in the start, and the loop does not stay alive for what has ended") {
  need_inline();
  host of = {.ends = 0};
  cr_assert_eq(uv_loop_init(&of.loop), 0);
  cr_assert_eq(premap_loader_attach(&of.loader, &of.loop, NULL), 0);
  path file = make_file("file", 5000, 16);
  premap_options options = inline_options();
  options.loader = of.loader;
  premap_file quiet = expect_inline_once(file.text, &options, 5000, 16);
  cr_expect_eq(uv_run(&of.loop, UV_RUN_DEFAULT), 0);
  options.callback = on_host_end;
  options.user_data = &of;
  expect_inline_once(file.text, &options, 5000, 16);
  cr_expect_eq(of.ends, 0);
  cr_expect_eq(uv_run(&of.loop, UV_RUN_DEFAULT), 0);
  cr_expect_eq(of.ends, 1);
  cr_expect_eq(premap_close(quiet), 0);
  premap_loader_detach(of.loader, NULL, NULL);
  uv_run(&of.loop, UV_RUN_DEFAULT);
  cr_expect_eq(uv_loop_close(&of.loop), 0);
}

/* ---- Groups */

Test(inlined, groups_too, .description = "all its resident files are ready when its start returns, and each is given once") {
  need_inline();
  premap_file gate = begin_gate();
  premap_options options = inline_options();
  premap_group *group = NULL;
  cr_assert_eq(premap_group_create(&group, &options), 0);
  enum { FILES = 20, SIZE = 3000 };
  premap_file files[FILES];
  for (int i = 0; i < FILES; i++) {
    char name[32];
    snprintf(name, sizeof name, "file%d", i);
    cr_assert_gt(files[i] = premap_group_add(group, make_file(name, SIZE, (uint32_t)i).text), 0);
  }
  cr_expect_eq(premap_group_start(group), 0);
  premap_group_progress progress = {.size = sizeof progress};
  cr_expect_eq(premap_group_progress_of(group, &progress), 0);
  cr_expect(progress.files_ended == FILES && progress.files_failed == 0);
  cr_expect(progress.bytes_total == FILES * SIZE && progress.bytes_done == FILES * SIZE);
  premap_completion ended;
  for (int i = 0; i < FILES; i++) {
    cr_expect_eq(premap_group_next(group, 0, &ended), 0);
    cr_expect(ended.file == files[i] && ended.result == 0, "in the order of their starts");
    premap_region region = {NULL, 0};
    cr_expect_eq(premap_region_of(files[i], &region), 0);
    cr_expect(region.size == SIZE && pattern_equals(region.data, SIZE, (uint32_t)i, 0));
  }
  cr_expect_eq(premap_group_next(group, 0, &ended), PREMAP_EOF);
  premap_file late = premap_group_add(group, path_of("file0").text);
  cr_expect_eq(premap_state(late), PREMAP_READY, "added to a group that was started");
  premap_group_close(group);
  cr_expect_eq(premap_close(gate), 0);
}

/* ---- Threads */

typedef struct race {
  premap_file file;
  atomic_int refused;
} race;

static void start_or_cancel(void *shared, unsigned index) {
  race *of = shared;
  int result = index == 3 ? premap_cancel(of->file) : premap_start(of->file);
  if (result != 0)
    atomic_fetch_add(&of->refused, 1);
}

Test(inlined, threads_may_meet, .description = "three start one file beneath a directory, one cancels it: one end, told once") {
  make_file("file", 5000, 17);
  premap_options options = inline_options();
  uv_file own = open_own(path_of("").text, UV_FS_O_RDONLY);
  options.flags |= PREMAP_BENEATH;
  options.beneath = descriptor_of(own);
  cr_assert_eq(premap_queue_create(&options.queue), 0);
  for (int i = 0; i < 200; i++) {
    race of = {.file = premap_create("file", &options)};
    cr_assert_gt(of.file, 0);
    run_threads(4, start_or_cancel, &of);
    cr_expect_eq(atomic_load(&of.refused), 0);
    premap_region region = {NULL, 0};
    int result = premap_wait(of.file, minute_ms, &region);
    cr_expect(result == PREMAP_ECANCELED || (result == 0 && pattern_equals(region.data, region.size, 17, 0)), "%s",
              premap_err_name(result));
    premap_completion entries[2];
    cr_expect_eq(premap_queue_poll(options.queue, entries, 2, minute_ms), 1);
    cr_expect(entries[0].file == of.file && entries[0].result == result);
    cr_expect_eq(premap_close(of.file), 0);
  }
  premap_queue_close(options.queue);
  close_own(own);
}

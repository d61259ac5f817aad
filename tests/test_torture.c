/* SPDX-License-Identifier: MIT
 *
 * test_torture.c - each fallible call below the core fails once, in turn: the system's (the seam's functions) and malloc's.
 * Whatever fails, the outcome must be READY with the right bytes or a clean error, and nothing may leak.
 *
 * The linker's --wrap puts the functions here between the core and its backend, so this program is linked with the static
 * library. All runs on this thread (premap_wait loads inline), so that the n-th call is always the same call.
 */
#include "support.h"

#include "../src/common/os.h"

/* For calls of the thread that armed it. It is told by its number and not by a variable of its own: Windows makes such
 * variables by calloc when they are first looked at, which would end up here again. */
static _Atomic uintptr_t armed_thread; /* written while is_armed is false */
static atomic_bool is_armed;
static long calls;   /* fallible calls so far */
static long fail_at; /* the call that fails, from 1; 0: none */
static bool refuses_to_populate;

static void arm(bool on) {
  if (on)
    armed_thread = thread_number();
  atomic_store(&is_armed, on);
}

static bool fails_now(void) {
  return atomic_load(&is_armed) && thread_number() == armed_thread && ++calls == fail_at;
}

static premap__status failed(void) {
  return (premap__status){PREMAP_EIO, 5};
}

/* A function of the seam that returns a status, with its arguments: declared as the linker names it. */
#define WRAP(name, parameters, arguments)                                                                                      \
  premap__status __real_premap__os_##name parameters;                                                                          \
  premap__status __wrap_premap__os_##name parameters;                                                                          \
  premap__status __wrap_premap__os_##name parameters {                                                                         \
    return fails_now() ? failed() : __real_premap__os_##name arguments;                                                        \
  }

/* The code with which the next open fails; 0: it does not. */
static _Atomic int fails_once;

static atomic_bool was_empty; /* when it was opened next */

/* What the next open does not find, since it is given back only while it looks: a descriptor. 0: nothing. */
static _Atomic premap_file given_back_late;
static _Atomic int lacks; /* as that open calls it */

premap__status __real_premap__os_open(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity);
premap__status __wrap_premap__os_open(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity);
premap__status __wrap_premap__os_open(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity) {
  premap_file late = atomic_exchange(&given_back_late, 0);
  if (late != 0) {
    (void)premap_close(late);
    return (premap__status){atomic_load(&lacks), 24};
  }
  int once = atomic_exchange(&fails_once, 0);
  if (once != 0)
    return (premap__status){once, 24};
  premap__status status = fails_now() ? failed() : __real_premap__os_open(how, file, identity);
  if (atomic_exchange(&was_empty, false))
    identity->size = 0;
  return status;
}

WRAP(duplicate, (intptr_t descriptor, bool writable, premap__os_file *file), (descriptor, writable, file))
WRAP(duplicate_directory, (intptr_t descriptor, premap__os_file *directory), (descriptor, directory))
WRAP(identify, (premap__os_file file, premap__os_identity *identity), (file, identity))
WRAP(read, (premap__os_file file, void *buffer, size_t size, uint64_t offset, size_t *got), (file, buffer, size, offset, got))
WRAP(map, (premap__os_file file, premap_mode mode, uint64_t offset, size_t size, premap__os_mapping *mapping),
     (file, mode, offset, size, mapping))
WRAP(advise, (premap__os_file file, uint64_t offset, void *address, size_t size, premap_advice advice),
     (file, offset, address, size, advice))
WRAP(lock, (void *address, size_t size), (address, size))
WRAP(flush, (premap__os_file file, void *address, size_t size), (file, address, size))
WRAP(release, (premap__os_file file, uint64_t offset, void *address, size_t size), (file, offset, address, size))
WRAP(copy_out, (void *buffer, const void *address, size_t size), (buffer, address, size))

static void spin(uint64_t span_ns) {
  uint64_t begin = uv_hrtime();
  while (uv_hrtime() - begin < span_ns)
    ;
}

/* A file in large pages: so many bytes of it are in memory at a time, and all that is asked for is present at once. The largest
 * chunk is noted; the first of a certain size may seem slow, and then the one after it is noted too. */
static struct {
  bool is_there;
  uint64_t slow_ns; /* 0: none seems so */
  size_t slow_size;
  size_t resident_max;
  size_t largest;
  size_t after;
} large_pages;

premap__status __real_premap__os_resident(premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes);
premap__status __wrap_premap__os_resident(premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes);
premap__status __wrap_premap__os_resident(premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes) {
  if (!large_pages.is_there)
    return fails_now() ? failed() : __real_premap__os_resident(file, offset, size, mapped, bytes);
  *bytes = size <= large_pages.resident_max ? size : 0;
  return (premap__status){0, 0};
}

static premap__status populate_large_pages(size_t size, size_t *done, premap__os_way *way) {
  if (large_pages.slow_ns > 0 && large_pages.largest >= large_pages.slow_size) {
    large_pages.after = large_pages.after == 0 ? size : large_pages.after;
  } else if (size > large_pages.largest) {
    large_pages.largest = size;
    if (size >= large_pages.slow_size)
      spin(large_pages.slow_ns);
  }
  *done = size;
  *way = PREMAP__WAY_POPULATE;
  return (premap__status){0, 0};
}

/* So for one that returns whether it did. */
#define WRAP_BOOL(name, parameters, arguments)                                                                                 \
  bool __real_premap__os_##name parameters;                                                                                    \
  bool __wrap_premap__os_##name parameters;                                                                                    \
  bool __wrap_premap__os_##name parameters {                                                                                   \
    return !fails_now() && __real_premap__os_##name arguments;                                                                 \
  }

WRAP_BOOL(open_cached, (const premap__os_how *how, premap__os_file *file, premap__os_identity *identity), (how, file, identity))
WRAP_BOOL(identify_cached, (premap__os_file file, premap__os_identity *identity), (file, identity))
WRAP_BOOL(read_cached, (premap__os_file file, void *buffer, size_t size, uint64_t offset), (file, buffer, size, offset))

/* A load by two threads: which is the loader's, that the other one has come, and what becomes of its chunk. */
static struct {
  atomic_bool is_awaited;
  _Atomic uintptr_t loader;
  uv_sem_t has_come;
  int code;
} assistant;

/* The loader's first chunks seem slow, so that help is worth it once the second is there, and its next one waits for that. Of
 * the assistant's chunk the second half is not there. */
static bool assistant_fails(size_t size, size_t *done) {
  static int chunks;
  if (thread_number() == atomic_load(&assistant.loader)) {
    if (chunks++ < 2)
      spin(UINT64_C(4) * 1000 * 1000);
    else
      uv_sem_wait(&assistant.has_come);
    return false;
  }
  atomic_store(&assistant.is_awaited, false);
  uv_sem_post(&assistant.has_come);
  *done = size / 2;
  return assistant.code != 0;
}

static atomic_bool is_slow; /* the next chunk takes as long as one of a device that hardly answers */

/* Chunks of two threads that keep each other waiting: each takes ten times as long once there is a second thread. */
static struct {
  atomic_bool is_on;
  atomic_int assisted; /* chunks of the second thread */
} hindered;

static premap__status populate_hindered(size_t size, size_t *done, premap__os_way *way) {
  bool is_loader = thread_number() == atomic_load(&assistant.loader);
  if (!is_loader)
    atomic_fetch_add(&hindered.assisted, 1);
  spin(is_loader && atomic_load(&hindered.assisted) == 0 ? 100 * 1000 : 1000 * 1000);
  *done = size;
  *way = PREMAP__WAY_POPULATE;
  return (premap__status){0, 0};
}

premap__status __real_premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way);
premap__status __wrap_premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way);
premap__status __wrap_premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way) {
  *done = 0;
  if (atomic_load(&hindered.is_on))
    return populate_hindered(size, done, way);
  if (large_pages.is_there)
    return populate_large_pages(size, done, way);
  if (refuses_to_populate)
    return (premap__status){PREMAP_ENOSYS, 0};
  if (fails_now())
    return failed();
  if (atomic_load(&assistant.is_awaited) && assistant_fails(size, done))
    return (premap__status){assistant.code, 0};
  if (atomic_exchange(&is_slow, false))
    spin(UINT64_C(250) * 1000 * 1000);
  return __real_premap__os_populate(address, size, done, way);
}

void *__real_premap__os_pages_allocate(size_t size);
void *__wrap_premap__os_pages_allocate(size_t size);
void *__wrap_premap__os_pages_allocate(size_t size) {
  return fails_now() ? NULL : __real_premap__os_pages_allocate(size);
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  return fails_now() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
  return fails_now() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
  return fails_now() ? NULL : __real_realloc(block, size);
}

/* ---- What is tried */

typedef struct scenario {
  const char *name;
  const char *path;
  premap_options options;
} scenario;

static path small, large;
enum { SEED = 7, SMALL = 5000, LARGE = 3 * MIB };

static void begin(void) {
  support_begin();
  small = make_file("small", SMALL, SEED);
  large = make_file("large", LARGE, SEED);
}

TestSuite(torture, .init = begin, .fini = support_end);

/* Every call that has a READY file; their errors must be errors, no more. */
static void use(premap_file file, const premap_region *region) {
  char buffer[100];
  uint64_t bytes;
  (void)premap_copy_out(file, 10, buffer, sizeof buffer);
  (void)premap_resident(file, 0, 0, &bytes);
  (void)premap_advise(file, 0, 0, PREMAP_ADVICE_SEQUENTIAL);
  (void)premap_populate(file, 0, 0);
  (void)premap_lock(file, 0, 0);
  (void)premap_unlock(file, 0, 0);
  (void)premap_flush(file, 0, 0);
  (void)premap_release(file, 0, 0);
  (void)premap_check(file);
  cr_assert(pattern_equals(region->data, region->size, SEED, 0), "the bytes must be right, whatever failed later");
}

static void load_once(const scenario *what, intptr_t descriptor) {
  premap_file file = descriptor >= 0 ? premap_open_fd(descriptor, &what->options) : premap_create(what->path, &what->options);
  if (file < 0) {
    cr_assert_neq(premap_err_name((int)file)[0], '?', "a creation must fail by a known code, not %lld", (long long)file);
    return;
  }
  premap_region region = {NULL, 0};
  int result = premap_wait(file, -1, &region);
  if (result >= 0) {
    cr_assert_eq(premap_state(file), PREMAP_READY);
    use(file, &region);
  } else if (premap_is_failed(file)) {
    char message[400];
    premap_error_message(file, message, sizeof message);
    cr_assert_neq(message[0], '\0', "a failed file must say why");
    cr_assert_eq(premap_error(file), result);
  }
  cr_assert_eq(premap_close(file), 0);
}

/* Fails the first call, then the second, until a run ends before the call that was to fail. */
static void torture(const scenario *what, intptr_t descriptor) {
  load_once(what, descriptor); /* what is made once and kept, such as the budget's lock, is made now */
  size_t descriptors = open_descriptors();
  for (fail_at = 1;; fail_at++) {
    calls = 0;
    arm(true);
    load_once(what, descriptor);
    arm(false);
    cr_assert_eq(open_descriptors(), descriptors, "%s: call %ld leaked a descriptor: %zu after %zu", what->name, fail_at,
                 open_descriptors(), descriptors);
    cr_assert_eq(mappings_left(), 0, "%s: call %ld leaked a mapping", what->name, fail_at);
    if (calls < fail_at)
      break;
  }
  cr_log_info("%s: %ld calls failed in turn", what->name, fail_at - 1);
  cr_assert_gt(fail_at, 3, "%s: only %ld calls could fail: are they wrapped?", what->name, fail_at);
}

static scenario default_scenario(const char *name, const char *file) {
  return (scenario){name, file, PREMAP_OPTIONS_INIT};
}

Test(torture, small_copied_file, .description = "each call of a small copied load fails once") {
  scenario what = default_scenario("small", small.text);
  torture(&what, -1);
}

Test(torture, small_locked_copy, .description = "each call of a load that locks its copy fails once") {
  scenario what = default_scenario("locked", small.text);
  what.options.flags = PREMAP_LOCK | PREMAP_KEEP_OPEN;
  torture(&what, -1);
}

Test(torture, large_mapped_file, .description = "each call of a large mapped load fails once") {
  scenario what = default_scenario("mapped", large.text);
  what.options.advice = PREMAP_ADVICE_RANDOM;
  torture(&what, -1);
}

Test(torture, large_copied_file, .description = "each call of a copy with pages of its own fails once") {
  scenario what = default_scenario("copied", large.text);
  what.options.backing = PREMAP_BACKING_COPIED;
  torture(&what, -1);
}

Test(torture, read_write_advised_file, .description = "each call of a read-write load with hints fails once") {
  scenario what = default_scenario("advised", large.text);
  what.options.mode = PREMAP_READ_WRITE;
  what.options.prefault = PREMAP_PREFAULT_ADVISE;
  torture(&what, -1);
}

Test(torture, beneath_a_directory, .description = "each call of a load beneath a directory fails once") {
  uv_file beneath = open_own(path_of("").text, UV_FS_O_RDONLY);
  scenario what = default_scenario("beneath", "large");
  what.options.flags = PREMAP_BENEATH;
  what.options.beneath = descriptor_of(beneath);
  torture(&what, -1);
  close_own(beneath);
}

/* Only the start's calls fail: what has to be queued then waits until the pool's thread is free. */
static void start_once(const scenario *what, intptr_t descriptor) {
  arm(true);
  premap_file file = descriptor >= 0 ? premap_open_fd(descriptor, &what->options) : premap_open(what->path, &what->options);
  arm(false);
  if (file < 0) {
    cr_assert_neq(premap_err_name((int)file)[0], '?', "a start must fail by a known code, not %lld", (long long)file);
    return;
  }
  int state = premap_state(file);
  cr_assert(state == PREMAP_READY || state == PREMAP_PENDING, "call %ld: state %d", fail_at, state);
  premap_region region = {NULL, 0};
  cr_assert_eq(premap_wait(file, -1, &region), 0, "call %ld only kept it from being loaded at once", fail_at);
  cr_assert(region.size == SMALL && pattern_equals(region.data, region.size, SEED, 0));
  cr_assert_eq(premap_close(file), 0);
}

static void torture_start(const scenario *what, intptr_t descriptor) {
  set_pool_size("1");
  premap_options slow = slow_options();
  slow.priority = PREMAP_PRIORITY_MAX;
  premap_file gate = premap_open(make_file("gate", SLOW_SIZE, SEED).text, &slow);
  cr_assert(makes_progress(gate)); /* LOADING comes before its descriptor */
  start_once(what, descriptor);
  /* Of the test's files: the pool's thread asks the system for its memory now and then. The gate's may go yet. */
  size_t descriptors = descriptors_left();
  for (fail_at = 1;; fail_at++) {
    calls = 0;
    start_once(what, descriptor);
    size_t left = descriptors_left();
    cr_assert_leq(left, descriptors, "%s: call %ld leaked a descriptor: %zu after %zu", what->name, fail_at, left, descriptors);
    if (calls < fail_at)
      break;
  }
  cr_log_info("%s: %ld calls failed in turn", what->name, fail_at - 1);
  cr_assert_gt(fail_at, 3, "%s: only %ld calls could fail: are they wrapped?", what->name, fail_at);
  cr_assert_eq(premap_close(gate), 0);
}

Test(torture, load_at_the_start, .description = "each call of a start that loads fails once: then the file is queued") {
  scenario what = default_scenario("start", small.text);
  what.options.flags = PREMAP_INLINE_IF_CACHED | PREMAP_KEEP_OPEN;
  torture_start(&what, -1);
}

Test(torture, load_of_a_descriptor_at_the_start, .description = "the same for one that is open already") {
  uv_file own = open_own(small.text, UV_FS_O_RDONLY);
  scenario what = default_scenario("start by descriptor", small.text);
  what.options.flags = PREMAP_INLINE_IF_CACHED;
  torture_start(&what, descriptor_of(own));
  close_own(own);
}

Test(torture, a_system_that_refuses_to_populate,
     .description = "a sandbox forbids it: READY and partial, by advice, and the reason says so") {
  refuses_to_populate = true;
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_region region;
  premap_file handle = premap_create(make_file("file", 9 * MIB, 1).text, &options);
  cr_expect_eq(premap_wait(handle, -1, &region), PREMAP_PARTIAL);
  premap_file_info info = info_of(handle);
  cr_expect_eq(info.partial, 1);
  cr_expect_eq(info.present, 0);
  cr_expect_str_eq(info.strategy, "advise");
  cr_expect_str_eq(info.reason, "the system does not let pages be made present");
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  cr_expect_eq(premap_populate(handle, 0, 0), PREMAP_ENOSYS);
  cr_expect_eq(premap_close(handle), 0);
}

Test(torture, a_slow_chunk_changes_no_way, .description = "the chunks after it are small, but the way is that of the others") {
  path name = make_file("file", 16 * MIB, 1);
  const char *strategy = NULL;
  for (int i = 0; i < 2; i++) {
    atomic_store(&is_slow, i == 1);
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
    options.pause_us = 1; /* so that no second thread helps */
    premap_region region;
    premap_file file = premap_load(name.text, &options, &region);
    cr_assert_gt(file, 0);
    strategy = i == 0 ? info_of(file).strategy : strategy;
    cr_expect_str_eq(info_of(file).strategy, strategy);
    cr_expect(pattern_equals(region.data, region.size, 1, 0));
    cr_expect_eq(premap_close(file), 0);
  }
}

Test(torture, what_is_given_back_meanwhile,
     .description = "a descriptor of this process or of the system, after the open has failed, and before it is seen to wait") {
  const int codes[] = {PREMAP_EMFILE, PREMAP_ENFILE};
  premap_options options = PREMAP_OPTIONS_INIT;
  premap_options slow = slow_options();
  premap_file runs = premap_open(make_file("slow", SLOW_SIZE, 1).text, &slow);
  cr_assert(makes_progress(runs));
  options.flags = PREMAP_KEEP_OPEN;
  for (int i = 0; i < 2; i++) {
    premap_file holds = premap_load(small.text, &options, NULL);
    cr_assert_gt(holds, 0);
    atomic_store(&lacks, codes[i]);
    atomic_store(&given_back_late, holds);
    premap_file file = premap_open(small.text, NULL);
    cr_expect_eq(premap_wait(file, 60000, NULL), 0, "%s", premap_err_name(codes[i]));
    cr_expect_eq(premap_state(holds), PREMAP_EBADF);
    cr_expect_eq(premap_close(file), 0);
  }
  cr_expect_eq(premap_close(runs), 0);
}

Test(torture, what_is_written_to_after_the_open,
     .description = "an empty file that has a size by then is not one that has none") {
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    premap_region region = {NULL, 0};
    atomic_store(&was_empty, true);
    premap_file file = premap_load(small.text, &options, &region);
    cr_assert_gt(file, 0, "%s", premap_err_name((int)file));
    cr_expect_gt(region.size, 0);
    cr_expect_eq(info_of(file).backing, backing);
    cr_expect_eq(premap_close(file), 0);
  }
}

/* ---- What waits to be unmapped */

Test(torture, descriptors_that_wait_to_be_closed_are_had,
     .description = "by a load that finds none, of a file that is left to the pool, which is busy") {
  set_pool_size("1");
  premap_options slow = slow_options();
  premap_file runs = premap_open(make_file("slow", SLOW_SIZE, 1).text, &slow);
  cr_assert(makes_progress(runs));
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_KEEP_OPEN;
  premap_file holds = premap_load(small.text, &options, NULL);
  cr_assert_gt(holds, 0);
  cr_expect_eq(premap_close_async(holds), 0);
  size_t before = descriptors_left();
  atomic_store(&fails_once, PREMAP_EMFILE);
  premap_file file = premap_load(small.text, NULL, NULL);
  cr_expect_gt(file, 0);
  cr_expect_eq(descriptors_left(), before - 1);
  cr_expect_eq(premap_close(file), 0);
  cr_expect_eq(premap_close(runs), 0);
}

/* The pool's thread is amid unmapping while this waits. */
static struct {
  atomic_bool is_held;
  uv_sem_t has_begun, may_end;
} unmapping;

void __real_premap__os_unmap(void *base, size_t size);
void __wrap_premap__os_unmap(void *base, size_t size);
void __wrap_premap__os_unmap(void *base, size_t size) {
  if (atomic_exchange(&unmapping.is_held, false)) {
    uv_sem_post(&unmapping.has_begun);
    uv_sem_wait(&unmapping.may_end);
  }
  __real_premap__os_unmap(base, size);
}

static void load_next(void *file) {
  (void)premap_wait(*(premap_file *)file, -1, NULL);
}

Test(torture, memory_that_is_being_unmapped_is_waited_for, .description = "by a load that would fail without") {
  premap_loader_options limits = PREMAP_LOADER_OPTIONS_INIT;
  limits.memory_max = MIB;
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  cr_assert_eq(premap_loader_create(&options.loader, &limits), 0);
  cr_assert_eq(uv_sem_init(&unmapping.has_begun, 0), 0);
  cr_assert_eq(uv_sem_init(&unmapping.may_end, 0), 0);
  path name = make_file("file", MIB, 1);
  premap_file first = premap_load(name.text, &options, NULL);
  cr_assert_gt(first, 0);
  atomic_store(&unmapping.is_held, true);
  cr_expect_eq(premap_close_async(first), 0);
  uv_sem_wait(&unmapping.has_begun);
  options.backing = PREMAP_BACKING_COPIED;
  premap_file next = premap_create(name.text, &options);
  uv_thread_t thread;
  cr_assert_eq(uv_thread_create(&thread, load_next, &next), 0);
  while (premap_state(next) == PREMAP_PENDING)
    async_yield();
  for (int i = 0; i < 10000; i++) /* it waits by then, mostly */
    async_yield();
  uv_sem_post(&unmapping.may_end);
  uv_thread_join(&thread);
  cr_expect_eq(premap_error(next), 0);
  cr_expect_eq(premap_close(next), 0);
  cr_expect_eq(premap_loader_close(options.loader, 60000), 0);
  uv_sem_destroy(&unmapping.has_begun);
  uv_sem_destroy(&unmapping.may_end);
}

/* ---- Chunks that grow */

static void load_in_large_pages(const char *name, const premap_options *options) {
  large_pages.largest = large_pages.after = 0;
  premap_file file = premap_load(name, options, NULL);
  cr_assert_gt(file, 0);
  cr_expect_eq(premap_close(file), 0);
}

/* What another program interrupts is not quick: so it is tried again. */
static void expect_of_some(const char *name, const premap_options *options, size_t largest, size_t after) {
  large_pages.largest = 0;
  for (int try = 0; try < 1000 && (large_pages.largest != largest || large_pages.after != after); try++)
    load_in_large_pages(name, options);
  cr_expect_eq(large_pages.largest, largest);
  cr_expect_eq(large_pages.after, after);
}

Test(torture, chunks_of_large_pages_grow,
     .description = "to 64 MiB, as they are quick and in memory as a whole, and shrink; not where the caller wants otherwise") {
  path name = path_of("file");
  cr_assert_eq(make_sparse(name.text), 0);
  cr_assert_eq(set_size(name.text, 256 * MIB), 0);
  large_pages.is_there = true;
  large_pages.resident_max = SIZE_MAX;
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  expect_of_some(name.text, &options, 64 * MIB, 0);
  large_pages.slow_ns = 120 * 1000;
  large_pages.slow_size = 16 * MIB;
  expect_of_some(name.text, &options, 16 * MIB, 8 * MIB);
  large_pages.slow_ns = 0;

  for (int i = 0; i < 4; i++) {
    premap_options other = options;
    large_pages.resident_max = i == 0 ? PREMAP_CHUNK_SIZE_DEFAULT : SIZE_MAX;
    other.chunk_size = i == 1 ? PREMAP_CHUNK_SIZE_DEFAULT : 0;
    other.pause_us = i == 2 ? 1 : 0;
    other.flags = i == 3 ? PREMAP_GENTLE : 0;
    load_in_large_pages(name.text, &other);
    cr_expect(large_pages.largest > 0 && large_pages.largest <= PREMAP_CHUNK_SIZE_DEFAULT, "%d: %zu", i, large_pages.largest);
  }
  large_pages.is_there = false;
}

/* ---- A load by two threads */

/* This thread will load, as it waits for ever, and one of the pool assist. */
static void start_pool(void) {
  premap_file first = premap_open(small.text, NULL);
  cr_expect_eq(premap_wait(first, 60000, NULL), 0);
  cr_expect_eq(premap_close(first), 0);
  atomic_store(&assistant.loader, thread_number());
}

static premap_file load_assisted(const char *name, int code) {
  cr_assert_eq(uv_sem_init(&assistant.has_come, 0), 0);
  start_pool();
  assistant.code = code;
  atomic_store(&assistant.is_awaited, true);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_file file = premap_create(name, &options);
  cr_assert_gt(file, 0);
  (void)premap_wait(file, -1, NULL);
  uv_sem_destroy(&assistant.has_come);
  return file;
}

enum { ASSISTED_SIZE = 64 * MIB };

static path make_assisted(void) {
  path name = make_file("assisted", ASSISTED_SIZE, 3);
  if (!has_system_calls() || uv_available_parallelism() < 2 || cached_bytes(name.text) < ASSISTED_SIZE)
    cr_skip_test("SKIPPED: files are loaded by one thread here");
  return name;
}

Test(torture, two_threads_load_one_file, .description = "all of it, with each byte right, and info says so") {
  premap_file file = load_assisted(make_assisted().text, 0);
  premap_region region;
  cr_assert_eq(premap_region_of(file, &region), 0);
  cr_expect_eq(present_bytes(&region, true), ASSISTED_SIZE);
  cr_expect(pattern_equals(region.data, region.size, 3, 0));
  premap_file_info info = info_of(file);
  cr_expect_eq(info.assisted, 1);
  cr_expect_eq(info.present, ASSISTED_SIZE);
  cr_expect_eq(premap_close(file), 0);
}

Test(torture, the_second_thread_s_errors_are_the_file_s, .description = "with their place, and nothing is left over") {
  premap_file file = load_assisted(make_assisted().text, PREMAP_EIO);
  cr_expect_eq(premap_error(file), PREMAP_EIO);
  premap_file_info info = info_of(file);
  cr_expect_eq(info.step, PREMAP_STEP_POPULATE);
  cr_expect(info.error_offset > 0 && info.error_offset < ASSISTED_SIZE);
  cr_expect_eq(premap_close(file), 0);
  cr_expect_eq(premap_shutdown(-1), 0); /* who loaded a file before may still have it */
  premap_loader_metrics metrics = {.size = sizeof metrics};
  cr_expect_eq(premap_metrics(NULL, &metrics), 0);
  cr_expect_eq(metrics.memory + metrics.bytes_in_flight + metrics.maps, 0);
}

/* Where another program keeps the loader from its processor the assistant may get far, so it is tried again. */
Test(torture, a_second_thread_that_gains_nothing_goes, .description = "after some chunks, and the first one does the rest") {
  if (uv_available_parallelism() < 2)
    cr_skip_test("SKIPPED: files are loaded by one thread here");
  enum { CHUNKS = 256 }; /* of 1 MiB */
  path name = path_of("file");
  cr_assert_eq(make_sparse(name.text), 0);
  cr_assert_eq(set_size(name.text, CHUNKS * MIB), 0);
  start_pool();
  large_pages.is_there = true;
  large_pages.resident_max = SIZE_MAX;
  atomic_store(&hindered.is_on, true);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  options.chunk_size = MIB;
  int assisted = 0;
  for (int try = 0; try < 100 && (assisted == 0 || assisted > CHUNKS / 4); try++) {
    atomic_store(&hindered.assisted, 0);
    premap_file file = premap_load(name.text, &options, NULL);
    cr_assert_gt(file, 0);
    assisted = atomic_load(&hindered.assisted);
    cr_expect_eq(info_of(file).assisted, assisted > 0);
    cr_expect_eq(premap_close(file), 0);
  }
  cr_expect(assisted > 0 && assisted <= CHUNKS / 4, "%d of %d chunks", assisted, CHUNKS);
  atomic_store(&hindered.is_on, false);
  large_pages.is_there = false;
}

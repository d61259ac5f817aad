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

static bool is_armed;
static long calls;   /* fallible calls so far */
static long fail_at; /* the call that fails, from 1; 0: none */
static bool refuses_to_populate;

static bool fails_now(void) {
  return is_armed && ++calls == fail_at;
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

WRAP(open, (const premap__os_how *how, premap__os_file *file, premap__os_identity *identity), (how, file, identity))
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
WRAP(resident, (premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes),
     (file, offset, size, mapped, bytes))

premap__status __real_premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way);
premap__status __wrap_premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way);
premap__status __wrap_premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way) {
  *done = 0;
  *way = PREMAP__WAY_KERNEL_COPY;
  if (refuses_to_populate)
    return (premap__status){PREMAP_ENOSYS, 0};
  if (!fails_now())
    return __real_premap__os_populate(address, size, done, way);
  return failed();
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
    is_armed = true;
    load_once(what, descriptor);
    is_armed = false;
    cr_assert_eq(open_descriptors(), descriptors, "%s: call %ld leaked a descriptor", what->name, fail_at);
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

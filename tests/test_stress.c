/* SPDX-License-Identifier: MIT
 *
 * test_stress.c - many threads, many files, every call, in no order. PREMAP_STRESS_SECONDS says how long (default 2),
 * PREMAP_STRESS_SEED repeats a run's choices.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

TestSuite(stress, .init = support_begin, .fini = support_end);

enum { THREADS = 16, HANDLES = 48, NAMES = 8, STEPS_MIN = 50 /* of each thread, however late it begins */ };

static uint64_t number_from_environment(const char *name, uint64_t otherwise) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? strtoull(value, NULL, 10) : otherwise;
}

/* What all threads work on. Handles pass from thread to thread: who takes one out of the array has one reference of it. */
typedef struct playground {
  path names[NAMES]; /* the last two do not load */
  size_t sizes[NAMES];
  _Atomic premap_file handles[HANDLES];
  uint64_t seed, end_ns;
  _Atomic uint64_t steps, loads;
  _Atomic int wrong_line; /* of this file, where something happened that may not */
  _Atomic int wrong_result;
} playground;

static void must(playground *all, bool well, int line, int result) {
  if (well)
    return;
  all->wrong_line = line;
  all->wrong_result = result;
}
#define MUST(condition, result) must(all, condition, __LINE__, result)

static uint32_t draw(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*state >> 33);
}

static bool is_usual(int result) {
  return result == 0 || result == PREMAP_ECANCELED || result == PREMAP_ENOENT || result == PREMAP_EISDIR ||
         result == PREMAP_EAGAIN;
}

static void expect_content(playground *all, premap_file file, const premap_region *region) {
  premap_file_info info = PREMAP_FILE_INFO_INIT;
  MUST(premap_info(file, &info) == 0, 0);
  for (uint32_t i = 0; i < NAMES - 2; i++)
    if (info.file_size == all->sizes[i]) {
      MUST(region->size == all->sizes[i] - info.offset, 0);
      MUST(pattern_equals(region->data, region->size, i, info.offset), 0);
      all->loads++;
      return;
    }
  MUST(false, 0);
}

static premap_file open_some(playground *all, uint64_t *state) {
  uint32_t index = draw(state) % NAMES;
  premap_options options = options_with((premap_prefault)(draw(state) % 3), (premap_backing)(draw(state) % 3),
                                        draw(state) % 2 == 0 ? PREMAP_READ_ONLY : PREMAP_COPY_ON_WRITE);
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  options.pause_us = draw(state) % 4 == 0 ? 50 : 0;
  options.flags = draw(state) % 8 == 0 ? PREMAP_KEEP_OPEN : 0;
  options.offset = draw(state) % 4 == 0 && index < NAMES - 2 ? draw(state) % all->sizes[index] : 0;
  premap_file file = draw(state) % 2 == 0 ? premap_create(all->names[index].text, &options)
                                          : premap_open(all->names[index].text, &options);
  MUST(file > 0 || file == PREMAP_EAGAIN, (int)file);
  return file;
}

/* One call on a file this thread has a reference of. */
static void use(playground *all, premap_file file, uint64_t *state) {
  premap_region region;
  uint64_t done, total;
  int result = 0;
  switch (draw(state) % 12) {
  case 0:
    result = premap_start(file);
    break;
  case 1:
    result = premap_cancel(file);
    break;
  case 2:
    result = premap_wait(file, 0, NULL);
    break;
  case 3:
    result = premap_wait(file, 1, NULL);
    break;
  case 4:
    result = premap_wait_any(&file, 1, 1, NULL);
    break;
  case 5:
    result = premap_wait_all(&file, 1, 1);
    break;
  case 6:
    result = premap_progress(file, &done, &total);
    break;
  case 7:
    result = premap_check(file);
    break;
  case 8:
    result = premap_populate(file, 0, 0);
    break;
  case 9:
    result = premap_error_message(file, NULL, 0) >= 0 ? 0 : PREMAP_EBADF;
    break;
  default:
    result = premap_wait(file, -1, &region);
    if (result == 0)
      expect_content(all, file, &region);
    break;
  }
  MUST(is_usual(result) || result == PREMAP_ETIMEDOUT, result);
}

/* What anybody may do with a number that may be a handle of another thread, closed or not. */
static void peek(playground *all, premap_file file, uint64_t *state) {
  int result = 0;
  switch (draw(state) % 5) {
  case 0:
    result = premap_state(file);
    break;
  case 1:
    result = premap_is_ready(file) + premap_is_failed(file);
    break;
  case 2:
    result = premap_cancel(file);
    break;
  case 3:
    result = premap_wait(file, 0, NULL);
    break;
  default:
    result = premap_retain(file);
    if (result == 0) {
      use(all, file, state);
      result = premap_close(file);
      MUST(result == 0, result);
    }
    break;
  }
  MUST(result >= 0 || is_usual(result) || result == PREMAP_EBADF || result == PREMAP_ETIMEDOUT, result);
}

static void play(void *shared, unsigned index) {
  playground *all = shared;
  uint64_t state = all->seed + index * UINT64_C(0x9E3779B97F4A7C15), steps = 0;
  while (uv_hrtime() < all->end_ns || steps < STEPS_MIN) {
    uint32_t place = draw(&state) % HANDLES;
    if (draw(&state) % 2 == 0) {
      peek(all, atomic_load(&all->handles[place]), &state);
    } else {
      premap_file file = open_some(all, &state);
      for (uint32_t uses = draw(&state) % 4; file > 0 && uses > 0; uses--)
        use(all, file, &state);
      file = atomic_exchange(&all->handles[place], file);
      if (file > 0)
        MUST(premap_close(file) == 0, 0);
    }
    steps++;
  }
  all->steps += steps;
}

static void prepare(playground *all) {
  static const size_t sizes[NAMES] = {100, 4096, 70000, 256 * KIB + 1, MIB + 3, 3 * MIB, 0, 0};
  for (uint32_t i = 0; i < NAMES; i++) {
    char name[16];
    snprintf(name, sizeof name, "file-%u", i);
    all->sizes[i] = sizes[i];
    all->names[i] = i < NAMES - 2 ? make_file(name, sizes[i], i) : i == NAMES - 2 ? path_of("missing") : path_of("");
  }
  all->seed = number_from_environment("PREMAP_STRESS_SEED", uv_hrtime() % 1000000);
  uint64_t seconds = number_from_environment("PREMAP_STRESS_SECONDS", 2);
  all->end_ns = uv_hrtime() + seconds * 1000 * 1000 * 1000;
  cr_log_info("PREMAP_STRESS_SEED=%llu", (unsigned long long)all->seed);
}

static void finish(playground *all) {
  for (size_t i = 0; i < HANDLES; i++) {
    premap_file file = atomic_load(&all->handles[i]);
    if (file > 0)
      cr_expect_eq(premap_close(file), 0);
  }
  cr_expect_eq(all->wrong_line, 0, "line %d: %s; PREMAP_STRESS_SEED=%llu", all->wrong_line, premap_err_name(all->wrong_result),
               (unsigned long long)all->seed);
  cr_expect_gt(all->loads, 0);
  cr_log_info("%llu steps, %llu loads compared", (unsigned long long)all->steps, (unsigned long long)all->loads);
}

Test(stress, threads_share_handles,
     .description = "16 threads open, wait, cancel, retain and close the same and different files: only documented results, "
                    "every byte right") {
  static playground all;
  prepare(&all);
  run_threads(THREADS, play, &all);
  finish(&all);
}

static void play_or_shut_down(void *shared, unsigned index) {
  playground *all = shared;
  if (index > 0) {
    play(shared, index);
    return;
  }
  while (uv_hrtime() < all->end_ns) {
    int result = premap_shutdown(-1);
    MUST(result == 0, result);
    for (int i = 0; i < 1000; i++)
      async_yield();
  }
}

Test(stress, shutdowns_in_between, .description = "the same while one thread shuts the library down again and again") {
  static playground all;
  prepare(&all);
  run_threads(THREADS, play_or_shut_down, &all);
  finish(&all);
}

/* ---- Many files */

enum { FILES = 2000, LOADERS = 8 };

typedef struct library {
  _Atomic unsigned next, wrong;
} library;

static void name_of(char *name, size_t capacity, unsigned index) {
  snprintf(name, capacity, "%u/%u", index % 10, index);
}

static size_t size_of(unsigned index) {
  return index * 7919 % (64 * KIB);
}

static void load_next(void *shared, unsigned index) {
  (void)index;
  library *all = shared;
  for (unsigned i; (i = all->next++) < FILES;) {
    char name[32];
    name_of(name, sizeof name, i);
    path file = path_of(name);
    premap_region region;
    premap_file handle = i % 2 == 0 ? premap_load(file.text, NULL, &region) : premap_open(file.text, NULL);
    bool well = handle > 0 && premap_wait(handle, i % 3 == 0 ? INT64_MAX : -1, &region) == 0;
    well = well && region.size == size_of(i) && pattern_equals(region.data, region.size, i, 0);
    all->wrong += !well || premap_close(handle) != 0;
  }
}

Test(stress, two_thousand_small_files, .description = "loaded by 8 threads: every byte equal; descriptors as before") {
  for (unsigned i = 0; i < 10; i++)
    cr_assert_eq(make_directory(path_of((const char[]){(char)('0' + i), '\0'}).text), 0);
  for (unsigned i = 0; i < FILES; i++) {
    char name[32];
    name_of(name, sizeof name, i);
    make_file(name, size_of(i), i);
  }
  size_t descriptors = 0;
  for (int round = 0; round < 2; round++) {
    library all = {0, 0};
    run_threads(LOADERS, load_next, &all);
    cr_expect_eq(all.wrong, 0);
    if (round == 0)
      descriptors = open_descriptors();
  }
  cr_expect_leq(open_descriptors(), descriptors + lazy_descriptors);
}

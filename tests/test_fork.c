/* SPDX-License-Identifier: MIT
 *
 * test_fork.c - what the child of a fork has of files, loads, groups and queues, and that both processes go on.
 */
#include "support.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin(void) {
  support_begin();
  if (has_thread_sanitizer())
    cr_skip_test("SKIPPED: a forked child cannot make threads under ThreadSanitizer");
  if (has_valgrind())
    cr_skip_test("SKIPPED: valgrind reports in the child what the parent's threads have");
}

TestSuite(fork, .init = begin, .fini = support_end, .timeout = SECONDS(120));

static const int64_t minute_ms = 60000;

/* A child reports the number of the first thing that was wrong. */
#define CHECK(number, condition)                                                                                               \
  do {                                                                                                                         \
    if (!(condition))                                                                                                          \
      return number;                                                                                                           \
  } while (0)

static void expect_well(pid_t child) {
  int status = -1;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
}

static premap_file open_slow(premap_queue *queue) {
  premap_options slow = slow_options();
  slow.queue = queue;
  premap_file file = premap_open(make_file("slow", SLOW_SIZE, 1).text, &slow);
  cr_assert(reaches_state(file, PREMAP_LOADING));
  return file;
}

static bool loads(const char *name) {
  premap_region region;
  premap_file file = premap_open(name, NULL);
  return premap_wait(file, minute_ms, &region) == 0 && pattern_equals(region.data, region.size, 1, 0) &&
         premap_close(file) == 0;
}

/* ---- Files */

static int look_at(premap_file ready, premap_file loading, premap_file queued, premap_file created, const char *name) {
  premap_region region;
  char message[256];
  CHECK(1, premap_region_of(ready, &region) == 0 && pattern_equals(region.data, region.size, 1, 0));
  CHECK(2, premap_error(loading) == PREMAP_ECANCELED && premap_error(queued) == PREMAP_ECANCELED);
  CHECK(3, premap_wait(loading, minute_ms, NULL) == PREMAP_ECANCELED);
  CHECK(4, premap_error_message(queued, message, sizeof message) > 0 && strstr(message, "ECANCELED") != NULL);
  CHECK(5, premap_wait(created, minute_ms, NULL) == 0);
  CHECK(6, loads(name));
  CHECK(7, premap_close(ready) == 0 && premap_close(loading) == 0 && premap_close(queued) == 0 && premap_close(created) == 0);
  CHECK(8, premap_shutdown(minute_ms) == 0 && loads(name) && premap_shutdown(minute_ms) == 0);
  return 0;
}

Test(fork, files_in_the_child,
     .description = "READY ones are readable, unfinished ones FAILED, and the child's own loads work") {
  set_pool_size("1");
  path name = make_file("file", MIB, 1);
  premap_file ready = premap_load(name.text, NULL, NULL);
  premap_file loading = open_slow(NULL);
  premap_file queued = premap_open(name.text, NULL);
  premap_file created = premap_create(name.text, NULL);
  pid_t child = fork();
  if (child == 0)
    _exit(look_at(ready, loading, queued, created, name.text));
  expect_well(child);
  cr_expect_eq(premap_state(loading), PREMAP_LOADING, "the parent's load goes on");
  cr_expect_eq(premap_close(loading), 0);
  cr_expect_eq(premap_wait(queued, minute_ms, NULL), 0);
  cr_expect_eq(premap_close(queued), 0);
  cr_expect_eq(premap_close(created), 0);
  cr_expect_eq(premap_close(ready), 0);
}

Test(fork, the_child_may_exit,
     .description = "by exit, whether it loaded anything or not, although libuv joins its threads then") {
  if (has_address_sanitizer())
    cr_skip_test("SKIPPED: LeakSanitizer reports in the child what the parent's threads have");
  path name = make_file("file", MIB, 1);
  cr_expect(loads(name.text));
  for (int also_loads = 0; also_loads <= 1; also_loads++) {
    pid_t child = fork();
    if (child == 0)
      exit(also_loads && !loads(name.text));
    expect_well(child);
  }
  cr_assert_eq(premap_shutdown(minute_ms), 0);
  pid_t child = fork();
  if (child == 0)
    exit(0);
  expect_well(child);
}

/* ---- Groups and queues */

static int look_at_group(premap_group *group) {
  premap_completion ended;
  CHECK(1, premap_group_wait(group, minute_ms) == PREMAP_ECANCELED);
  CHECK(2, premap_group_next(group, 0, &ended) == 0 && ended.result == 0);
  CHECK(3, premap_group_next(group, 0, &ended) == 0 && ended.result == PREMAP_ECANCELED);
  CHECK(4, premap_group_next(group, 0, &ended) == PREMAP_EOF);
  premap_group_close(group);
  return 0;
}

Test(fork, groups_in_the_child, .description = "have ended: with what was READY, and ECANCELED for the rest") {
  premap_options slow = slow_options();
  premap_group *group;
  cr_assert_eq(premap_group_create(&group, &slow), 0);
  premap_group_add(group, make_text("small", "x").text);
  cr_assert_eq(premap_group_wait(group, minute_ms), 0);
  cr_assert(reaches_state(premap_group_add(group, make_file("slow", SLOW_SIZE, 1).text), PREMAP_LOADING));
  pid_t child = fork();
  if (child == 0)
    _exit(look_at_group(group));
  expect_well(child);
  cr_expect_eq(premap_group_wait(group, 0), PREMAP_ETIMEDOUT, "the parent's goes on");
  premap_group_close(group);
}

static bool is_readable(premap_queue *queue) {
  struct pollfd of = {.fd = (int)premap_queue_fd(queue), .events = POLLIN};
  return poll(&of, 1, 0) == 1;
}

static int look_at_queue(premap_queue *queue) {
  premap_completion ended[3];
  CHECK(1, is_readable(queue));
  CHECK(2, premap_queue_poll(queue, ended, 3, 0) == 2);
  CHECK(3, ended[0].result == 0 && ended[1].result == PREMAP_ECANCELED);
  CHECK(4, !is_readable(queue));
  premap_queue_close(queue);
  return 0;
}

Test(fork, queues_in_the_child, .description = "have their own entries and their own event, by the same descriptor") {
  premap_queue *queue;
  cr_assert_eq(premap_queue_create(&queue), 0);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.queue = queue;
  premap_file ready = premap_open(make_text("small", "x").text, &options);
  cr_assert_eq(premap_wait(ready, minute_ms, NULL), 0);
  premap_file slow = open_slow(queue);
  pid_t child = fork();
  if (child == 0)
    _exit(look_at_queue(queue));
  expect_well(child);
  cr_expect(is_readable(queue), "the child's polling took nothing here");
  premap_completion ended;
  cr_expect_eq(premap_queue_poll(queue, &ended, 1, 0), 1);
  cr_expect_eq(ended.file, ready);
  cr_expect_not(is_readable(queue));
  cr_expect_eq(premap_close(slow), 0);
  cr_expect_eq(premap_close(ready), 0);
  premap_queue_close(queue);
}

/* ---- At any moment */

typedef struct crowd {
  path file;
  atomic_bool is_over;
  atomic_int wrong;
} crowd;

static void fork_often(crowd *of) {
  for (int i = 0; i < 50; i++) {
    pid_t child = fork();
    if (child == 0)
      _exit(loads(of->file.text) ? 0 : 1);
    int status = -1;
    if (waitpid(child, &status, 0) != child || status != 0)
      atomic_fetch_add(&of->wrong, 1);
  }
  atomic_store(&of->is_over, true);
}

static void be_busy(void *shared, unsigned index) {
  crowd *of = shared;
  if (index == 0) {
    fork_often(of);
    return;
  }
  while (!atomic_load(&of->is_over)) {
    premap_file file = premap_open(of->file.text, NULL);
    if (index % 2 == 0 && premap_wait(file, -1, NULL) != 0)
      atomic_fetch_add(&of->wrong, 1);
    premap_close(file);
  }
}

Test(fork, while_others_are_busy,
     .description = "no lock is left locked in the child, whatever other threads did at that moment") {
  if (has_address_sanitizer())
    cr_skip_test("SKIPPED: AddressSanitizer's allocator may stay locked in the child");
  static crowd of;
  of.file = make_file("file", 300 * KIB, 1);
  cr_assert(loads(of.file.text));
  run_threads(4, be_busy, &of);
  cr_expect_eq(of.wrong, 0);
}

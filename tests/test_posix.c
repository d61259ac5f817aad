/* SPDX-License-Identifier: MIT
 *
 * test_posix.c - what only POSIX systems have: special files, limits of a process, and signals.
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(posix, .init = support_begin, .fini = support_end, .timeout = SECONDS(120));

/* ---- What is no regular file: refused at open, and none of it hangs */

Test(posix, fifos, .description = "EFTYPE, also read-write, without waiting for a peer") {
  path name = path_of("fifo");
  cr_assert_eq(mkfifo(name.text, 0644), 0);
  expect_failure(name.text, NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  premap_options writing = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_AUTO, PREMAP_READ_WRITE);
  expect_failure(name.text, &writing, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
}

Test(posix, sockets, .description = "EFTYPE for one with a name") {
  path name = path_of("socket");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int own = socket(AF_UNIX, SOCK_STREAM, 0);
  cr_assert_lt(strlen(name.text), sizeof address.sun_path);
  memcpy(address.sun_path, name.text, strlen(name.text) + 1);
  cr_assert_eq(bind(own, (const struct sockaddr *)&address, sizeof address), 0);
  expect_failure(name.text, NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  close(own);
}

Test(posix, character_devices, .description = "EFTYPE, and none of them is opened") {
  expect_failure("/dev/null", NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  expect_failure("/dev/zero", NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
  expect_failure("/dev/tty", NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
}

Test(posix, block_devices, .description = "a block device is no regular file, although it could be mapped") {
  static const char *const names[] = {"/dev/loop0", "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/disk0"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    struct stat status;
    if (stat(names[i], &status) == 0 && S_ISBLK(status.st_mode)) {
      expect_failure(names[i], NULL, PREMAP_EFTYPE, PREMAP_STEP_OPEN);
      return;
    }
  }
  cr_skip_test("SKIPPED: no block device");
}

/* ---- Descriptors */

Test(posix, numbers_beyond_int_are_no_descriptors,
     .description = "one that would become a valid descriptor when cut off: EBADF") {
  uv_file own = open_own(make_text("file", "hello").text, UV_FS_O_RDONLY);
  if (sizeof(intptr_t) > sizeof(int))
    cr_expect_eq(premap_open_fd((intptr_t)((UINT64_C(1) << 32) + (unsigned)own), NULL), PREMAP_EBADF);
  cr_expect_eq(premap_open_fd(INT_MAX, NULL), PREMAP_EBADF);
  close_own(own);
}

/* Lets this process open so many more descriptors; returns the limit before. */
static struct rlimit limit_descriptors(unsigned more) {
  struct rlimit before, limit;
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
  int taken[16], lowest;
  for (unsigned i = 0; i < more; i++)
    taken[i] = dup(0);
  lowest = dup(0);
  close(lowest);
  for (unsigned i = 0; i < more; i++)
    close(taken[i]);
  limit = (struct rlimit){(rlim_t)lowest, before.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
  return before;
}

Test(posix, too_many_open_files,
     .description = "EMFILE of the load at open, and of open_fd and BENEATH in the call; the next load works again") {
  path file = make_text("file", "hello");
  premap_file started = premap_open(file.text, NULL);
  cr_assert_eq(premap_wait(started, -1, NULL), 0);
  uv_file top = open_own(path_of("").text, UV_FS_O_RDONLY), own = open_own(file.text, UV_FS_O_RDONLY);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.flags = PREMAP_BENEATH;
  options.beneath = top;
  struct rlimit before = limit_descriptors(0);
  expect_failure(file.text, NULL, PREMAP_EMFILE, PREMAP_STEP_OPEN);
  cr_expect_eq(premap_open_fd(own, NULL), PREMAP_EMFILE);
  cr_expect_eq(premap_create("file", &options), PREMAP_EMFILE);
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
  close_own(own);
  close_own(top);
  premap_file handle = premap_load(file.text, NULL, NULL);
  cr_expect_gt(handle, 0);
  cr_expect_eq(premap_close(handle), 0);
  cr_expect_eq(premap_close(started), 0);
}

Test(
    posix, descriptors_come_back,
    .description = "where too few are left for all loads at once, those that find none wait for another's, and all are READY") {
  enum { FILES = 40 };
  if (!has_system_calls())
    cr_skip_test("SKIPPED: without the system's own calls each load takes two descriptors more, for a pipe");
  set_pool_size("4");
  premap_file warm = premap_open(make_text("warm", "x").text, NULL);
  cr_assert_eq(premap_wait(warm, 60000, NULL), 0);
  path file = make_file("file", 2 * MIB, 1);
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  options.pause_us = 1000;
  struct rlimit before = limit_descriptors(1);
  premap_file files[FILES];
  for (int i = 0; i < FILES; i++)
    cr_expect_gt(files[i] = premap_open(file.text, &options), 0);
  cr_expect_eq(premap_wait_all(files, FILES, 60000), 0);
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
  for (int i = 0; i < FILES; i++)
    cr_expect_eq(premap_close(files[i]), 0);
  cr_expect_eq(premap_close(warm), 0);
}

/* In a process that never used the library: 0 when the load was refused for want of descriptors or worked, and the next one
 * worked. */
static int start_with_descriptors(const char *name, unsigned more) {
  struct rlimit before = limit_descriptors(more);
  premap_file handle = premap_open(name, NULL);
  int result = handle > 0 ? premap_wait(handle, -1, NULL) : (int)handle;
  if (result != 0 && result != PREMAP_EMFILE)
    return 1;
  if (handle > 0 && premap_close(handle) != 0)
    return 2;
  if (setrlimit(RLIMIT_NOFILE, &before) != 0)
    return 3;
  handle = premap_open(name, NULL);
  return handle > 0 && premap_wait(handle, -1, NULL) == 0 && premap_close(handle) == 0 ? 0 : 4;
}

static void expect_well(pid_t child, unsigned number) {
  int status = -1;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%u: status %#x", number, (unsigned)status);
}

Test(posix, too_few_descriptors_to_start,
     .description = "with 0 to 12 descriptors left the first load ever works or is EMFILE, and nothing aborts") {
  if (has_thread_sanitizer())
    cr_skip_test("SKIPPED: a forked child cannot make threads under ThreadSanitizer");
  path file = make_text("file", "hello");
  for (unsigned more = 0; more <= 12; more++) {
    pid_t child = fork();
    if (child == 0)
      _exit(start_with_descriptors(file.text, more));
    expect_well(child, more);
  }
}

/* ---- Signals */

static pthread_t own_thread;
static volatile sig_atomic_t handled_here, handled_elsewhere;

static void note_thread(int number) {
  (void)number;
  if (pthread_equal(pthread_self(), own_thread))
    handled_here = 1;
  else
    handled_elsewhere = 1;
}

Test(posix, signals_stay_the_host_s, .description = "with the signal blocked here, no thread of the library's takes it") {
  premap_options slow = slow_options();
  premap_file file = premap_open(make_file("slow", SLOW_SIZE, 1).text, &slow);
  cr_assert(reaches_state(file, PREMAP_LOADING));
  own_thread = pthread_self();
  struct sigaction action = {.sa_handler = note_thread};
  cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, NULL);
  kill(getpid(), SIGUSR1);
  /* The shutdown makes the library's threads run, so that one of them would have come by it. */
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(handled_here + handled_elsewhere, 0);
  pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
  cr_expect_eq(handled_here, 1);
  cr_expect_eq(handled_elsewhere, 0);
  cr_expect_eq(premap_close(file), 0);
}

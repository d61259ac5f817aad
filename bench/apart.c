/* SPDX-License-Identifier: MIT
 *
 * apart.c - measurements and commands in processes of their own.
 */
#include "apart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int write_all(int descriptor, const void *data, size_t size) {
  const char *next = data;
  while (size > 0) {
    ssize_t written = write(descriptor, next, size);
    if (written < 0)
      return -errno;
    next += written;
    size -= (size_t)written;
  }
  return 0;
}

static int read_all(int descriptor, void *data, size_t size) {
  char *next = data;
  while (size > 0) {
    ssize_t got = read(descriptor, next, size);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return got < 0 ? -errno : -EPIPE;
    next += got;
    size -= (size_t)got;
  }
  return 0;
}

static int wait_for(pid_t child, int *status) {
  while (waitpid(child, status, 0) < 0) {
    if (errno != EINTR)
      return -errno;
  }
  return 0;
}

int bench_apart(int (*run)(void *context, void *answer), void *context, void *answer, size_t size, unsigned limit_s) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return -errno;
  fflush(NULL); /* else the child would print what waits here, too */
  pid_t child = fork();
  if (child == 0) {
    alarm(limit_s);
    int result = run(context, answer);
    bool told = write_all(ends[1], &result, sizeof result) == 0 && write_all(ends[1], answer, size) == 0;
    fflush(NULL);
    _exit(told ? 0 : 1);
  }
  int error = child < 0 ? -errno : 0;
  close(ends[1]);
  int result = 0;
  if (error == 0)
    error = read_all(ends[0], &result, sizeof result);
  if (error == 0)
    error = read_all(ends[0], answer, size);
  close(ends[0]);
  if (child < 0)
    return error;
  int status = 0;
  int waited = wait_for(child, &status);
  if (waited == 0 && WIFSIGNALED(status)) {
    fprintf(stderr, "a measurement was ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return -EINTR;
  }
  if (waited != 0 || error != 0)
    return waited != 0 ? waited : error;
  return result;
}

int bench_command(const char *const *arguments) {
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0)
    return -error;
  error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  /* posix_spawn does not change its arguments; their type has no const for older programs' sake. */
  if (error == 0)
    error = posix_spawnp(&child, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return -error;
  int status = 0;
  int waited = wait_for(child, &status);
  if (waited != 0)
    return waited;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

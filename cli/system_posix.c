/* SPDX-License-Identifier: MIT
 *
 * system_posix.c - system.h on POSIX systems.
 */
#define _DEFAULT_SOURCE
#define _FILE_OFFSET_BITS 64

#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <premap/premap.h>

/* Bytes of one write: some systems refuse 2 GiB and more. */
#define WRITE_MAX ((size_t)1 << 30)

/* Not sig_atomic_t, which is for one thread: the handler may run on any. Lock-free atomics may be used in handlers. */
static atomic_int caught;
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler stores into an atomic int");
/* For the same reason setting it wakes nobody: a byte in this pipe does. */
static int wake_up[2] = {-1, -1};

void system_prepare(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  /* Were one of these closed, the next file opened would take its number and get what is written there. */
  for (int standard = 0; standard <= 2; standard++)
    if (fcntl(standard, F_GETFD) == -1 && open("/dev/null", standard == 2 ? O_WRONLY : O_RDONLY) == -1)
      exit(EXIT_FAILURE);
}

_Noreturn void system_end_at_once(int status) {
  _Exit(status);
}

uint64_t system_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

unsigned system_processors(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (unsigned)count : 1;
}

size_t system_page_size(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

uint64_t system_page_faults(void) {
  /* Of one thread they can be had only on Linux; the others sleep when this is asked. */
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

void system_set_workers(unsigned workers, bool keep) {
  char number[16];
  snprintf(number, sizeof number, "%u", workers);
  /* Without memory for it libuv's default stays, which is no reason to fail. */
  (void)setenv("UV_THREADPOOL_SIZE", number, !keep);
}

bool system_reaches_cache(void) {
  return true;
}

bool system_is_directory(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

uint64_t system_file_size(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
}

static int not_dots(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static char *join(const char *directory, const char *name) {
  size_t length = strlen(directory);
  size_t size = length + strlen(name) + 2;
  char *path = malloc(size);
  if (path != NULL)
    snprintf(path, size, "%s%s%s", directory, length > 0 && directory[length - 1] == '/' ? "" : "/", name);
  return path;
}

static bool walk_entry(const char *directory, const struct dirent *entry, system_visit *visit, void *context) {
  char *path = join(directory, entry->d_name);
  if (path == NULL)
    return visit(context, directory, PREMAP_ENOMEM);

  bool file = entry->d_type == DT_REG;
  bool subdirectory = entry->d_type == DT_DIR;
  struct stat status;
  if (entry->d_type == DT_UNKNOWN && lstat(path, &status) == 0) {
    file = S_ISREG(status.st_mode);
    subdirectory = S_ISDIR(status.st_mode);
  }
  bool go_on = true;
  if (file)
    go_on = visit(context, path, SYSTEM_REGULAR);
  else if (subdirectory)
    go_on = system_walk(path, visit, context);
  free(path);
  return go_on;
}

bool system_walk(const char *directory, system_visit *visit, void *context) {
  /* scandir closes the directory before it returns, so depth costs no descriptors. The length of a path bounds the depth. */
  struct dirent **entries;
  int count = scandir(directory, &entries, not_dots, alphasort);
  if (count < 0)
    return visit(context, directory, -errno);
  bool go_on = true;
  for (int i = 0; i < count; i++) {
    if (go_on)
      go_on = walk_entry(directory, entries[i], visit, context);
    free(entries[i]);
  }
  free(entries);
  return go_on;
}

intptr_t system_standard_input(void) {
  return STDIN_FILENO;
}

int system_input_open(const char *path, intptr_t *input) {
  *input = path == NULL ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  return *input == -1 ? -errno : 0;
}

int64_t system_input_read(intptr_t input, void *buffer, size_t size, int timeout_ms) {
  struct pollfd waits[2] = {{.fd = (int)input, .events = POLLIN}, {.fd = wake_up[0], .events = POLLIN}};
  int ready = poll(waits, 2, timeout_ms);
  if (ready == -1 && errno != EINTR)
    return -errno;
  if (ready <= 0 || waits[0].revents == 0)
    return PREMAP_ETIMEDOUT;
  ssize_t got = read((int)input, buffer, size);
  if (got == -1)
    return errno == EINTR || errno == EAGAIN ? PREMAP_ETIMEDOUT : -errno;
  return got;
}

void system_input_close(intptr_t input) {
  if (input != STDIN_FILENO)
    close((int)input);
}

size_t system_line_length(const char *line, size_t length) {
  (void)line;
  return length;
}

void system_print(FILE *stream, const char *text) {
  fputs(text, stream);
}

system_output_end system_output(const void *data, size_t size) {
  const char *from = data;
  while (size > 0) {
    ssize_t written = write(STDOUT_FILENO, from, size < WRITE_MAX ? size : WRITE_MAX);
    if (written == -1 && errno == EINTR)
      continue;
    if (written == -1)
      return errno == EFAULT ? SYSTEM_UNREADABLE : SYSTEM_UNWRITABLE;
    from += written;
    size -= (size_t)written;
  }
  return SYSTEM_WRITTEN;
}

static void on_signal(int number) {
  int kept = errno;
  caught = number;
  /* A full pipe wakes as well. */
  if (write(wake_up[1], "", 1) == -1)
    errno = kept;
  errno = kept;
}

void system_catch_signals(void) {
  if (pipe(wake_up) == 0) {
    for (int end = 0; end < 2; end++) {
      fcntl(wake_up[end], F_SETFD, FD_CLOEXEC);
      fcntl(wake_up[end], F_SETFL, O_NONBLOCK);
    }
  }
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = (int)SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  /* A shell starts background commands with SIGINT ignored; --hold is meant to be ended by it all the same. */
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  /* Ignored by nohup, and then it should stay so. */
  struct sigaction old;
  if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &action, NULL);
}

int system_signal(void) {
  return caught;
}

void system_wait_for_signal(void) {
  struct pollfd wait = {.fd = wake_up[0], .events = POLLIN};
  while (caught == 0)
    poll(&wait, 1, -1);
}

bool system_is_terminal(FILE *stream) {
  const char *kind = getenv("TERM");
  return isatty(fileno(stream)) && kind != NULL && *kind != '\0' && strcmp(kind, "dumb") != 0;
}

unsigned system_terminal_columns(FILE *stream) {
  struct winsize window;
  return ioctl(fileno(stream), TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
}

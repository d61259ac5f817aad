/* SPDX-License-Identifier: MIT
 *
 * file.c - open, duplicate, identify, read, close.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "posix.h"

/* Some systems refuse a read of more than INT_MAX bytes. */
#define READ_MAX ((size_t)1 << 30)
/* A minute: Linux breaks a lease by force after 45 s, its default. */
enum { LEASE_PAUSE_US = 10000, LEASE_TRIES = 6000 };

premap__status premap__posix_check_type(const struct stat *found) {
  if (S_ISREG(found->st_mode))
    return premap__posix_well;
  if (S_ISDIR(found->st_mode))
    return premap__os_error(EISDIR);
  if (S_ISLNK(found->st_mode))
    return premap__os_error(ELOOP);
  return (premap__status){PREMAP_EFTYPE, 0};
}

premap__status premap__posix_openat(int directory, const char *path, int flags, int *file) {
  int tries = 0;
  for (;;) {
    /* ThreadSanitizer follows the descriptors of open, but not those of openat: it would take a number that is used again for
     * shared. */
    *file = directory == AT_FDCWD ? open(path, flags) : openat(directory, path, flags);
    if (*file >= 0)
      return premap__posix_well;
    /* Another program's lease on the file has to be broken first, which O_NONBLOCK does not wait for. */
    bool is_leased = errno == EWOULDBLOCK && ++tries < LEASE_TRIES;
    if (is_leased)
      premap__os_pause_us(LEASE_PAUSE_US);
    else if (errno != EINTR)
      return premap__os_error(errno);
  }
}

/* Opening alone rewinds a tape or wakes a FIFO's writer, so the type is looked at first, although that is a quarter of the time
 * that a small file takes. */
static premap__status open_carefully(const char *path, int flags, int *file) {
  struct stat found;
  int result = flags & O_NOFOLLOW ? lstat(path, &found) : stat(path, &found);
  if (result != 0)
    return premap__os_error(errno);
  premap__status status = premap__posix_check_type(&found);
  if (status.code != 0)
    return status;
  return premap__posix_openat(AT_FDCWD, path, flags, file);
}

premap__status premap__os_open(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity) {
  /* By now the path may name something else than when it was looked at: non-blocking, so that not even a FIFO can hold us. */
  int flags = (how->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  if (how->nofollow)
    flags |= O_NOFOLLOW;

  int opened = -1;
  premap__status status;
  if (how->beneath != PREMAP__NO_FILE)
    status = premap__posix_open_beneath((int)how->beneath, how->path, flags, &opened);
  else if (how->is_known_regular)
    status = premap__posix_openat(AT_FDCWD, how->path, flags, &opened);
  else
    status = open_carefully(how->path, flags, &opened);
  if (status.code != 0)
    return status;

  status = premap__os_identify(opened, identity);
  if (status.code != 0) {
    premap__os_close(opened);
    return status;
  }
  *file = opened;
  return premap__posix_well;
}

static premap__status duplicate(int descriptor, premap__os_file *file) {
  int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0)
    return premap__os_error(errno);
  *file = copy;
  return premap__posix_well;
}

premap__status premap__os_duplicate(intptr_t descriptor, bool writable, premap__os_file *file) {
  if (descriptor < 0 || descriptor > INT_MAX)
    return premap__os_error(EBADF);
  int original = (int)descriptor;

  int flags = fcntl(original, F_GETFL);
  if (flags < 0)
    return premap__os_error(errno);
  premap__os_identity identity;
  premap__status status = premap__os_identify(original, &identity);
  if (status.code != 0)
    return status;

  int access_mode = flags & O_ACCMODE;
  if (access_mode == O_WRONLY)
    return premap__os_error(EACCES);
  /* Linux's O_PATH descriptors look readable and are not. */
  char none;
  if (pread(original, &none, 0, 0) < 0 && errno == EBADF)
    return premap__os_error(EBADF);
  if (writable && access_mode != O_RDWR)
    return premap__os_error(EACCES);
  return duplicate(original, file);
}

premap__status premap__os_duplicate_directory(intptr_t descriptor, premap__os_file *directory) {
  if (descriptor < 0 || descriptor > INT_MAX)
    return premap__os_error(EBADF);
  struct stat found;
  if (fstat((int)descriptor, &found) != 0)
    return premap__os_error(errno);
  if (!S_ISDIR(found.st_mode))
    return premap__os_error(ENOTDIR);
  return duplicate((int)descriptor, directory);
}

/* Only ever compared, so that a time beyond the range may wrap. */
static int64_t nanoseconds(const struct timespec *time) {
  return (int64_t)((uint64_t)time->tv_sec * 1000000000U + (uint64_t)time->tv_nsec);
}

premap__status premap__os_identify(premap__os_file file, premap__os_identity *identity) {
  struct stat found;
  if (fstat((int)file, &found) != 0)
    return premap__os_error(errno);
  premap__status status = premap__posix_check_type(&found);
  if (status.code != 0)
    return status;

  identity->device = (uint64_t)found.st_dev;
  identity->index = (uint64_t)found.st_ino;
  identity->size = (uint64_t)found.st_size;
  identity->modified_ns = nanoseconds(&found.st_mtim);
  identity->changed_ns = nanoseconds(&found.st_ctim);
  return premap__posix_well;
}

/* What we open does not block, but a duplicate shares its flags with the caller's descriptor: those are not ours to change. */
bool premap__os_would_wait(premap__os_file file) {
  int flags = fcntl((int)file, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) != 0)
    return false;
  struct pollfd readable = {.fd = (int)file, .events = POLLIN};
  return poll(&readable, 1, 0) == 0;
}

premap__status premap__os_read(premap__os_file file, void *buffer, size_t size, uint64_t offset, size_t *got) {
  *got = 0;
  int descriptor = (int)file;
  if (size > READ_MAX)
    size = READ_MAX;
  ssize_t result;
  do {
    result = pread(descriptor, buffer, size, (off_t)offset);
    /* Some files of procfs and tracefs are streams: they have no position that could be moved. */
    if (result < 0 && errno == ESPIPE)
      result = read(descriptor, buffer, size);
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    return premap__os_error(errno);
  *got = (size_t)result;
  return premap__posix_well;
}

void premap__os_close(premap__os_file file) {
  (void)close((int)file); /* not again on EINTR: the number may be another thread's by then */
}

/* SPDX-License-Identifier: MIT
 *
 * beneath_linux.c - opening beneath a directory by openat2, which follows links as long as they stay there.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix.h"

#define TRIES 64

static premap__status resolve(int directory, const char *path, int flags, int *file) {
  struct open_how how = {.flags = (uint64_t)(unsigned)flags, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  long result = -1;
  /* EAGAIN: something was renamed meanwhile and a ".." could not be trusted. Who renames for ever gets the error. */
  for (int i = 0; i < TRIES; i++) {
    result = syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (result >= 0 || (errno != EAGAIN && errno != EINTR))
      break;
  }
  if (result < 0)
    return premap__os_error(errno);
  *file = (int)result;
  return premap__posix_well;
}

/* An O_PATH descriptor can be looked at without opening what it stands for. */
static premap__status look(int directory, const char *path, int nofollow) {
  int place = -1;
  premap__status status = resolve(directory, path, O_PATH | O_CLOEXEC | nofollow, &place);
  if (status.code != 0)
    return status;
  struct stat found;
  status = fstat(place, &found) == 0 ? premap__posix_check_type(&found) : premap__os_error(errno);
  premap__os_close(place);
  return status;
}

premap__status premap__posix_open_beneath(int directory, const char *path, int flags, int *file) {
  static atomic_bool missing; /* relaxed: who misses the news finds out itself */
  if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
    premap__status status = look(directory, path, flags & O_NOFOLLOW);
    if (status.code == 0)
      return resolve(directory, path, flags, file);
    if (status.code != PREMAP_ENOSYS)
      return status;
    atomic_store_explicit(&missing, true, memory_order_relaxed);
  }
  return premap__posix_open_beneath_portable(directory, path, flags, file);
}

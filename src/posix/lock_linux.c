/* SPDX-License-Identifier: MIT
 *
 * lock_linux.c - locking pages as they are, and others when they are touched: plain mlock would copy a copy-on-write file.
 */
#define _GNU_SOURCE 1
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix.h"

premap__status premap__os_lock(void *address, size_t size) {
  if (syscall(SYS_mlock2, address, size, MLOCK_ONFAULT) == 0)
    return premap__posix_well;
  return errno == ENOSYS ? premap__posix_lock_portable(address, size) : premap__os_error(errno);
}

/* SPDX-License-Identifier: MIT
 *
 * copy_linux.c - copying memory that may not be there, by process_vm_readv on oneself.
 */
#define _GNU_SOURCE 1
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix.h"

premap__status premap__os_copy_out(void *buffer, const void *address, size_t size) {
  static atomic_bool missing; /* relaxed: who misses the news finds out itself */
  if (atomic_load_explicit(&missing, memory_order_relaxed))
    return premap__posix_copy_out_portable(buffer, address, size);

  for (size_t copied = 0; copied < size;) {
    struct iovec to = {.iov_base = (char *)buffer + copied, .iov_len = size - copied};
    struct iovec from = {.iov_base = (char *)address + copied, .iov_len = size - copied};
    ssize_t result = process_vm_readv((pid_t)syscall(SYS_gettid), &to, 1, &from, 1, 0);
    if (result > 0) {
      copied += (size_t)result;
    } else if (result < 0 && (errno == ENOSYS || errno == EPERM)) { /* not built in, or forbidden by a sandbox */
      atomic_store_explicit(&missing, true, memory_order_relaxed);
      return premap__posix_copy_out_portable(buffer, address, size);
    } else if (result == 0 || errno != EINTR) {
      return premap__os_error(result == 0 ? EFAULT : errno);
    }
  }
  return premap__posix_well;
}

/* SPDX-License-Identifier: MIT
 *
 * copy.c - copying memory that may not be there, by reading one's own process.
 */
#include "win32.h"

premap__status premap__os_copy_out(void *buffer, const void *address, size_t size) {
  SIZE_T copied = 0;
  if (ReadProcessMemory(GetCurrentProcess(), address, buffer, size, &copied))
    return premap__win32_well;
  /* Whatever the call says: memory of ours that the kernel cannot read. */
  return (premap__status){PREMAP_EFAULT, (int)GetLastError()};
}

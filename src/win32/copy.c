/* SPDX-License-Identifier: MIT
 *
 * copy.c - copying memory that may not be there, by reading one's own process.
 */
#include "win32.h"

premap__status premap__os_copy_out(void *buffer, const void *address, size_t size) {
  SIZE_T copied = 0;
  if (ReadProcessMemory(GetCurrentProcess(), address, buffer, size, &copied))
    return premap__win32_well;
  /* Denied: not these bytes, but the service, by a sandbox or a debugger. Else it is memory of ours that the kernel cannot
   * read, whatever the call says. */
  DWORD error = GetLastError();
  return (premap__status){error == ERROR_ACCESS_DENIED ? PREMAP_ENOSYS : PREMAP_EFAULT, (int)error};
}

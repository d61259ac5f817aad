/* SPDX-License-Identifier: MIT
 *
 * lock.c - keeping pages in memory.
 */
#include "win32.h"

/* Other threads may take what was made room for. */
enum { TRIES = 16 };
/* The system counts some pages of its own for a lock. */
#define SLACK ((SIZE_T)64 << 10)

/* Locked pages count against the smallest size that the working set may have, which is small at first. */
static premap__status enlarge_working_set(size_t size) {
  SIZE_T least, most;
  HANDLE process = GetCurrentProcess();
  if (!GetProcessWorkingSetSize(process, &least, &most))
    return premap__win32_last_error();
  SIZE_T more = size + SLACK;
  if (more > SIZE_MAX - most)
    return premap__os_error(ERROR_WORKING_SET_QUOTA);
  if (!SetProcessWorkingSetSize(process, least + more, most + more))
    return premap__win32_last_error();
  return premap__win32_well;
}

premap__status premap__os_lock(void *address, size_t size) {
  for (int tries = 0; !VirtualLock(address, size); tries++) {
    if (GetLastError() != ERROR_WORKING_SET_QUOTA || tries == TRIES)
      return premap__win32_last_error();
    premap__status status = enlarge_working_set(size);
    if (status.code != 0)
      return status;
  }
  return premap__win32_well;
}

/* One page that is not locked makes the call leave all the others alone. */
premap__status premap__os_unlock(void *address, size_t size) {
  if (VirtualUnlock(address, size))
    return premap__win32_well;
  size_t page = premap__os_page_size();
  for (size_t at = 0; at < size; at += page)
    if (!VirtualUnlock((char *)address + at, page) && GetLastError() != ERROR_NOT_LOCKED)
      return premap__win32_last_error();
  return premap__win32_well;
}

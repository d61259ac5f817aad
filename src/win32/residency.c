/* SPDX-License-Identifier: MIT
 *
 * residency.c - which pages are present. Windows does not tell what is in its cache beyond that.
 */
#include "win32.h"

#include <psapi.h>

enum { BATCH = 512 }; /* pages asked about at a time */

premap__status premap__win32_count_pages(const premap__win32_range *pages, premap__win32_counts *counts) {
  size_t page = premap__os_page_size();
  *counts = (premap__win32_counts){0, 0};
  PSAPI_WORKING_SET_EX_INFORMATION batch[BATCH];
  for (size_t at = 0; at < pages->size;) {
    size_t count = 0;
    for (; count < BATCH && at < pages->size; count++, at += page)
      batch[count] = (PSAPI_WORKING_SET_EX_INFORMATION){.VirtualAddress = pages->start + at};
    if (!QueryWorkingSetEx(GetCurrentProcess(), batch, (DWORD)(count * sizeof batch[0])))
      return premap__win32_last_error();
    for (size_t i = 0; i < count; i++) {
      counts->present += batch[i].VirtualAttributes.Valid;
      counts->locked += batch[i].VirtualAttributes.Valid && batch[i].VirtualAttributes.Locked;
    }
  }
  return premap__win32_well;
}

premap__status premap__os_resident(premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes) {
  (void)file;
  (void)offset;
  if (mapped == NULL)
    return premap__os_error(ERROR_CALL_NOT_IMPLEMENTED);
  premap__win32_range pages = premap__win32_pages_over(mapped, size);
  premap__win32_counts counts;
  premap__status status = premap__win32_count_pages(&pages, &counts);
  if (status.code != 0)
    return status;
  uint64_t present = (uint64_t)counts.present * premap__os_page_size();
  *bytes = present < size ? present : size;
  return premap__win32_well;
}

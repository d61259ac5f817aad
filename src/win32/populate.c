/* SPDX-License-Identifier: MIT
 *
 * populate.c - making pages present: one call reads them from storage, then the kernel copies a byte of each.
 *
 * The call that reads (PrefetchVirtualMemory) leaves the pages outside the working set, and reports nothing about those it
 * could not get. The copies bring them in, and fail where a touch would raise an exception.
 */
#include "win32.h"

premap__status premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way) {
  *done = 0;
  *way = premap__win32_prefetch(address, size).code == 0 ? PREMAP__WAY_PREFETCH : PREMAP__WAY_KERNEL_COPY;
  size_t page = premap__os_page_size();
  premap__win32_range pages = premap__win32_pages_over(address, size);
  char byte;
  for (char *at = pages.start; at < pages.start + pages.size; at += page) {
    premap__status status = premap__os_copy_out(&byte, at, 1);
    if (status.code != 0)
      return status;
    size_t end = (size_t)(at + page - (char *)address);
    *done = end < size ? end : size;
  }
  return premap__win32_well;
}

premap__status premap__os_advise(premap__os_file file, uint64_t offset, void *address, size_t size, premap_advice advice) {
  (void)file;
  (void)offset;
  if (advice == PREMAP_ADVICE_NORMAL)
    return premap__win32_well;
  if (advice == PREMAP_ADVICE_WILL_NEED)
    return premap__win32_prefetch(address, size);
  return premap__os_error(
      ERROR_CALL_NOT_IMPLEMENTED); /* how a file will be read is said when it is opened, and only of reads */
}

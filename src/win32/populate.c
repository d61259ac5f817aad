/* SPDX-License-Identifier: MIT
 *
 * populate.c - making pages present: one call reads them from storage, then the kernel copies them.
 *
 * The call that reads (PrefetchVirtualMemory) leaves the pages outside the working set, and reports nothing about those it
 * could not get. The copies bring them in, and fail where a touch would raise an exception.
 */
#include "win32.h"

/* A call for each page would cost as much as copying all of it. */
enum { SPAN = 64 * 1024 };

premap__status premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way) {
  *done = 0;
  *way = premap__win32_prefetch(address, size).code == 0 ? PREMAP__WAY_PREFETCH : PREMAP__WAY_KERNEL_COPY;
  premap__win32_range pages = premap__win32_pages_over(address, size);
  char *end = pages.start + pages.size;
  char copies[SPAN];
  size_t step = SPAN;
  for (char *at = pages.start; at < end;) {
    size_t part = step < (size_t)(end - at) ? step : (size_t)(end - at);
    premap__status status = premap__os_copy_out(copies, at, part);
    if (status.code == 0) {
      at += part;
      size_t present = (size_t)(at - (char *)address);
      *done = present < size ? present : size;
    } else if (step > premap__os_page_size()) {
      step = premap__os_page_size(); /* to find the page that cannot be had */
    } else {
      return status;
    }
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

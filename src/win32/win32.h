/* SPDX-License-Identifier: MIT
 *
 * win32.h - what the files of src/win32 share.
 */
#ifndef PREMAP_WIN32_H
#define PREMAP_WIN32_H

#include <windows.h>

#include "../common/os.h"

static const premap__status premap__win32_well = {0, 0};

/* ---- error.c */

/* The status of the call that just failed on this thread. */
premap__status premap__win32_last_error(void);
/* The status of a failure of the native calls. */
premap__status premap__win32_nt_error(LONG nt_status);

/* ---- path.c */

/* Makes the absolute path, in the form that has no limit of length where it needs one, of a path in UTF-8. *wide is the
 * caller's to free. PREMAP_EILSEQ: it is not valid UTF-8. PREMAP_EFTYPE: it names a device. */
premap__status premap__win32_path(const char *path, wchar_t **wide);
/* Only converts: for names that are not resolved here. */
premap__status premap__win32_widen(const char *text, wchar_t **wide);

/* ---- beneath.c */

/* Opens a file beneath a directory without following any link. */
premap__status premap__win32_open_beneath(const premap__os_how *how, HANDLE *file);

/* ---- file.c */

/* A duplicate shares the file object, position and completion port included, with the caller's handle; the system ignores the
 * two lowest bits of a handle, so one of them says that reading must leave those alone. */
enum { PREMAP__WIN32_SHARED = 1, PREMAP__WIN32_TAGS = 3 };

static inline HANDLE premap__win32_handle(premap__os_file file) {
  return (HANDLE)(file & ~(premap__os_file)PREMAP__WIN32_TAGS);
}

/* ---- map.c */

typedef struct premap__win32_range {
  char *start;
  size_t size;
} premap__win32_range;

/* The whole pages that cover a range. */
premap__win32_range premap__win32_pages_over(const void *address, size_t size);

/* ---- residency.c */

typedef struct premap__win32_counts {
  size_t present; /* pages in this process's working set */
  size_t locked;
} premap__win32_counts;

/* Of the whole pages from start on. */
premap__status premap__win32_count_pages(const premap__win32_range *pages, premap__win32_counts *counts);

/* ---- module.c */

/* Reads a mapped range from storage, as far as it is not in memory. PREMAP_ENOSYS: not before Windows 8. */
premap__status premap__win32_prefetch(void *address, size_t size);

#endif

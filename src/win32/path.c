/* SPDX-License-Identifier: MIT
 *
 * path.c - UTF-8 paths as Windows wants them.
 *
 * A path is made absolute first, which settles forward slashes, dots and the working directory as for every other program. If
 * that is too long for the usual form it gets the prefix after which the system takes names as they are.
 */
#include "win32.h"

#include <stdlib.h>
#include <wchar.h>

static const wchar_t verbatim[] = L"\\\\?\\";
static const wchar_t verbatim_share[] = L"\\\\?\\UNC\\";
static const wchar_t device[] = L"\\\\.\\";
static const wchar_t share[] = L"\\\\";

/* With the NUL. Beyond that the system's calls fail by other codes, or not at all. */
enum { LONGEST = 32767 };

premap__status premap__win32_widen(const char *text, wchar_t **wide) {
  int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
  if (length == 0)
    return premap__win32_last_error();
  if (length > LONGEST)
    return premap__os_error(ERROR_FILENAME_EXCED_RANGE);
  wchar_t *made = malloc((size_t)length * sizeof *made);
  if (made == NULL)
    return premap__os_error(ERROR_NOT_ENOUGH_MEMORY);
  if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, made, length) == 0) {
    premap__status status = premap__win32_last_error();
    free(made);
    return status;
  }
  *wide = made;
  return premap__win32_well;
}

static bool starts_with(const wchar_t *text, const wchar_t *prefix) {
  return wcsncmp(text, prefix, wcslen(prefix)) == 0;
}

/* Room is left in front for the longest prefix: *made + *room is the path. */
static premap__status make_absolute(const wchar_t *path, wchar_t **made, size_t *room, DWORD *length) {
  *room = wcslen(verbatim_share);
  *made = NULL;
  DWORD capacity = MAX_PATH;
  for (;;) {
    wchar_t *larger = realloc(*made, (*room + capacity) * sizeof **made);
    if (larger == NULL)
      return premap__os_error(ERROR_NOT_ENOUGH_MEMORY);
    *made = larger;
    *length = GetFullPathNameW(path, capacity, *made + *room, NULL);
    if (*length == 0)
      return premap__win32_last_error();
    if (*length < capacity)
      return premap__win32_well;
    /* With the NUL; or more by now, when the working directory is changed meanwhile. */
    capacity = *length;
  }
}

/* The prefix replaces what says of a plain path what it begins at. */
static void prepend(wchar_t *made, size_t room, DWORD length) {
  bool is_share = starts_with(made + room, share);
  const wchar_t *prefix = is_share ? verbatim_share : verbatim;
  size_t skip = is_share ? wcslen(share) : 0;
  size_t size = wcslen(prefix);
  /* Up to the NUL. */
  wmemmove(made + size, made + room + skip, length - skip + 1);
  wmemcpy(made, prefix, size);
}

premap__status premap__win32_path(const char *path, wchar_t **wide) {
  wchar_t *given;
  premap__status status = premap__win32_widen(path, &given);
  if (status.code != 0)
    return status;
  if (starts_with(given, verbatim)) { /* the caller's own words for it */
    *wide = given;
    return premap__win32_well;
  }
  wchar_t *made;
  size_t room;
  DWORD length = 0;
  status = make_absolute(given, &made, &room, &length);
  free(given);
  /* Opening alone makes a device act; and this is what NUL, CON and the like have become. */
  if (status.code == 0 && starts_with(made + room, device))
    status = (premap__status){PREMAP_EFTYPE, 0};
  if (status.code != 0) {
    free(made);
    return status;
  }
  if (length >= MAX_PATH)
    prepend(made, room, length);
  else
    wmemmove(made, made + room, (size_t)length + 1);
  *wide = made;
  return premap__win32_well;
}

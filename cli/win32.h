/* SPDX-License-Identifier: MIT
 *
 * win32.h - what system_win32.c, paths_win32.c and input_win32.c share.
 *
 * Half of a surrogate pair may stand alone in a name of Windows, which no UTF-8 can express. It is encoded by itself: the library
 * refuses that as PREMAP_EILSEQ, and messages can still tell which name it was.
 */
#ifndef PREMAP_CLI_WIN32_H
#define PREMAP_CLI_WIN32_H

#include <stddef.h>

#include <windows.h>

/* ---- paths_win32.c */

/* The strings returned are the caller's to free. */
char *win32_narrow(const wchar_t *wide, size_t length);
/* Null: not valid UTF-8. */
wchar_t *win32_widen(const char *text);
/* The path in the form that has no limit of length. Null: see GetLastError. */
wchar_t *win32_path(const char *path);
/* The PREMAP_E* of a code of GetLastError, or, negated, the code itself if there is none. */
int win32_error(DWORD error);
/* The words that the user typed. Those with * and ? become the names that match them, in order, if there are any, since here no
 * shell does that. */
void win32_arguments(int *count, char ***words);

/* ---- system_win32.c */

/* Set for good once the program is asked to end. */
HANDLE win32_stop_event(void);

#endif

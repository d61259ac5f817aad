/* SPDX-License-Identifier: MIT
 *
 * input_win32.c - reading lists of names on Windows.
 *
 * Whether a pipe or a console has something to read cannot be waited for, only read. So a thread reads, one piece ahead at
 * most, and who gives up waiting leaves it there: the end of the process ends it.
 */
#include "system.h"

#include <stdlib.h>
#include <string.h>

#include <premap/premap.h>

#include "text.h"
#include "win32.h"

#define PIECE_SIZE 16384

/* Ctrl+Z, which ends what is typed. */
#define CONSOLE_END 0x1a

static struct {
  HANDLE wanted; /* null: there is no thread yet */
  HANDLE done;
  HANDLE from;
  bool is_busy; /* the thread has all below until it is done */
  DWORD error;
  size_t got;
  size_t taken; /* by the caller */
  char bytes[PIECE_SIZE];
} reader;

/* What is typed is not in the console's code page, so that no letter is lost. */
static DWORD read_console(void) {
  static wchar_t typed[PIECE_SIZE / 3 - 1];
  DWORD count = 0;
  SetLastError(0);
  if (!ReadConsoleW(reader.from, typed, sizeof typed / sizeof typed[0], &count, NULL))
    return GetLastError();
  if (count == 0 && GetLastError() == ERROR_OPERATION_ABORTED)
    return ERROR_OPERATION_ABORTED; /* by Ctrl+C */
  if (count > 0 && typed[0] == CONSOLE_END)
    count = 0;
  char *text = win32_narrow(typed, count);
  reader.got = strlen(text);
  memcpy(reader.bytes, text, reader.got);
  free(text);
  return 0;
}

static DWORD read_bytes(HANDLE from, void *buffer, size_t size, size_t *got) {
  DWORD count = 0;
  *got = 0;
  DWORD error = ReadFile(from, buffer, (DWORD)size, &count, NULL) ? 0 : GetLastError();
  *got = count;
  /* All writers of the pipe have closed it. */
  return error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF ? 0 : error;
}

static DWORD WINAPI read_pieces(void *unused) {
  (void)unused;
  while (WaitForSingleObject(reader.wanted, INFINITE) == WAIT_OBJECT_0) {
    DWORD mode;
    reader.got = reader.taken = 0;
    reader.error = GetConsoleMode(reader.from, &mode) ? read_console()
                                                      : read_bytes(reader.from, reader.bytes, sizeof reader.bytes, &reader.got);
    SetEvent(reader.done);
  }
  return 0;
}

static DWORD start_reader(void) {
  HANDLE wanted = CreateEventW(NULL, FALSE, FALSE, NULL);
  reader.done = CreateEventW(NULL, FALSE, FALSE, NULL);
  if (wanted == NULL || reader.done == NULL)
    return GetLastError();
  reader.wanted = wanted;
  HANDLE thread = CreateThread(NULL, 0, read_pieces, NULL, 0, NULL);
  if (thread == NULL) {
    reader.wanted = NULL;
    return GetLastError();
  }
  CloseHandle(thread);
  return 0;
}

/* As system_input_read, of what has no end that is known. */
static int64_t read_patiently(HANDLE input, void *buffer, size_t size, int timeout_ms) {
  if (reader.taken == reader.got && !reader.is_busy) {
    DWORD error = reader.wanted == NULL ? start_reader() : 0;
    if (error != 0)
      return win32_error(error);
    reader.from = input;
    reader.is_busy = true;
    SetEvent(reader.wanted);
  }
  if (reader.is_busy) {
    HANDLE waits[2] = {reader.done, win32_stop_event()};
    if (WaitForMultipleObjects(2, waits, FALSE, timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms) != WAIT_OBJECT_0)
      return PREMAP_ETIMEDOUT;
    reader.is_busy = false;
  }
  if (reader.error == ERROR_OPERATION_ABORTED)
    return PREMAP_ETIMEDOUT;
  if (reader.error != 0)
    return win32_error(reader.error);
  if (size > reader.got - reader.taken)
    size = reader.got - reader.taken;
  memcpy(buffer, reader.bytes + reader.taken, size);
  reader.taken += size;
  return (int64_t)size;
}

intptr_t system_standard_input(void) {
  return (intptr_t)GetStdHandle(STD_INPUT_HANDLE);
}

int system_input_open(const char *path, intptr_t *input) {
  *input = system_standard_input();
  if (path == NULL)
    return *input == 0 || *input == (intptr_t)INVALID_HANDLE_VALUE ? PREMAP_EBADF : 0;
  wchar_t *wide = win32_path(path);
  if (wide == NULL)
    return win32_error(GetLastError());
  HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0,
                            NULL);
  DWORD error = GetLastError();
  free(wide);
  if (file == INVALID_HANDLE_VALUE)
    return win32_error(error);
  *input = (intptr_t)file;
  return 0;
}

int64_t system_input_read(intptr_t input, void *buffer, size_t size, int timeout_ms) {
  HANDLE from = (HANDLE)input;
  if (GetFileType(from) != FILE_TYPE_DISK)
    return read_patiently(from, buffer, size, timeout_ms);
  size_t got;
  DWORD error = read_bytes(from, buffer, size, &got);
  return error == 0 ? (int64_t)got : win32_error(error);
}

void system_input_close(intptr_t input) {
  /* Closing would wait for the reading, too. */
  if (input != system_standard_input() && !reader.is_busy)
    CloseHandle((HANDLE)input);
}

size_t system_line_length(const char *line, size_t length) {
  return length > 0 && line[length - 1] == '\r' ? length - 1 : length;
}

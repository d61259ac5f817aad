/* SPDX-License-Identifier: MIT
 *
 * system_win32.c - system.h on Windows: the process, its console and its end.
 *
 * The bytes of all three standard streams are taken as they are: no line's end is ever translated.
 */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <premap/premap.h>

#include "text.h"
#include "win32.h"

#include <psapi.h>

/* A console takes no more than 64 KiB at a time on some systems. */
#define CONSOLE_WRITE_MAX 8192
#define OUTPUT_PIECE ((size_t)256 << 10)
#define COLUMNS_USUAL 80

/* What POSIX calls the loss of the terminal, and libuv the closing of the console. */
#define SIGNAL_CLOSED 1

/* Of stdout and stderr. */
typedef struct console_output {
  HANDLE handle; /* null: not a console */
  DWORD mode;    /* as found */
  bool is_changed;
} console_output;

static console_output outputs[2];
static HANDLE stop;
static atomic_bool catches;
static atomic_int caught;

/* ---- The process */

static void restore_consoles(void) {
  for (int i = 0; i < 2; i++)
    if (outputs[i].is_changed)
      SetConsoleMode(outputs[i].handle, outputs[i].mode);
}

static int signal_of(DWORD event) {
  switch (event) {
  case CTRL_C_EVENT:
    return SIGINT;
  case CTRL_BREAK_EVENT:
    return SIGBREAK;
  case CTRL_CLOSE_EVENT:
    return SIGNAL_CLOSED;
  default:
    return SIGTERM;
  }
}

/* On a thread of its own. */
static BOOL WINAPI on_control(DWORD event) {
  int none = 0;
  if (!atomic_load(&catches) || !atomic_compare_exchange_strong(&caught, &none, signal_of(event))) {
    restore_consoles();
    return FALSE; /* the system ends the process at once */
  }
  SetEvent(stop);
  /* All others than these two end the process when this returns, so it leaves the end to main. */
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
    Sleep(INFINITE);
  return TRUE;
}

void system_prepare(int *argc, char ***argv) {
  FILE *const streams[] = {stdin, stdout, stderr};
  for (int i = 0; i < 3; i++)
    (void)_setmode(_fileno(streams[i]), _O_BINARY); /* fails for one that is closed, which stays so */
  /* Some C libraries write what is not buffered byte by byte; what has to be seen at once is flushed. */
  setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
  setvbuf(stderr, NULL, _IOFBF, BUFSIZ);

  for (int i = 0; i < 2; i++) {
    HANDLE handle = GetStdHandle(i == 0 ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
    outputs[i].handle = GetConsoleMode(handle, &outputs[i].mode) ? handle : NULL;
  }
  stop = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (stop == NULL || atexit(restore_consoles) != 0 || !SetConsoleCtrlHandler(on_control, TRUE))
    text_no_memory();
  win32_arguments(argc, argv);
}

_Noreturn void system_end_at_once(int status) {
  restore_consoles();
  _Exit(status);
}

uint64_t system_now_ns(void) {
  LARGE_INTEGER frequency, now;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  /* In two parts, since the product of the whole would be too large within an hour. */
  uint64_t per_second = (uint64_t)frequency.QuadPart;
  uint64_t seconds = (uint64_t)now.QuadPart / per_second;
  uint64_t rest = (uint64_t)now.QuadPart % per_second;
  return seconds * 1000000000U + rest * 1000000000U / per_second;
}

unsigned system_processors(void) {
  DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
  return count > 0 ? count : 1;
}

size_t system_page_size(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

uint64_t system_page_faults(void) {
  PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
  return GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters) ? counters.PageFaultCount : 0;
}

void system_set_workers(unsigned workers, bool keep) {
  char number[16];
  snprintf(number, sizeof number, "%u", workers);
  if (keep && getenv("UV_THREADPOOL_SIZE") != NULL)
    return;
  /* libuv asks the C library, whose environment is a copy. Without memory for it libuv's default stays, which is no reason to
   * fail. */
  (void)_putenv_s("UV_THREADPOOL_SIZE", number);
}

bool system_reaches_cache(void) {
  return false;
}

/* ---- Signals */

HANDLE win32_stop_event(void) {
  return stop;
}

void system_catch_signals(void) {
  atomic_store(&catches, true);
}

int system_signal(void) {
  return atomic_load(&caught);
}

void system_wait_for_signal(void) {
  WaitForSingleObject(stop, INFINITE);
}

/* ---- Output */

static console_output *output_of(FILE *stream) {
  return &outputs[stream == stdout ? 0 : 1];
}

static bool write_console(HANDLE console, const wchar_t *text, size_t length) {
  while (length > 0) {
    DWORD part = length < CONSOLE_WRITE_MAX ? (DWORD)length : CONSOLE_WRITE_MAX;
    if (part < length && IS_HIGH_SURROGATE(text[part - 1]))
      part--;
    DWORD written;
    if (!WriteConsoleW(console, text, part, &written, NULL))
      return false;
    text += written;
    length -= written;
  }
  return true;
}

void system_print(FILE *stream, const char *text) {
  const console_output *output = output_of(stream);
  wchar_t *wide = output->handle != NULL ? win32_widen(text) : NULL;
  /* The console's code page may lack some letters, and it is not ours alone: others write to it at the same time. */
  bool is_written = wide != NULL && fflush(stream) == 0 && write_console(output->handle, wide, wcslen(wide));
  free(wide);
  if (!is_written)
    fputs(text, stream);
}

/* By _write, which sets errno. */
static bool write_all(const char *data, size_t size) {
  while (size > 0) {
    size_t most = outputs[0].handle != NULL ? CONSOLE_WRITE_MAX : size;
    int written = _write(_fileno(stdout), data, (unsigned)(size < most ? size : most));
    if (written <= 0)
      return false;
    data += written;
    size -= (size_t)written;
  }
  return true;
}

system_output_end system_output(const void *data, size_t size) {
  /* Writing from a region itself may raise an exception, or fail with an error of the file as if it were the output's. */
  static char piece[OUTPUT_PIECE];
  const char *from = data;
  while (size > 0) {
    size_t part = size < sizeof piece ? size : sizeof piece;
    SIZE_T copied;
    if (!ReadProcessMemory(GetCurrentProcess(), from, piece, part, &copied))
      return SYSTEM_UNREADABLE;
    if (!write_all(piece, part))
      return SYSTEM_UNWRITABLE;
    from += part;
    size -= part;
  }
  return SYSTEM_WRITTEN;
}

bool system_is_terminal(FILE *stream) {
  console_output *output = output_of(stream);
  const char *kind = getenv("TERM");
  if (output->handle == NULL || (kind != NULL && strcmp(kind, "dumb") == 0))
    return false;
  DWORD mode;
  if (!GetConsoleMode(output->handle, &mode))
    return false;
  if ((mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0)
    return true;
  /* Fails before Windows 10. */
  output->is_changed = SetConsoleMode(output->handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
  return output->is_changed;
}

unsigned system_terminal_columns(FILE *stream) {
  CONSOLE_SCREEN_BUFFER_INFO info;
  const console_output *output = output_of(stream);
  if (output->handle == NULL || !GetConsoleScreenBufferInfo(output->handle, &info))
    return COLUMNS_USUAL;
  int columns = info.srWindow.Right - info.srWindow.Left + 1;
  return columns > 0 ? (unsigned)columns : COLUMNS_USUAL;
}

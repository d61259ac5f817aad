/* SPDX-License-Identifier: MIT
 *
 * cli_win32.c - what cli.sh needs other Windows programs to do.
 *
 *   lock FILE                 keeps a file to itself until the standard input ends
 *   run PROGRAM [WORD...]     runs a program, whose words of LONE become half of a surrogate pair
 *   bare PROGRAM [WORD...]    the same, without any standard stream
 *   from FILE PROGRAM [WORD...]
 *                             the same, with a file as the standard input. Wine tells too little of a file that it inherits
 *
 * Ends as the program does, or with 100 where this program itself fails.
 */
#include <windows.h>

#include <stdbool.h>
#include <stdio.h>
#include <wchar.h>

#include <shellapi.h>

enum { FAILED = 100, LINE_CAPACITY = 32768 };

static int fail(const char *what) {
  fprintf(stderr, "cli_win32: %s: error %lu\n", what, GetLastError());
  return FAILED;
}

static int lock(const wchar_t *name) {
  HANDLE file = CreateFileW(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE)
    return fail("cannot lock the file");
  puts("locked");
  fflush(stdout);
  while (getchar() != EOF)
    continue;
  CloseHandle(file);
  return 0;
}

/* No word of the tests has quotation marks in it or backslashes at its end. */
static bool join(wchar_t *line, wchar_t **words) {
  size_t length = 0;
  for (; *words != NULL; words++) {
    const wchar_t *word = wcscmp(*words, L"LONE") == 0 ? L"\xd83d" : *words;
    if (length + wcslen(word) + 4 > LINE_CAPACITY)
      return false;
    length += (size_t)swprintf(line + length, LINE_CAPACITY - length, L"\"%ls\" ", word);
  }
  return true;
}

static int run(wchar_t **words, DWORD flags, STARTUPINFOW *how) {
  static wchar_t line[LINE_CAPACITY];
  PROCESS_INFORMATION process;
  how->cb = sizeof *how;
  if (!join(line, words) || !CreateProcessW(NULL, line, NULL, NULL, TRUE, flags, NULL, NULL, how, &process))
    return fail("cannot start the program");
  DWORD status;
  if (WaitForSingleObject(process.hProcess, INFINITE) != WAIT_OBJECT_0 || !GetExitCodeProcess(process.hProcess, &status))
    return fail("cannot wait for the program");
  return (int)status;
}

static int run_from(const wchar_t *name, wchar_t **words) {
  SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
  STARTUPINFOW how = {.dwFlags = STARTF_USESTDHANDLES,
                      .hStdInput = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ, &inherited, OPEN_EXISTING, 0, NULL),
                      .hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE),
                      .hStdError = GetStdHandle(STD_ERROR_HANDLE)};
  return how.hStdInput != INVALID_HANDLE_VALUE ? run(words, 0, &how) : fail("cannot open the file");
}

int main(void) {
  int count;
  wchar_t **words = CommandLineToArgvW(GetCommandLineW(), &count);
  if (words == NULL || count < 3)
    return fail("wrong usage");
  if (wcscmp(words[1], L"lock") == 0)
    return lock(words[2]);
  if (wcscmp(words[1], L"run") == 0)
    return run(words + 2, 0, &(STARTUPINFOW){0});
  if (wcscmp(words[1], L"bare") == 0)
    return run(words + 2, DETACHED_PROCESS, &(STARTUPINFOW){.dwFlags = STARTF_USESTDHANDLES});
  if (wcscmp(words[1], L"from") == 0 && count > 3)
    return run_from(words[2], words + 3);
  return fail("wrong usage");
}

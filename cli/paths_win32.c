/* SPDX-License-Identifier: MIT
 *
 * paths_win32.c - names on Windows: what the user typed, and directories.
 */
#include "system.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <premap/premap.h>

#include "text.h"
#include "win32.h"

#include <shellapi.h>
#include <shlwapi.h>

/* Reparse points that not all headers know: a packaged program's name, and what Linux programs make. */
#define TAG_APPLICATION 0x8000001bU
#define TAG_SOCKET 0x80000023U
#define TAG_FIFO 0x80000024U
#define TAG_CHARACTER_DEVICE 0x80000025U
#define TAG_BLOCK_DEVICE 0x80000026U

/* ---- UTF-16 and UTF-8 */

char *win32_narrow(const wchar_t *wide, size_t length) {
  char *text = text_allocate(length * 3 + 1);
  char *to = text;
  for (size_t i = 0; i < length; i++) {
    uint32_t character = wide[i];
    if (IS_HIGH_SURROGATE(wide[i]) && i + 1 < length && IS_LOW_SURROGATE(wide[i + 1]))
      character = 0x10000 + ((character - 0xd800) << 10) + (wide[++i] - 0xdc00U);
    unsigned more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(first[more] | character >> (6 * more));
    while (more-- > 0)
      *to++ = (char)(0x80 | (character >> (6 * more) & 0x3f));
  }
  *to = '\0';
  return text;
}

wchar_t *win32_widen(const char *text) {
  int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
  if (length == 0)
    return NULL;
  wchar_t *wide = text_allocate((size_t)length * sizeof *wide);
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, length);
  return wide;
}

/* ---- Paths */

static bool starts_with(const wchar_t *text, const wchar_t *prefix) {
  return wcsncmp(text, prefix, wcslen(prefix)) == 0;
}

static wchar_t *prefixed(const wchar_t *prefix, const wchar_t *rest) {
  size_t length = wcslen(prefix);
  size_t size = wcslen(rest) + 1;
  wchar_t *whole = text_allocate((length + size) * sizeof *whole);
  wmemcpy(whole, prefix, length);
  wmemcpy(whole + length, rest, size);
  return whole;
}

static wchar_t *absolute(const wchar_t *path) {
  wchar_t *made = NULL;
  for (DWORD capacity = MAX_PATH;;) {
    made = text_reallocate(made, capacity * sizeof *made);
    DWORD length = GetFullPathNameW(path, capacity, made, NULL);
    if (length > 0 && length < capacity)
      return made;
    if (length == 0) {
      free(made);
      return NULL;
    }
    capacity = length;
  }
}

wchar_t *win32_path(const char *path) {
  wchar_t *given = win32_widen(path);
  if (given == NULL || starts_with(given, L"\\\\?\\"))
    return given;
  wchar_t *whole = absolute(given);
  free(given);
  if (whole == NULL || starts_with(whole, L"\\\\.\\"))
    return whole; /* a device */
  bool is_share = starts_with(whole, L"\\\\");
  wchar_t *verbatim = prefixed(is_share ? L"\\\\?\\UNC\\" : L"\\\\?\\", whole + (is_share ? 2 : 0));
  free(whole);
  return verbatim;
}

int win32_error(DWORD error) {
  switch (error) {
  case ERROR_FILE_NOT_FOUND:
  case ERROR_PATH_NOT_FOUND:
  case ERROR_INVALID_NAME:
  case ERROR_BAD_NETPATH:
  case ERROR_BAD_NET_NAME:
    return PREMAP_ENOENT;
  case ERROR_ACCESS_DENIED:
    return PREMAP_EACCES;
  case ERROR_SHARING_VIOLATION:
  case ERROR_LOCK_VIOLATION:
    return PREMAP_EBUSY;
  case ERROR_INVALID_HANDLE:
    return PREMAP_EBADF;
  case ERROR_NOT_ENOUGH_MEMORY:
  case ERROR_OUTOFMEMORY:
    return PREMAP_ENOMEM;
  case ERROR_NO_UNICODE_TRANSLATION:
    return PREMAP_EILSEQ;
  case ERROR_FILENAME_EXCED_RANGE:
    return PREMAP_ENAMETOOLONG;
  case ERROR_DIRECTORY:
    return PREMAP_ENOTDIR;
  default:
    return -(int)error;
  }
}

static bool attributes_of(const char *path, WIN32_FILE_ATTRIBUTE_DATA *attributes) {
  wchar_t *wide = win32_path(path);
  bool found = wide != NULL && GetFileAttributesExW(wide, GetFileExInfoStandard, attributes);
  free(wide);
  return found;
}

bool system_is_directory(const char *path) {
  WIN32_FILE_ATTRIBUTE_DATA attributes;
  return attributes_of(path, &attributes) && (attributes.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

/* Of a link it is that of the link itself, which is 0. */
uint64_t system_file_size(const char *path) {
  WIN32_FILE_ATTRIBUTE_DATA attributes;
  return attributes_of(path, &attributes) ? (uint64_t)attributes.nFileSizeHigh << 32 | attributes.nFileSizeLow : 0;
}

/* ---- Directories */

typedef struct found_name {
  char *text;
  bool is_directory; /* to be entered */
} found_name;

typedef struct found_names {
  found_name *names;
  size_t count;
  size_t capacity;
} found_names;

typedef bool wanted_name(const WIN32_FIND_DATAW *found, const wchar_t *pattern);

static int by_text(const void *left, const void *right) {
  return strcmp(((const found_name *)left)->text, ((const found_name *)right)->text);
}

static void keep(found_names *into, const WIN32_FIND_DATAW *found) {
  if (into->count == into->capacity) {
    into->capacity = into->capacity > 0 ? 2 * into->capacity : 64;
    into->names = text_reallocate(into->names, into->capacity * sizeof *into->names);
  }
  char *text = win32_narrow(found->cFileName, wcslen(found->cFileName));
  /* What is in a directory whose name cannot be told can have no name either. */
  bool is_directory = (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0 && text_is_utf8(text);
  into->names[into->count++] = (found_name){text, is_directory};
}

static void drop(found_names *names) {
  for (size_t i = 0; i < names->count; i++)
    free(names->names[i].text);
  free(names->names);
}

/* Finds the wanted ones of the names that match a path's last part, sorted. 0, or a code of GetLastError. */
static DWORD find_names(const wchar_t *path, wanted_name *is_wanted, const wchar_t *pattern, found_names *names) {
  WIN32_FIND_DATAW found;
  HANDLE search = FindFirstFileExW(path, FindExInfoBasic, &found, FindExSearchNameMatch, NULL, FIND_FIRST_EX_LARGE_FETCH);
  /* A directory always has dots in it, except for a drive's topmost. */
  if (search == INVALID_HANDLE_VALUE)
    return GetLastError() == ERROR_FILE_NOT_FOUND ? 0 : GetLastError();
  bool more = true;
  while (more) {
    if (wcscmp(found.cFileName, L".") != 0 && wcscmp(found.cFileName, L"..") != 0 && is_wanted(&found, pattern))
      keep(names, &found);
    more = FindNextFileW(search, &found);
  }
  DWORD error = GetLastError();
  FindClose(search);
  if (names->count > 0)
    qsort(names->names, names->count, sizeof *names->names, by_text);
  return error == ERROR_NO_MORE_FILES ? 0 : error;
}

/* Is it a file or directory in its own right? Links are not, nor sockets, pipes and devices of other systems. Files that are
 * only stored elsewhere (deduplicated, in a cloud) have tags too, and are. */
static bool is_regular(const WIN32_FIND_DATAW *found, const wchar_t *pattern) {
  (void)pattern;
  if ((found->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0)
    return true;
  switch (found->dwReserved0) {
  case 0: /* unknown */
  case TAG_APPLICATION:
  case TAG_SOCKET:
  case TAG_FIFO:
  case TAG_CHARACTER_DEVICE:
  case TAG_BLOCK_DEVICE:
    return false;
  default:
    return !IsReparseTagNameSurrogate(found->dwReserved0);
  }
}

/* With the kind of slash that the directory's own name has. */
static char *join(const char *directory, const char *name) {
  size_t length = strlen(directory);
  size_t size = length + strlen(name) + 2;
  size_t last = length;
  while (last > 0 && strchr("/\\", directory[last - 1]) == NULL)
    last--;
  char slash[2] = {last > 0 ? directory[last - 1] : '\\', '\0'};
  /* After a colon it would mean the drive's topmost, not its current one. */
  bool has_end = length > 0 && strchr("/\\:", directory[length - 1]) != NULL;
  char *path = text_allocate(size);
  snprintf(path, size, "%s%s%s", directory, has_end ? "" : slash, name);
  return path;
}

/* A directory whose names are known, on the way to the one that is visited. On the heap, since the way can be too long for a
 * thread's stack. */
typedef struct open_directory {
  struct open_directory *above;
  char *path;
  found_names found;
  size_t next;
} open_directory;

static DWORD list(const char *path, found_names *found) {
  wchar_t *wide = win32_path(path);
  if (wide == NULL)
    return GetLastError();
  size_t length = wcslen(wide);
  wchar_t *all = prefixed(wide, length > 0 && wide[length - 1] == L'\\' ? L"*" : L"\\*");
  DWORD error = find_names(all, is_regular, NULL, found);
  free(all);
  free(wide);
  return error;
}

static open_directory *leave(open_directory *directory) {
  open_directory *above = directory->above;
  drop(&directory->found);
  free(directory->path);
  free(directory);
  return above;
}

/* The path goes with the directory. */
static bool enter(open_directory **directory, char *path, system_visit *visit, void *context) {
  open_directory *inner = text_allocate(sizeof *inner);
  *inner = (open_directory){.above = *directory, .path = path};
  *directory = inner;
  DWORD error = list(path, &inner->found);
  if (error == 0)
    return true;
  inner->next = inner->found.count; /* some are missing, so none is visited */
  return visit(context, path, win32_error(error));
}

bool system_walk(const char *directory, system_visit *visit, void *context) {
  open_directory *inner = NULL;
  bool go_on = enter(&inner, text_copy(directory), visit, context);
  while (inner != NULL) {
    if (!go_on || inner->next == inner->found.count) {
      inner = leave(inner);
      continue;
    }
    const found_name *name = &inner->found.names[inner->next++];
    char *path = join(inner->path, name->text);
    if (name->is_directory) {
      go_on = enter(&inner, path, visit, context);
    } else {
      go_on = visit(context, path, text_is_utf8(path) ? SYSTEM_REGULAR : PREMAP_EILSEQ);
      free(path);
    }
  }
  return go_on;
}

/* ---- Arguments */

typedef struct argument_list {
  char **words;
  int count;
  int capacity;
} argument_list;

static void append(argument_list *list, char *word) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity > 0 ? 2 * list->capacity : 64;
    list->words = text_reallocate(list->words, (size_t)list->capacity * sizeof *list->words);
  }
  list->words[list->count++] = word;
}

/* The system also looks at the short names that files have beside their own, so that *.htm would be index.html too. */
static bool is_match(const WIN32_FIND_DATAW *found, const wchar_t *pattern) {
  return PathMatchSpecExW(found->cFileName, pattern, PMSF_NORMAL | PMSF_DONT_STRIP_SPACES) == S_OK;
}

/* Neither character can be in a name, so that this is never wrong; save that \\?\ has a question mark. */
static bool is_pattern(const wchar_t *word) {
  return word[0] != L'-' && !starts_with(word, L"\\\\?\\") && wcspbrk(word, L"*?") != NULL;
}

/* True if anything matches. */
static bool append_matches(argument_list *list, const wchar_t *word) {
  size_t folder = wcslen(word);
  while (folder > 0 && wcschr(L"/\\:", word[folder - 1]) == NULL)
    folder--;
  found_names found = {0};
  /* What cannot be searched matches nothing, and fails as the name of a file. */
  bool matches = find_names(word, is_match, word + folder, &found) == 0 && found.count > 0;
  char *prefix = win32_narrow(word, folder);
  for (size_t i = 0; matches && i < found.count; i++) {
    size_t size = strlen(prefix) + strlen(found.names[i].text) + 1;
    char *path = text_allocate(size);
    snprintf(path, size, "%s%s", prefix, found.names[i].text);
    append(list, path);
  }
  free(prefix);
  drop(&found);
  return matches;
}

void win32_arguments(int *count, char ***words) {
  int wide_count;
  wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &wide_count);
  if (wide == NULL)
    text_no_memory();
  argument_list list = {0};
  for (int i = 0; i < wide_count; i++)
    if (i == 0 || !is_pattern(wide[i]) || !append_matches(&list, wide[i]))
      append(&list, win32_narrow(wide[i], wcslen(wide[i])));
  LocalFree(wide);
  *count = list.count;
  append(&list, NULL);
  *words = list.words;
}

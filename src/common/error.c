/* SPDX-License-Identifier: MIT
 *
 * error.c - names and texts of codes, and the sentence for a failed file.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

/* libuv users mix both kinds of code freely, so those with libuv's names must have libuv's values. */
#define XX(name, windows, text) _Static_assert((int)PREMAP_##name == (int)UV_##name, "PREMAP_" #name " differs from libuv's");
PREMAP_ERRNO_MAP(XX)
#undef XX
_Static_assert((int)PREMAP_UNKNOWN == (int)UV_UNKNOWN, "PREMAP_UNKNOWN differs from libuv's");
_Static_assert((int)PREMAP_EFTYPE == (int)UV_EFTYPE, "PREMAP_EFTYPE differs from libuv's");

const char *premap_strerror(int code) {
  switch (code) {
  case PREMAP_OK:
    return "no error";
  case PREMAP_PARTIAL:
    return "ready, but not all of it was brought into memory";
#define XX(name, value, text)                                                                                                  \
  case PREMAP_##name:                                                                                                          \
    return text;
    PREMAP_ERRNO_MAP(XX)
    PREMAP_FIXED_MAP(XX)
#undef XX
  default:
    return "not a code of premap";
  }
}

const char *premap_err_name(int code) {
  switch (code) {
  case PREMAP_OK:
    return "OK";
  case PREMAP_PARTIAL:
    return "PARTIAL";
#define XX(name, value, text)                                                                                                  \
  case PREMAP_##name:                                                                                                          \
    return #name;
    PREMAP_ERRNO_MAP(XX)
    PREMAP_FIXED_MAP(XX)
#undef XX
  default:
    return "?";
  }
}

const char *premap__strategy_name(unsigned strategy, bool touched) {
  static const char *const names[] = {
#define XX(name, text) [PREMAP__STRATEGY_##name] = text,
      PREMAP__STRATEGY_MAP(XX)
#undef XX
  };
  static const char *const touching[sizeof names / sizeof *names] = {
      [PREMAP__STRATEGY_FAULT_AROUND] = "fault-around-touch",
      [PREMAP__STRATEGY_POPULATE] = "populate-touch",
      [PREMAP__STRATEGY_POPULATE_LARGE] = "populate-large-touch",
      [PREMAP__STRATEGY_POPULATE_PACED] = "populate-paced-touch"};
  return touched && touching[strategy] != NULL ? touching[strategy] : names[strategy];
}

const char *premap__reason_text(unsigned reason) {
#define XX(name, text) text,
  static const char *const texts[] = {PREMAP__REASON_MAP(XX)};
#undef XX
  return texts[reason];
}

static const char *step_name(unsigned step) {
  static const char *const names[] = {
      [PREMAP_STEP_NONE] = "load", [PREMAP_STEP_OPEN] = "open",         [PREMAP_STEP_SIZE] = "size", [PREMAP_STEP_MAP] = "map",
      [PREMAP_STEP_READ] = "read", [PREMAP_STEP_POPULATE] = "populate", [PREMAP_STEP_LOCK] = "lock"};
  return names[step];
}

/* A buffer that counts what it had no room for. */
typedef struct sentence {
  char *buffer;
  size_t capacity;
  size_t length;
} sentence;

static void append(sentence *to, const char *text, size_t size) {
  for (size_t i = 0; i < size; i++, to->length++)
    if (to->length + 1 < to->capacity)
      to->buffer[to->length] = text[i];
}

/* A path may hold any byte but NUL; one that controls a terminal or breaks a log's line must not get there. */
static void append_path(sentence *to, const char *path) {
  for (; *path != '\0'; path++) {
    unsigned char byte = (unsigned char)*path;
    char escaped[5];
    int size = 0;
    if (byte < 0x20 || byte == 0x7f)
      size = snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    append(to, size > 0 ? escaped : path, size > 0 ? (size_t)size : 1);
  }
}

static void append_text(sentence *to, const char *text) {
  append(to, text, strlen(text));
}

static void describe(sentence *to, const premap__file *file, premap__state state) {
  int code = premap__file_code(file, state);
  /* A cancelled file's fields may belong to a worker still: only its path is certain. */
  bool cancelled = state == PREMAP__CANCELLED;
  append_text(to, step_name(cancelled ? PREMAP_STEP_NONE : file->step));
  append_text(to, " '");
  append_path(to, file->path);
  append_text(to, "'");
  char number[64];
  if (!cancelled && (file->error_offset != 0 || code == PREMAP_EIO || code == PREMAP_ECHANGED)) {
    snprintf(number, sizeof number, " at byte %llu", (unsigned long long)file->error_offset);
    append_text(to, number);
  }
  append_text(to, ": ");
  append_text(to, premap_strerror(code));
  append_text(to, " (");
  append_text(to, premap_err_name(code));
  if (code == PREMAP_UNKNOWN) {
    snprintf(number, sizeof number, " %d", file->os_error);
    append_text(to, number);
  }
  append_text(to, ")");
}

int premap_error_message(premap_file handle, char *buffer, size_t capacity) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  sentence to = {buffer, buffer != NULL ? capacity : 0, 0};
  if (file != NULL) {
    premap__state state = premap__registry_state(file);
    if (premap__file_code(file, state) != 0)
      describe(&to, file, state);
    premap__registry_unpin(file);
  }
  if (to.capacity > 0)
    to.buffer[to.length < to.capacity ? to.length : to.capacity - 1] = '\0';
  return file != NULL ? (int)to.length : code;
}

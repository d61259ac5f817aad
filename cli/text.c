/* SPDX-License-Identifier: MIT
 *
 * text.c - see text.h.
 */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void text_no_memory(void) {
  fputs("premap: not enough memory\n", stderr);
  exit(EXIT_FAILURE);
}

void *text_reallocate(void *block, size_t size) {
  void *grown = realloc(block, size);
  if (grown == NULL)
    text_no_memory();
  return grown;
}

void *text_allocate(size_t size) {
  return text_reallocate(NULL, size);
}

char *text_copy(const char *text) {
  size_t size = strlen(text) + 1;
  return memcpy(text_allocate(size), text, size);
}

/* Bytes of the well-formed character that text starts with, and which it is; 0 when it starts with none. */
static size_t character_at(const char *text, uint32_t *character) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned char first = (unsigned char)*text;
  if (first < 0x80) {
    *character = first;
    return 1;
  }
  size_t size = first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc0 && first < 0xe0 ? 2 : 0;
  if (size == 0)
    return 0;
  uint32_t value = first & (0xffU >> (size + 1));
  for (size_t i = 1; i < size; i++) {
    unsigned char next = (unsigned char)text[i];
    if ((next & 0xc0) != 0x80)
      return 0; /* the string's end, too */
    value = value << 6 | (next & 0x3fU);
  }
  /* Longer than need be, half of a pair, or beyond the last: each has another spelling or none. */
  if (value < least[size] || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)
    return 0;
  *character = value;
  return size;
}

bool text_is_utf8(const char *text) {
  uint32_t character;
  for (size_t size; *text != '\0'; text += size)
    if ((size = character_at(text, &character)) == 0)
      return false;
  return true;
}

char *text_visible(const char *text) {
  char *visible = text_allocate(strlen(text) * 4 + 1);
  char *to = visible;
  while (*text != '\0') {
    uint32_t character;
    size_t size = character_at(text, &character);
    bool control = size > 0 && (character < 0x20 || (character >= 0x7f && character < 0xa0));
    if (size > 0 && !control) {
      memcpy(to, text, size);
      to += size;
      text += size;
      continue;
    }
    for (size_t left = size > 0 ? size : 1; left > 0; left--)
      to += sprintf(to, "\\x%02x", (unsigned)(unsigned char)*text++);
  }
  *to = '\0';
  return visible;
}

char *text_replaced(const char *text) {
  static const char replacement[] = "\xef\xbf\xbd";
  char *replaced = text_allocate(strlen(text) * 3 + 1);
  char *to = replaced;
  while (*text != '\0') {
    uint32_t character;
    size_t size = character_at(text, &character);
    memcpy(to, size > 0 ? text : replacement, size > 0 ? size : 3);
    to += size > 0 ? size : 3;
    text += size > 0 ? size : 1;
  }
  *to = '\0';
  return replaced;
}

char *text_hexadecimal(const char *text) {
  char *digits = text_allocate(strlen(text) * 2 + 1);
  char *to = digits;
  for (; *text != '\0'; text++)
    to += sprintf(to, "%02x", (unsigned)(unsigned char)*text);
  *to = '\0';
  return digits;
}

void text_amount(char text[TEXT_AMOUNT_SIZE], double bytes) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  /* 999.95 would be printed as 1000.0. */
  for (; bytes >= 999.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
    bytes /= 1000;
  snprintf(text, TEXT_AMOUNT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

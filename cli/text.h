/* SPDX-License-Identifier: MIT
 *
 * text.h - names and numbers as people, terminals and JSON can take them. Strings returned are the caller's to free.
 */
#ifndef PREMAP_CLI_TEXT_H
#define PREMAP_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the program with a message. */
_Noreturn void text_no_memory(void);
/* As malloc, realloc and strdup, but where there is no memory the program ends. */
void *text_allocate(size_t size);
void *text_reallocate(void *block, size_t size);
char *text_copy(const char *text);

bool text_is_utf8(const char *text);
/* Control characters, and bytes that are not UTF-8, become \xNN: safe on a terminal, and on one line. */
char *text_visible(const char *text);
/* Each byte that is not UTF-8 becomes U+FFFD. */
char *text_replaced(const char *text);
/* Two hexadecimal digits for each byte. */
char *text_hexadecimal(const char *text);

#define TEXT_AMOUNT_SIZE 16
/* Such as "1.2 GB": powers of 1000. */
void text_amount(char text[TEXT_AMOUNT_SIZE], double bytes);

#endif

/* SPDX-License-Identifier: MIT
 *
 * system.h - the seam of the command: what differs between systems. system_posix.c implements it, and for Windows
 * system_win32.c, paths_win32.c and input_win32.c. Text is UTF-8, and so are paths as far as the system's own names allow.
 * Codes are 0 or PREMAP_E*.
 */
#ifndef PREMAP_CLI_SYSTEM_H
#define PREMAP_CLI_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Called for each path found (code 0, or SYSTEM_REGULAR where a directory says so of its file), or that could not be looked
 * into (its code). Path null: nothing to report yet, but a chance to stop. False stops the search. */
enum { SYSTEM_REGULAR = 1 };
typedef bool system_visit(void *context, const char *path, int code);

/* First call of the program: readies the standard streams, and replaces the arguments by what the user typed, where the system
 * gives main something else. */
void system_prepare(int *argc, char ***argv);
/* Ends the program without waiting for its threads. */
_Noreturn void system_end_at_once(int status);

/* Nanoseconds on a clock that never jumps. */
uint64_t system_now_ns(void);
unsigned system_processors(void);
size_t system_page_size(void);
/* Page faults of this process up to now, of both kinds. */
uint64_t system_page_faults(void);
/* Asks libuv for so many threads, unless keep is set and the user has asked already. Only works before the first load. */
void system_set_workers(unsigned workers, bool keep);
/* Can a program see, and empty, what the system keeps of files in memory? */
bool system_reaches_cache(void);

/* Follows symbolic links. */
bool system_is_directory(const char *path);
/* 0 where there is none, or it is not known. */
uint64_t system_file_size(const char *path);
/* Visits the regular files beneath a directory, in order of their names; follows no symbolic link. False when a visit stopped
 * it. */
bool system_walk(const char *directory, system_visit *visit, void *context);

/* What premap_open_fd takes. */
intptr_t system_standard_input(void);
/* A null path is the standard input. */
int system_input_open(const char *path, intptr_t *input);
/* Bytes read, 0 at the end, PREMAP_ETIMEDOUT when nothing came for timeout_ms or a signal did, or an error. */
int64_t system_input_read(intptr_t input, void *buffer, size_t size, int timeout_ms);
void system_input_close(intptr_t input);
/* Bytes of a line, given those before its \n, less what else ends a line on this system. */
size_t system_line_length(const char *line, size_t length);

/* Writes text, whatever encoding a terminal has: all that may be more than ASCII goes this way. An error shows on the stream.
 */
void system_print(FILE *stream, const char *text);
/* Writes all to the standard output, past stdio's buffer. */
typedef enum system_output_end {
  SYSTEM_WRITTEN,
  SYSTEM_UNREADABLE, /* the bytes themselves could not be had */
  SYSTEM_UNWRITABLE  /* errno says why */
} system_output_end;
system_output_end system_output(const void *data, size_t size);

/* From now on a signal that asks the program to end only sets what system_signal returns. A second one ends it at once. */
void system_catch_signals(void);
/* The number of the signal that came, or 0. */
int system_signal(void);
void system_wait_for_signal(void);

/* A terminal that understands escape sequences? */
bool system_is_terminal(FILE *stream);
unsigned system_terminal_columns(FILE *stream);

#endif

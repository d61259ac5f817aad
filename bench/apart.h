/* SPDX-License-Identifier: MIT
 *
 * apart.h - runs a measurement in a process of its own, so that nothing it leaves behind (threads, memory, maps) meets the
 * next.
 */
#ifndef BENCH_APART_H
#define BENCH_APART_H

#include <stddef.h>

/* Calls run in a child, which ends when it returns, and copies the answer of size bytes back. Returns what run returned, -EINTR
 * when a signal ended the child (SIGALRM after limit_s seconds), or a negative errno. Only while this process has one thread.
 */
int bench_apart(int (*run)(void *context, void *answer), void *context, void *answer, size_t size, unsigned limit_s);

/* Runs a command with its standard output dropped. Returns 0, -ECHILD when it did not exit with 0, or a negative errno. */
int bench_command(const char *const *arguments);

#endif

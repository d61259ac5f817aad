/* SPDX-License-Identifier: MIT
 *
 * memory.c - pauses and signals of threads. How much memory is free, POSIX does not say.
 */
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "posix.h"

void premap__os_pause_us(uint32_t pause_us) {
  struct timespec left = {.tv_sec = (time_t)(pause_us / 1000000U), .tv_nsec = (long)(pause_us % 1000000U) * 1000L};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

void premap__os_yield(void) {
  (void)sched_yield();
}

void premap__os_leave_signals(void) {
  /* All but those that an instruction of this very thread raises: blocked, they would end the process without its handler. */
  static const int own[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SIGSYS};
  sigset_t signals;
  sigfillset(&signals);
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    sigdelset(&signals, own[i]);
  (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* fails only for another first argument */
}

/* SPDX-License-Identifier: MIT
 *
 * memory.c - pauses. How much memory is free, POSIX does not say.
 */
#include <sched.h>
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

/* SPDX-License-Identifier: MIT
 *
 * module.c - the library as a part of the process.
 */
#include "posix.h"

/* Who unloads it calls premap_shutdown first, as premap.h says. */
void premap__os_stay_loaded(void) {
}

bool premap__os_threads_are_gone(void) {
  return false; /* they run until the last function of atexit has returned */
}

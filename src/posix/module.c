/* SPDX-License-Identifier: MIT
 *
 * module.c - the library as a part of the process.
 */
#include <pthread.h>

#include "posix.h"

/* Who unloads it calls premap_shutdown first, as premap.h says. */
void premap__os_stay_loaded(void) {
}

premap__status premap__os_at_fork(void (*prepare)(void), void (*in_parent)(void), void (*in_child)(void)) {
  int os_error = pthread_atfork(prepare, in_parent, in_child);
  return os_error != 0 ? premap__os_error(os_error) : premap__posix_well;
}

bool premap__os_threads_are_gone(void) {
  return false; /* they run until the last function of atexit has returned */
}

/* SPDX-License-Identifier: MIT
 *
 * event_linux.c - the same by an eventfd: one descriptor instead of two.
 */
#include <sys/eventfd.h>

#include "posix.h"

premap__status premap__os_event_open(premap__os_event *event) {
  int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0)
    return premap__os_error(errno);
  *event = (premap__os_event){.wait = descriptor, .signal = descriptor};
  return premap__posix_well;
}

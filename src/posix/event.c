/* SPDX-License-Identifier: MIT
 *
 * event.c - a descriptor that is readable while an event is set: a pipe with a byte in it.
 */
#include <fcntl.h>
#include <unistd.h>

#include "posix.h"

premap__status premap__posix_event_open_portable(premap__os_event *event) {
  int ends[2];
  premap__status status = premap__posix_pipe_open(ends);
  if (status.code == 0)
    *event = (premap__os_event){.wait = ends[0], .signal = ends[1]};
  return status;
}

/* Neither can fail: there is never more than one number in it. */
void premap__os_event_set(const premap__os_event *event) {
  const uint64_t one = 1; /* an eventfd takes no less */
  ssize_t written;
  do {
    written = write((int)event->signal, &one, sizeof one);
  } while (written < 0 && errno == EINTR);
}

void premap__os_event_clear(const premap__os_event *event) {
  uint64_t count;
  ssize_t got;
  do {
    got = read((int)event->wait, &count, sizeof count);
  } while (got < 0 && errno == EINTR);
}

intptr_t premap__os_event_descriptor(const premap__os_event *event) {
  return event->wait;
}

static premap__status replace(intptr_t *descriptor, intptr_t by) {
  /* Keeps the number, as the program has it in its own loop. */
  premap__status status = dup2((int)by, (int)*descriptor) < 0 || fcntl((int)*descriptor, F_SETFD, FD_CLOEXEC) < 0
                              ? premap__os_error(errno)
                              : premap__posix_well;
  premap__os_close(by);
  return status;
}

premap__status premap__os_event_renew(premap__os_event *event) {
  premap__os_event fresh;
  premap__status status = premap__os_event_open(&fresh);
  if (status.code != 0)
    return status;
  bool is_one = event->wait == event->signal;
  status = replace(&event->wait, fresh.wait);
  if (is_one)
    return status;
  premap__status second = replace(&event->signal, fresh.signal);
  return status.code != 0 ? status : second;
}

void premap__os_event_close(const premap__os_event *event) {
  premap__os_close(event->wait);
  if (event->signal != event->wait)
    premap__os_close(event->signal);
}

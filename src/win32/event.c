/* SPDX-License-Identifier: MIT
 *
 * event.c - a handle that can be waited for while an event is set.
 */
#include "win32.h"

premap__status premap__os_event_open(premap__os_event *event) {
  HANDLE handle = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (handle == NULL)
    return premap__win32_last_error();
  *event = (premap__os_event){.wait = (intptr_t)handle, .signal = (intptr_t)handle};
  return premap__win32_well;
}

void premap__os_event_set(const premap__os_event *event) {
  (void)SetEvent((HANDLE)event->signal); /* fails only for what is no event */
}

void premap__os_event_clear(const premap__os_event *event) {
  (void)ResetEvent((HANDLE)event->signal);
}

intptr_t premap__os_event_descriptor(const premap__os_event *event) {
  return event->wait;
}

/* There is no fork. */
premap__status premap__os_event_renew(premap__os_event *event) {
  (void)event;
  return premap__os_error(ERROR_CALL_NOT_IMPLEMENTED);
}

void premap__os_event_close(const premap__os_event *event) {
  (void)CloseHandle((HANDLE)event->wait);
}

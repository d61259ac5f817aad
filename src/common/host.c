/* SPDX-License-Identifier: MIT
 *
 * host.c - a loader of a host's libuv loop: what has ended is told on the loop's thread.
 *
 * All that is in the host's loop is one uv_async_t, unreferenced while nothing loads that the loop's thread started. To detach,
 * all of the loader's files are cancelled, which ends them at once whatever their workers are stuck in, and the handle is
 * closed when the last of them is told.
 */
#include "schedule.h"

#include <premap/uv.h>
#include <stdlib.h>
#include <utlist.h>

struct premap__host {
  /* Guarded by its monitor. */
  premap__note *notes; /* to be told */
  size_t expected;     /* notes of started files that are not told yet */
  size_t ended;        /* of the known loads, since the loop's thread last looked */
  bool is_open;        /* async may be sent to */

  /* The loop thread's own, but for thread, which never changes. */
  uv_thread_t thread;
  uv_async_t async;
  bool is_detached;
  size_t known; /* loads that were started on the loop's thread, and have not ended as far as it knows */
  premap_loader *loader;
  void (*closed)(void *argument);
  void *argument;
};

static void on_closed(uv_handle_t *handle) {
  premap__host *host = handle->data;
  void (*closed)(void *argument) = host->closed;
  void *argument = host->argument;
  premap__loader_release(host->loader); /* the host goes with the last reference */
  if (closed != NULL)
    closed(argument);
}

/* Once it is detached and all is told. */
static void close_if_done(premap__host *host) {
  premap__monitor *monitor = premap__monitor_enter(host);
  bool is_done = host->is_detached && host->expected == 0 && host->is_open;
  if (is_done)
    host->is_open = false;
  uv_mutex_unlock(&monitor->lock);
  if (is_done)
    uv_close((uv_handle_t *)&host->async, on_closed);
}

static premap__note *take_notes(premap__host *host) {
  premap__monitor *monitor = premap__monitor_enter(host);
  premap__note *notes = host->notes;
  host->notes = NULL;
  host->known -= host->ended;
  host->ended = 0;
  for (const premap__note *note = notes; note != NULL; note = note->next) {
    host->expected--;
    host->known -= note->is_known_to_host;
  }
  uv_mutex_unlock(&monitor->lock);
  return notes;
}

/* A callback may detach the loader, which then closes only after this. */
static void on_async(uv_async_t *async) {
  premap__host *host = async->data;
  premap__note *notes = take_notes(host);
  premap__note *note, *next;
  DL_FOREACH_SAFE(notes, note, next) {
    DL_DELETE(notes, note);
    premap__note_tell(note);
  }
  if (host->known == 0 && !host->is_detached)
    uv_unref((uv_handle_t *)async);
  close_if_done(host);
}

static bool is_on_loop(const premap__host *host) {
  uv_thread_t self = uv_thread_self();
  return uv_thread_equal(&host->thread, &self) != 0;
}

/* ---- Called by the scheduler and by whoever ends a file */

static void wake_locked(premap__host *host) {
  if (host->is_open)
    uv_async_send(&host->async);
}

bool premap__host_started(premap__host *host) {
  if (!is_on_loop(host))
    return false;
  if (host->known++ == 0)
    uv_ref((uv_handle_t *)&host->async);
  return true;
}

void premap__host_ended(premap__host *host) {
  premap__monitor *monitor = premap__monitor_enter(host);
  host->ended++;
  wake_locked(host);
  uv_mutex_unlock(&monitor->lock);
}

bool premap__host_expect(premap__host *host) {
  premap__monitor *monitor = premap__monitor_enter(host);
  host->expected++;
  uv_mutex_unlock(&monitor->lock);
  return premap__host_started(host);
}

void premap__host_tell(premap__host *host, premap__note *note) {
  premap__monitor *monitor = premap__monitor_enter(host);
  DL_APPEND(host->notes, note);
  wake_locked(host);
  uv_mutex_unlock(&monitor->lock);
}

/* ---- Attach and detach */

int premap_loader_attach(premap_loader **made, uv_loop_t *loop, const premap_loader_options *options) {
  if (made == NULL || loop == NULL)
    return PREMAP_EINVAL;
  premap_loader *loader;
  int code = premap__loader_make(&loader, options);
  *made = NULL;
  if (code != 0)
    return code;
  premap__host *host = calloc(1, sizeof *host);
  code = host == NULL ? PREMAP_ENOMEM : uv_async_init(loop, &host->async, on_async);
  if (code != 0) {
    free(host);
    premap__loader_release(loader);
    return code; /* libuv's codes are ours */
  }
  host->async.data = host;
  host->thread = uv_thread_self();
  host->loader = loader;
  host->is_open = true;
  uv_unref((uv_handle_t *)&host->async);
  loader->host = host;
  premap__schedule_lock();
  premap__pool_share_locked();
  premap__schedule_unlock();
  *made = loader;
  return 0;
}

void premap_loader_detach(premap_loader *loader, void (*closed)(void *argument), void *argument) {
  premap__host *host = loader->host;
  host->closed = closed;
  host->argument = argument;
  premap__schedule_lock();
  loader->is_closed = true;
  premap__loader_cancel_locked(loader);
  premap__schedule_unlock();
  host->is_detached = true;
  uv_ref((uv_handle_t *)&host->async);
  close_if_done(host);
}

void premap__host_free(premap__host *host) {
  free(host);
}

/* With all monitors. Whether the loop lives on in the child is for the program to say (uv_loop_fork). */
void premap__host_orphan(premap__host *host) {
  premap__note *note, *next;
  DL_FOREACH_SAFE(host->notes, note, next) {
    DL_DELETE(host->notes, note);
    free(note);
  }
  host->expected = 0;
  host->ended = 0;
  host->known = 0;
  if (!host->is_detached)
    uv_unref((uv_handle_t *)&host->async);
}

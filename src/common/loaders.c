/* SPDX-License-Identifier: MIT
 *
 * loaders.c - loaders as the program has them: made with limits, drained, closed, and their numbers.
 */
#include "limits.h"
#include "schedule.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* ---- Limits */

/* The structure only grows at its end, as premap_options does. */
static int read_options(premap_loader_options *to, const premap_loader_options *options) {
  *to = (premap_loader_options)PREMAP_LOADER_OPTIONS_INIT;
  if (options == NULL)
    return 0;
  size_t size = options->size;
  if (size < sizeof options->size)
    return PREMAP_EINVAL;
  for (size_t i = sizeof *to; i < size; i++)
    if (((const unsigned char *)options)[i] != 0)
      return PREMAP_E2BIG;
  memcpy(to, options, size < sizeof *to ? size : sizeof *to);
  if (to->bytes_in_flight_max != 0 && to->bytes_in_flight_max < PREMAP_CHUNK_SIZE_MIN)
    return PREMAP_EINVAL;
  return to->flags == 0 ? 0 : PREMAP_ENOTSUP;
}

static uint64_t or_none(uint64_t limit) {
  return limit != 0 ? limit : UINT64_MAX;
}

int premap__loader_set_limits(premap_loader *loader, const premap_loader_options *options) {
  premap_loader_options read;
  int code = read_options(&read, options);
  if (code != 0)
    return code;
  loader->limits = (premap__limits){.workers = or_none(read.workers_max),
                                    .queued = or_none(read.queued_max),
                                    .queued_wait_ms = read.queued_wait_ms,
                                    .bytes_in_flight = or_none(read.bytes_in_flight_max),
                                    .open_files = or_none(read.open_files_max),
                                    .maps = or_none(read.maps_max),
                                    .memory = or_none(read.memory_max)};
  loader->most_urgent = PREMAP_PRIORITY_MIN - 1;
  return 0;
}

/* ---- Objects: freed with the last of the user's reference and those of its files */

int premap__loader_make(premap_loader **made, const premap_loader_options *options) {
  if (made == NULL)
    return PREMAP_EINVAL;
  *made = NULL;
  if (!premap__schedule_ready())
    return PREMAP_ENOMEM;
  premap_loader *loader = calloc(1, sizeof *loader);
  if (loader == NULL)
    return PREMAP_ENOMEM;
  int code = premap__loader_set_limits(loader, options);
  if (code != 0) {
    free(loader);
    return code;
  }
  atomic_init(&loader->references, 1);
  premap__schedule_lock();
  premap__schedule_list_locked(loader, true);
  premap__schedule_unlock();
  *made = loader;
  return 0;
}

int premap_loader_create(premap_loader **loader, const premap_loader_options *options) {
  return premap__loader_make(loader, options);
}

/* The default loader is for ever; not counting its files keeps threads that create from meeting at one number. */
void premap__loader_retain(premap_loader *loader) {
  if (loader != &premap__default_loader)
    atomic_fetch_add_explicit(&loader->references, 1, memory_order_relaxed);
}

void premap__loader_release(premap_loader *loader) {
  if (loader == &premap__default_loader || atomic_fetch_sub_explicit(&loader->references, 1, memory_order_acq_rel) > 1)
    return;
  premap__schedule_lock();
  premap__schedule_list_locked(loader, false);
  premap__schedule_unlock();
  premap__order_free(&loader->waiting);
  premap__host_free(loader->host);
  free(loader);
}

/* ---- Drain and close */

static bool is_idle_locked(const premap_loader *loader) {
  return loader->waiting.count == 0 && loader->begun == NULL;
}

static int wait_until_idle_locked(const premap_loader *loader, uint64_t deadline_ns) {
  while (!is_idle_locked(loader))
    if (!premap__schedule_wait(deadline_ns))
      return is_idle_locked(loader) ? 0 : PREMAP_ETIMEDOUT;
  return 0;
}

int premap_loader_drain(premap_loader *loader, int64_t timeout_ms) {
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  if (!premap__schedule_ready())
    return PREMAP_ENOMEM;
  premap__schedule_lock();
  int code = wait_until_idle_locked(loader != NULL ? loader : &premap__default_loader, deadline_ns);
  premap__schedule_unlock();
  return code;
}

int premap_loader_close(premap_loader *loader, int64_t timeout_ms) {
  if (loader == NULL || loader == &premap__default_loader || loader->host != NULL)
    return PREMAP_EINVAL;
  uint64_t deadline_ns = premap__deadline_ns(timeout_ms);
  premap__schedule_lock();
  loader->is_closed = true;
  premap__loader_cancel_locked(loader);
  int code = wait_until_idle_locked(loader, deadline_ns);
  premap__schedule_unlock();
  premap__loader_release(loader);
  return code;
}

/* ---- Numbers */

void premap__loader_count(premap_loader *loader, const premap__file *file, premap__state state, bool add) {
  static const size_t places[] = {[PREMAP__READY] = 0, [PREMAP__FAILED] = 1, [PREMAP__CANCELLED] = 2};
  uint64_t one = add ? 1 : UINT64_MAX; /* that is -1 */
  atomic_fetch_add_explicit(&loader->ended[places[state]], one, memory_order_relaxed);
  if (state != PREMAP__READY)
    return;
  atomic_fetch_add_explicit(&loader->bytes, one * premap__file_size(file), memory_order_relaxed);
  if (file->partial)
    atomic_fetch_add_explicit(&loader->partial, one, memory_order_relaxed);
}

static uint64_t ended(premap_loader *loader, int which) {
  return atomic_load_explicit(&loader->ended[which], memory_order_relaxed);
}

static void read_numbers_locked(premap_loader *loader, premap_loader_metrics *to) {
  const size_t *counts = loader->counts;
  to->workers = premap__pool_limit_locked();
  to->queued = counts[PREMAP__QUEUED];
  to->loading = counts[PREMAP__RUNNING] + counts[PREMAP__HELPED];
  to->interrupted = counts[PREMAP__SUSPENDED];
  to->starved = counts[PREMAP__STARVED];
  to->started = loader->started;
  to->deadlines_missed = loader->deadlines_missed;
  to->interruptions = loader->interruptions;
  to->bytes_in_flight = atomic_load_explicit(&loader->bytes_in_flight, memory_order_relaxed);
  to->ready = ended(loader, 0);
  to->failed = ended(loader, 1);
  to->cancelled = ended(loader, 2);
  to->partial = atomic_load_explicit(&loader->partial, memory_order_relaxed);
  to->bytes_loaded = atomic_load_explicit(&loader->bytes, memory_order_relaxed);
  bool is_lower = to->workers == 0 || loader->limits.workers < to->workers; /* than the pool's, whose size shows at its start */
  to->workers_max = is_lower ? loader->limits.workers : to->workers;
  to->queued_max = loader->limits.queued;
  to->bytes_in_flight_max = loader->limits.bytes_in_flight;
  to->open_files_max = loader->limits.open_files;
}

int premap_metrics(premap_loader *loader, premap_loader_metrics *metrics) {
  if (metrics == NULL || metrics->size < sizeof metrics->size)
    return PREMAP_EINVAL;
  if (!premap__schedule_ready())
    return PREMAP_ENOMEM;
  if (loader == NULL)
    loader = &premap__default_loader;
  premap_loader_metrics full = {0};
  premap__schedule_lock();
  read_numbers_locked(loader, &full);
  premap__schedule_unlock();
  premap__budget_read(loader, &full);
  premap__copy_sized(metrics, metrics->size, &full, sizeof full);
  return 0;
}

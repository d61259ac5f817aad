/* SPDX-License-Identifier: MIT
 *
 * premap/uv.h - a loader whose completions arrive on a libuv loop of the program's.
 */
#ifndef PREMAP_UV_H
#define PREMAP_UV_H

#include <uv.h>

#include <premap/premap.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a loader for a loop that the caller runs: callbacks of its files are made on the loop's thread only, from within
 * uv_run. The files themselves are loaded on libuv's pool, of which all loaders together then leave at least half (rounded
 * down) to others, for as long as the process lives. On the loop's thread only. The loop stays alive while files load that were
 * started on its thread. The caller ends it with premap_loader_detach. options may be null. Errors as premap_loader_create, and
 * those of uv_async_init. Since 0.1. */
PREMAP_EXPORT int premap_loader_attach(premap_loader **loader, uv_loop_t *loop, const premap_loader_options *options);

/* Cancels what it loads, makes the callbacks that are left (PREMAP_ECANCELED) from within the loop, and then calls closed,
 * which may be null, with the argument: from then on the loop has nothing of premap's, even while a thread of the pool is still
 * stuck in a file system. Does not block. On the loop's thread only; the loader may not be used any more, but READY files of it
 * may. Since 0.1. */
PREMAP_EXPORT void premap_loader_detach(premap_loader *loader, void (*closed)(void *argument), void *argument);

#ifdef __cplusplus
}
#endif

#endif

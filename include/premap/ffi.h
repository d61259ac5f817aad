/* SPDX-License-Identifier: MIT
 *
 * premap/ffi.h - the functions for language runtimes: 64-bit integers and plain pointers only, no structures.
 *
 * Handles are the same as premap_file's and may be mixed with premap.h. All are thread-safe, and none can crash on a bad
 * handle. Since 0.1.
 */
#ifndef PREMAP_FFI_H
#define PREMAP_FFI_H

#include <stdint.h>

#include <premap/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a handle; opens nothing. path: UTF-8, NUL-terminated, copied. mode: 0 read-only, 2 read-write, 3 copy-on-write.
 * prefault: 0 NONE, 1 POPULATE. Returns the handle, or 0 for a null or empty path, another mode or prefault, or no memory. */
PREMAP_EXPORT int64_t native_async_file_create(const char *path, int64_t mode, int64_t prefault);

/* Puts the file in the pool's queue. 0, or a negative PREMAP_E* code. */
PREMAP_EXPORT int64_t native_async_file_start_loading(int64_t file);

/* 1 or 0; an invalid handle is neither ready nor failed. */
PREMAP_EXPORT int64_t native_async_file_is_ready(int64_t file);
PREMAP_EXPORT int64_t native_async_file_is_failed(int64_t file);

/* 0 PENDING, 1 LOADING, 2 READY, 3 FAILED; 3 for an invalid handle. */
PREMAP_EXPORT int64_t native_async_file_get_state(int64_t file);

/* Blocks until the file has finished, starting it when it was not. Returns the address of its bytes, non-zero for an empty file
 * too, or 0 when it failed, the handle is invalid, or timeout_ms passed (negative: for ever). */
PREMAP_EXPORT int64_t native_async_file_wait(int64_t file);
PREMAP_EXPORT int64_t native_async_file_wait_timeout(int64_t file, int64_t timeout_ms);

/* Bytes in the region of a READY file, or a negative code (PREMAP_EAGAIN: not finished). */
PREMAP_EXPORT int64_t native_async_file_size(int64_t file);

/* The file's error code: 0 when it has not failed, negative otherwise. Its message goes to buffer (NUL-terminated, cut at
 * capacity; null or 0: none). */
PREMAP_EXPORT int64_t native_async_file_error(int64_t file, char *buffer, int64_t capacity);

/* As premap_cancel and premap_close: 0, or a negative code. */
PREMAP_EXPORT int64_t native_async_file_cancel(int64_t file);
PREMAP_EXPORT int64_t native_async_file_close(int64_t file);

/* Lets other threads run: for loops that poll. */
PREMAP_EXPORT void async_yield(void);

#ifdef __cplusplus
}
#endif

#endif

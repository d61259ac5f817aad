/* SPDX-License-Identifier: MIT
 *
 * ffi.c - the integer functions for language runtimes, each a thin turn to premap.h.
 */
#include "internal.h"

#include <premap/ffi.h>

int64_t native_async_file_create(const char *path, int64_t mode, int64_t prefault) {
  if (mode < 0 || mode > UINT8_MAX || (prefault != PREMAP_PREFAULT_NONE && prefault != PREMAP_PREFAULT_POPULATE))
    return 0;
  premap_options options = PREMAP_OPTIONS_INIT;
  options.mode = (uint32_t)mode;
  options.prefault = (uint32_t)prefault;
  premap_file file = premap_create(path, &options);
  return file > 0 ? file : 0;
}

int64_t native_async_file_start_loading(int64_t file) {
  return premap_start(file);
}

int64_t native_async_file_is_ready(int64_t file) {
  return premap_is_ready(file);
}

int64_t native_async_file_is_failed(int64_t file) {
  return premap_is_failed(file);
}

int64_t native_async_file_get_state(int64_t file) {
  int state = premap_state(file);
  return state >= 0 ? state : PREMAP_FAILED;
}

int64_t native_async_file_wait(int64_t file) {
  return native_async_file_wait_timeout(file, -1);
}

int64_t native_async_file_wait_timeout(int64_t file, int64_t timeout_ms) {
  premap_region region;
  return premap_wait(file, timeout_ms, &region) >= 0 ? (int64_t)(uintptr_t)region.data : 0;
}

int64_t native_async_file_size(int64_t file) {
  premap_region region;
  int result = premap_region_of(file, &region);
  return result == 0 ? (int64_t)region.size : result;
}

int64_t native_async_file_error(int64_t file, char *buffer, int64_t capacity) {
  premap_error_message(file, buffer, capacity > 0 ? (size_t)capacity : 0);
  return premap_error(file);
}

int64_t native_async_file_cancel(int64_t file) {
  return premap_cancel(file);
}

int64_t native_async_file_close(int64_t file) {
  return premap_close(file);
}

void async_yield(void) {
  premap__os_yield();
}

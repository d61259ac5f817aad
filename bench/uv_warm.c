/* SPDX-License-Identifier: MIT
 *
 * uv_warm.c - makes libuv start its pool.
 */
#include "uv_warm.h"

#include <stddef.h>
#include <stdlib.h>
#include <uv.h>

static void do_nothing(uv_work_t *work) {
  (void)work;
}

int bench_uv_warm_pool(void) {
  uv_loop_t loop;
  uv_work_t work;
  int error = uv_loop_init(&loop);
  if (error != 0)
    return error;
  error = uv_queue_work(&loop, &work, do_nothing, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return error;
}

int bench_uv_pool_size(void) {
  const char *text = getenv("UV_THREADPOOL_SIZE");
  int size = text != NULL ? atoi(text) : 4;
  return size >= 1 ? size : 1;
}

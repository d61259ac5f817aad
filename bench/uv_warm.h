/* SPDX-License-Identifier: MIT
 *
 * uv_warm.h - libuv's pool as a program has it that used it before.
 */
#ifndef BENCH_UV_WARM_H
#define BENCH_UV_WARM_H

/* Starts the pool's threads. 0 or libuv's code. */
int bench_uv_warm_pool(void);

/* The threads that libuv gives its pool: four, unless UV_THREADPOOL_SIZE says otherwise. */
int bench_uv_pool_size(void);

#endif

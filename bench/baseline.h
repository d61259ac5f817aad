/* SPDX-License-Identifier: MIT
 *
 * baseline.h - what the cheapest possible answer costs: a call into a shared library that does one acquire load.
 */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include <stdatomic.h>
#include <stdint.h>

int baseline_is_ready(const _Atomic uint64_t *word);

#endif

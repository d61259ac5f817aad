/* SPDX-License-Identifier: MIT */
#include "baseline.h"

int baseline_is_ready(const _Atomic uint64_t *word) {
  return atomic_load_explicit(word, memory_order_acquire) == 2;
}

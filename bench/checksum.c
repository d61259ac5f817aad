/* SPDX-License-Identifier: MIT
 *
 * checksum.c - position-dependent sums of 64-bit words.
 */
#include "checksum.h"

#include <string.h>

/* Multiplying by odd constants and folding the high half down, so that each bit of the place reaches every bit. */
uint64_t bench_mix(uint64_t place) {
  uint64_t mixed = (place + 1) * UINT64_C(0x9E3779B97F4A7C15);
  mixed = (mixed ^ (mixed >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
  return mixed ^ (mixed >> 32);
}

static uint64_t sum_of_word(uint64_t place, uint64_t word) {
  uint64_t mixed = (word ^ (place * UINT64_C(0x9E3779B97F4A7C15))) * UINT64_C(0xD6E8FEB86659FD93);
  return mixed ^ (mixed >> 32);
}

uint64_t bench_checksum(uint64_t offset, const void *data, size_t size) {
  const unsigned char *bytes = data;
  uint64_t place = offset / 8, sum = 0, word;
  for (; size >= 8; size -= 8, bytes += 8) {
    memcpy(&word, bytes, 8);
    sum += sum_of_word(place++, word);
  }
  if (size > 0) {
    word = 0;
    memcpy(&word, bytes, size);
    sum += sum_of_word(place, word);
  }
  return sum;
}

/* SPDX-License-Identifier: MIT
 *
 * checksum.h - checksums that can be taken piece by piece, in any order: the sum of a file is the sum of its pieces' sums.
 */
#ifndef BENCH_CHECKSUM_H
#define BENCH_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of the piece at an offset of its file that is a multiple of 8. Each byte counts, and so does its place. */
uint64_t bench_checksum(uint64_t offset, const void *data, size_t size);

/* The same number for the same place, for files whose bytes shall differ from place to place. */
uint64_t bench_mix(uint64_t place);

#endif

/* SPDX-License-Identifier: MIT
 *
 * contestant_direct_absent.c - in the place of reads by io_uring where the build did not find liburing.
 */
#include <stddef.h>

#include "contestants.h"

const bench_contestant bench_family_direct[] = {{.name = "direct",
                                                 .what = "O_DIRECT, io_uring, 32 reads of 1 MiB under way",
                                                 .traits = BENCH_COLD_ONLY,
                                                 .absent = "pkg-config knew no liburing when this was built"},
                                                {.name = NULL}};

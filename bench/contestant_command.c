/* SPDX-License-Identifier: MIT
 *
 * contestant_command.c - the command premap load.
 */
#include <stddef.h>

#include "apart.h"
#include "contestants.h"

static int load(const bench_job *job) {
  const char *arguments[] = {BENCH_PREMAP, "load", "--quiet", "--null", "--from", job->workload->list, NULL};
  return bench_command(arguments);
}

const bench_contestant bench_family_command[] = {
    {.name = "premap-command", .what = "the command premap load", .load = load, .traits = BENCH_LEAVES_IN_CACHE},
    {.name = NULL}};

/* SPDX-License-Identifier: MIT
 *
 * contestant_vmtouch.c - the command vmtouch -t.
 */
#include <stddef.h>

#include "apart.h"
#include "contestants.h"

static int load(const bench_job *job) {
  /* By default it leaves files of more than 500 MiB out. */
  const char *arguments[] = {BENCH_VMTOUCH, "-q", "-t", "-m", "1024G", "-0", "-b", job->workload->list, NULL};
  return bench_command(arguments);
}

const bench_contestant bench_family_vmtouch[] = {
    {.name = "vmtouch", .what = "the command vmtouch -t", .load = load, .traits = BENCH_LEAVES_IN_CACHE}, {.name = NULL}};

/* SPDX-License-Identifier: MIT
 *
 * contestant_vmtouch_absent.c - in vmtouch's place where the build did not find it.
 */
#include <stddef.h>

#include "contestants.h"

const bench_contestant bench_family_vmtouch[] = {
    {.name = "vmtouch", .what = "the command vmtouch -t", .absent = "there was no command vmtouch when this was built"},
    {.name = NULL}};

/* SPDX-License-Identifier: MIT
 *
 * contestant_command_absent.c - in the command's place where it is not built.
 */
#include <stddef.h>

#include "contestants.h"

const bench_contestant bench_family_command[] = {
    {.name = "premap-command", .what = "the command premap load", .absent = "built with PREMAP_BUILD_TOOL off"},
    {.name = NULL}};

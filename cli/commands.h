/* SPDX-License-Identifier: MIT
 *
 * commands.h - the commands. Each returns the exit status.
 */
#ifndef PREMAP_CLI_COMMANDS_H
#define PREMAP_CLI_COMMANDS_H

#include "options.h"

int command_load(const cli_options *options);
int command_cat(const cli_options *options);
int command_status(const cli_options *options);
int command_evict(const cli_options *options);

#endif

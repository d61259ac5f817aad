/* SPDX-License-Identifier: MIT
 *
 * names.h - all the files that the user named, one after the other.
 */
#ifndef PREMAP_CLI_NAMES_H
#define PREMAP_CLI_NAMES_H

#include "options.h"
#include "system.h"

/* Visits the paths in the order given, directories entered, and then the list of --from. False when a visit stopped it. */
bool names_visit(const cli_options *options, system_visit *visit, void *context);

#endif

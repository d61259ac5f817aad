/* SPDX-License-Identifier: MIT
 *
 * progress.h - one line on stderr that shows how far a run is, while stderr is a terminal.
 */
#ifndef PREMAP_CLI_PROGRESS_H
#define PREMAP_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* There is one terminal, so there is one of it: these are for the main thread. Without begin the others do nothing. */
void progress_begin(void);
bool progress_is_on(void);
/* Is it time to draw again? Then counting what to draw is worth it. */
bool progress_is_due(void);
/* Bytes done, of how many; files done. */
void progress_draw(uint64_t done, uint64_t total, uint64_t files);
/* Takes the line away: before anything else is written to the terminal, and at the end. */
void progress_hide(void);

#endif

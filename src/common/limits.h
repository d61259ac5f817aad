/* SPDX-License-Identifier: MIT
 *
 * limits.h - what a load may take, and when it has to wait for others: bytes in flight, turns, memory and maps.
 */
#ifndef PREMAP_LIMITS_H
#define PREMAP_LIMITS_H

#include "internal.h"

/* ---- chunk.c: what a load does between its chunks */

bool premap__loader_is_gentle(const premap__file *file);
/* Is less to be in flight than the system would read ahead: a gentle load, or one of a loader with such a limit? */
bool premap__loader_is_bounded(const premap__file *file);

/* Of a gentle load: so many bytes come in while as many before them are made present. Where no more than that follow,
 * read-ahead has nothing to add. */
#define PREMAP__PACED_PIECE ((uint64_t)512 << 10)

/* A chunk on its way. */
typedef struct premap__flight {
  struct premap__flight *prev, *next; /* under the scheduler's lock */
  premap__file *file;
  uint64_t bytes;
  uint64_t gentle; /* of these, what counts for all gentle loads together */
} premap__flight;

/* How much of *size bytes may be brought in now; waits for others that are under way. Ended by premap__loader_end_chunk, unless
 * it fails, with *size 0: the file was cancelled (PREMAP_ECANCELED), or a pool thread has waited long enough (PREMAP_EAGAIN:
 * then premap__loader_wait_for_flights of the same size). A gentle file that paces itself has no more than is allowed in
 * flight, whatever its chunk is, while no other gentle one has any. */
premap__status premap__loader_begin_chunk(premap__file *file, size_t *size, bool paces_itself, premap__flight *flight);
void premap__loader_end_chunk(premap__flight *flight);
/* Gives the thread back until something has come in. Well: try again; PREMAP__INTERRUPTED: the file is not the caller's any
 * more.
 */
premap__status premap__loader_wait_for_flights(premap__file *file, size_t size, bool paces_itself);
/* Between two chunks of a file that the caller loads: waits as the file's options say, though not for what is more urgent, or
 * if it is cancelled. True: something more urgent waits, and the file was put aside for it; it is not the caller's any more. */
bool premap__loader_interrupts(premap__file *file);
/* Ends the wait of a thread that loads a file which was cancelled. */
void premap__loader_wake(void);

/* May it be that premap__loader_interrupts puts the file aside? A hint. */
bool premap__loader_may_interrupt(const premap__file *file);

/* ---- budget.c: memory and maps that loads may use */

/* Fills in what it knows of a loader. */
void premap__budget_read(premap_loader *loader, premap_loader_metrics *to);
/* May size more bytes be copied? Counts them as held by the file if so, and what is much also as not filled yet, until
 * premap__budget_copied: from then on the system counts it as used. */
bool premap__budget_copy(premap__file *file, uint64_t size);
/* The same where it may as well be mapped: so not if all copies together hold much already, and this is no very small one. */
typedef enum premap__grant { PREMAP__GRANTED, PREMAP__GRANT_MANY_COPIES, PREMAP__GRANT_NO_MEMORY } premap__grant;
premap__grant premap__budget_copy_small(premap__file *file, uint64_t size);
void premap__budget_copied(premap__file *file);
/* The same for bytes that are no file's yet: they are given to one, by a thread that claimed it, or given back. */
bool premap__budget_copy_aside(premap_loader *loader, uint64_t size, bool may_be_mapped);
void premap__budget_adopt(premap__file *file, uint64_t size);
void premap__budget_give_back_aside(premap_loader *loader, uint64_t size);
/* Could size more bytes of the mapped file be made present now? Counts nothing. */
bool premap__budget_allows(const premap__file *file, uint64_t size);
/* May size more bytes of the mapped file be made present? Counts them as held if so, until given back. */
bool premap__budget_hold(premap__file *file, uint64_t size);
/* The same, but never more than the file's size in all: *held_more are counted. */
bool premap__budget_hold_more(premap__file *file, uint64_t size, uint64_t *held_more);
/* Counts bytes as held without asking, for what was in memory already. */
void premap__budget_hold_resident(premap__file *file, uint64_t size);
/* Gives back what the file holds, of pages or of its copy, at most size. Never with a lock held. */
void premap__budget_give_back(premap__file *file, uint64_t size);
/* One more map, if the limits allow. */
bool premap__budget_take_map(premap_loader *loader);
void premap__budget_give_back_map(premap_loader *loader);

#endif

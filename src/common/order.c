/* SPDX-License-Identifier: MIT
 *
 * order.c - the order in which files are loaded: higher priority first; within one the earliest deadline, then those without,
 * first come first served.
 *
 * Most files have no deadline, and come and go by the hundred thousand: a list for each priority takes and gives them in
 * constant time. Those with a deadline are in a binary heap.
 */
#include "schedule.h"

#include <stdlib.h>
#include <utlist.h>

#define NO_LEVEL (-1)

static int level_of(const premap__file *file) {
  return atomic_load_explicit(&file->priority, memory_order_relaxed) - PREMAP_PRIORITY_MIN;
}

/* ---- The heap of files with deadlines */

/* The numbers wrap; that files are further apart than half of them does not happen. */
static bool came_before(const premap__file *one, const premap__file *other) {
  return (int32_t)(one->ticket - other->ticket) < 0;
}

bool premap__order_is_before(const premap__file *one, const premap__file *other) {
  if (level_of(one) != level_of(other))
    return level_of(one) > level_of(other);
  /* Less one, so that none is the last of all. */
  if (one->deadline_ns != other->deadline_ns)
    return one->deadline_ns - 1 < other->deadline_ns - 1;
  return came_before(one, other);
}

static void heap_set(premap__order *order, size_t place, premap__file *file) {
  order->heap[place] = file;
  file->heap_place = place;
}

/* The file is to stand at an empty place, or above or below it. */
static void heap_settle(premap__order *order, size_t place, premap__file *file) {
  while (place > 0 && premap__order_is_before(file, order->heap[(place - 1) / 2])) {
    heap_set(order, place, order->heap[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
  for (size_t child; (child = 2 * place + 1) < order->heap_count; place = child) {
    if (child + 1 < order->heap_count && premap__order_is_before(order->heap[child + 1], order->heap[child]))
      child++;
    if (!premap__order_is_before(order->heap[child], file))
      break;
    heap_set(order, place, order->heap[child]);
  }
  heap_set(order, place, file);
}

static void heap_remove(premap__order *order, premap__file *file) {
  size_t place = file->heap_place;
  premap__file *last = order->heap[--order->heap_count];
  if (last != file)
    heap_settle(order, place, last);
}

bool premap__order_reserve(premap__order *order, size_t count) {
  if (count <= order->heap_capacity)
    return true;
  size_t capacity = order->heap_capacity * 2 > count ? order->heap_capacity * 2 : count;
  premap__file **larger = capacity <= SIZE_MAX / sizeof *larger ? realloc(order->heap, capacity * sizeof *larger) : NULL;
  if (larger == NULL)
    return false;
  order->heap = larger;
  order->heap_capacity = capacity;
  return true;
}

void premap__order_free(premap__order *order) {
  free(order->heap);
  order->heap = NULL;
  order->heap_capacity = 0;
}

void premap__order_clear(premap__order *order) {
  *order = (premap__order){.heap = order->heap, .heap_capacity = order->heap_capacity};
}

/* ---- The lists of files without */

enum { WORD_BITS = 32 };

static void mark(premap__order *order, int level, bool used) {
  uint32_t bit = (uint32_t)1 << level % WORD_BITS;
  if (used)
    order->used[level / WORD_BITS] |= bit;
  else
    order->used[level / WORD_BITS] &= ~bit;
}

static int highest_level(const premap__order *order) {
  for (int word = PREMAP__LEVELS / WORD_BITS - 1; word >= 0; word--)
    for (int bit = WORD_BITS - 1; order->used[word] != 0 && bit >= 0; bit--)
      if ((order->used[word] >> bit & 1) != 0)
        return word * WORD_BITS + bit;
  return NO_LEVEL;
}

/* ---- Both */

void premap__order_push(premap__order *order, premap__file *file, bool in_front) {
  order->count++;
  if (file->deadline_ns != 0) {
    heap_settle(order, order->heap_count++, file);
    return;
  }
  int level = level_of(file);
  if (in_front)
    DL_PREPEND(order->lists[level], file);
  else
    DL_APPEND(order->lists[level], file);
  mark(order, level, true);
}

void premap__order_remove(premap__order *order, premap__file *file) {
  order->count--;
  if (file->deadline_ns != 0) {
    heap_remove(order, file);
    return;
  }
  int level = level_of(file);
  DL_DELETE(order->lists[level], file);
  mark(order, level, order->lists[level] != NULL);
}

premap__file *premap__order_first(const premap__order *order) {
  int level = highest_level(order);
  premap__file *urgent = order->heap_count > 0 ? order->heap[0] : NULL;
  if (urgent != NULL && level_of(urgent) >= level)
    return urgent;
  return level != NO_LEVEL ? order->lists[level] : NULL;
}

/* In a list they are in front of all that have not begun. */
premap__file *premap__order_first_aside(const premap__order *order) {
  premap__file *first = NULL;
  for (size_t i = 0; i < order->heap_count; i++)
    if (premap__place_is_aside(order->heap[i]) && (first == NULL || premap__order_is_before(order->heap[i], first)))
      first = order->heap[i];
  for (int level = highest_level(order); level != NO_LEVEL && (first == NULL || level > level_of(first)); level--)
    if (order->lists[level] != NULL && premap__place_is_aside(order->lists[level]))
      first = order->lists[level];
  return first;
}

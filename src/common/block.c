/* SPDX-License-Identifier: MIT
 *
 * block.c - memory for the bytes of copied files.
 *
 * Large copies have pages of their own. Small ones come from malloc, which reuses what it has; but a group's small copies come
 * by the thousand, and mostly live and go together: they are laid one after the other into slabs. malloc's arenas grow by as
 * little as is asked for, and that cost as much as reading the file.
 */
#include "internal.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

#define ALIGNMENT ((size_t)64)
#define HEAP_MAX ((size_t)1 << 20)
#define SLAB_COPY_MAX ((size_t)64 << 10)
#define SLAB_MIN ((size_t)128 << 10) /* of a group's first slab; each next one is twice as large */
#define SLAB_MAX ((size_t)1 << 20)   /* of which copies leave less than a sixteenth at the end */
enum { SPARES_MAX = 8 }; /* so many wait for the next copies; for who closes the files one by one while others load */

/* At the beginning of its own pages. */
struct premap__slab {
  premap__slab *next; /* of the spare ones */
  size_t size;
  size_t used;         /* guarded by the slabs' monitor */
  _Atomic size_t uses; /* copies in it, and one for being the current one. Release, so that what was done with a copy comes
                        * before its memory's next use; acquire, so that whoever uses it sees that */
};

static size_t round_up(size_t size) {
  return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

/* ---- Slabs. In the monitor */

/* One use of it is over. */
static void let_go(premap__slabs *slabs, premap__slab *slab) {
  if (atomic_fetch_sub_explicit(&slab->uses, 1, memory_order_acq_rel) > 1)
    return;
  if (slabs->spares < SPARES_MAX) {
    LL_PREPEND(slabs->spare, slab);
    slabs->spares++;
  } else {
    premap__os_pages_free(slab, slab->size);
  }
}

/* Null: no memory. */
static premap__slab *find_slab(premap__slabs *slabs) {
  premap__slab *slab = slabs->spare;
  if (slab != NULL) {
    LL_DELETE(slabs->spare, slab);
    slabs->spares--;
    return slab;
  }
  size_t size = slabs->current == NULL ? SLAB_MIN : slabs->current->size < SLAB_MAX ? slabs->current->size * 2 : SLAB_MAX;
  slab = premap__os_pages_allocate(size);
  if (slab != NULL)
    slab->size = size;
  return slab;
}

/* Makes one the current one that has nothing in it. */
static bool turn_over(premap__slabs *slabs) {
  premap__slab *next = find_slab(slabs);
  if (next == NULL)
    return false;
  next->used = round_up(sizeof *next);
  atomic_store_explicit(&next->uses, 1, memory_order_relaxed);
  if (slabs->current != NULL)
    let_go(slabs, slabs->current);
  slabs->current = next;
  return true;
}

static bool has_room(const premap__slab *slab, size_t size) {
  return slab != NULL && slab->size - slab->used >= size;
}

static bool take_from_slab(premap__slabs *slabs, size_t size, premap__block *block) {
  premap__monitor *monitor = premap__monitor_enter(slabs);
  size_t rounded = round_up(size);
  bool taken = has_room(slabs->current, rounded) || turn_over(slabs);
  if (taken) {
    premap__slab *slab = slabs->current;
    *block = (premap__block){
        .data = (unsigned char *)slab + slab->used, .base = slab, .base_size = slab->size, .kind = PREMAP__BLOCK_SLAB};
    slab->used += rounded;
    atomic_fetch_add_explicit(&slab->uses, 1, memory_order_relaxed);
  }
  uv_mutex_unlock(&monitor->lock);
  return taken;
}

static void give_back_to_slab(premap__slabs *slabs, premap__slab *slab) {
  /* Mostly it is not the last one, and then nothing has to be guarded. */
  size_t uses = atomic_load_explicit(&slab->uses, memory_order_relaxed);
  while (uses > 1)
    if (atomic_compare_exchange_weak_explicit(&slab->uses, &uses, uses - 1, memory_order_release, memory_order_relaxed))
      return;
  premap__monitor *monitor = premap__monitor_enter(slabs);
  let_go(slabs, slab);
  uv_mutex_unlock(&monitor->lock);
}

void premap__slabs_end(premap__slabs *slabs) {
  premap__slab *slab, *next;
  LL_FOREACH_SAFE(slabs->spare, slab, next) {
    premap__os_pages_free(slab, slab->size);
  }
  if (slabs->current != NULL)
    premap__os_pages_free(slabs->current, slabs->current->size);
}

/* ---- Blocks */

static bool take_from_heap(size_t size, premap__block *block) {
  size_t base_size = size + ALIGNMENT - 1;
  unsigned char *base = malloc(base_size);
  if (base == NULL)
    return false;
  *block = (premap__block){
      .data = base + (0 - (uintptr_t)base) % ALIGNMENT, .base = base, .base_size = base_size, .kind = PREMAP__BLOCK_HEAP};
  return true;
}

bool premap__block_allocate(const premap__plan *plan, size_t size, premap__block *block) {
  if (plan->group != NULL && size <= SLAB_COPY_MAX)
    return take_from_slab(premap__group_slabs(plan->group), size, block);
  if (size <= HEAP_MAX)
    return take_from_heap(size, block);
  void *pages = premap__os_pages_allocate(size);
  *block = (premap__block){.data = pages, .base = pages, .base_size = size, .kind = PREMAP__BLOCK_PAGES};
  return pages != NULL;
}

void premap__block_free(const premap__plan *plan, const premap__block *block) {
  if (block->kind == PREMAP__BLOCK_SLAB)
    give_back_to_slab(premap__group_slabs(plan->group), block->base);
  else if (block->kind == PREMAP__BLOCK_HEAP)
    free(block->base);
  else
    premap__os_pages_free(block->base, block->base_size);
}

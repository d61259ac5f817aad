/* SPDX-License-Identifier: MIT
 *
 * inline.c - files that are in memory already, read by the thread that starts them.
 *
 * Who has claimed a file must end it, however long that takes. So the copy is made aside, before the file is claimed, and what
 * comes in the way of that leaves no trace: the file is queued as any other, and the worker finds out what it was.
 */
#include "limits.h"

/* Is a copy of it wanted, and nothing besides that takes time? */
static bool may_be_inline(const premap__plan *plan) {
  bool by_choice = plan->backing_asked == PREMAP_BACKING_AUTO && plan->mode != PREMAP_READ_WRITE &&
                   plan->prefault == PREMAP_PREFAULT_POPULATE && plan->advice == PREMAP_ADVICE_NORMAL;
  const uint32_t looked_at = PREMAP_INLINE_IF_CACHED | PREMAP_LOCK | PREMAP_CACHE_ONLY;
  return (plan->flags & looked_at) == PREMAP_INLINE_IF_CACHED && plan->pause_us == 0 &&
         (by_choice || plan->backing_asked == PREMAP_BACKING_COPIED);
}

/* Another thread may cancel the file meanwhile, which closes the directory if nobody else needs it. The descriptor of one made
 * by premap_open_fd nobody can close: its handle is not handed out yet. */
static bool open_aside(const premap__file *file, premap__copy *copy) {
  premap__plan *plan = file->plan;
  if (plan->from_descriptor) {
    copy->descriptor = file->descriptor;
    return premap__os_identify_cached(copy->descriptor, &copy->identity);
  }
  bool is_beneath = (plan->flags & PREMAP_BENEATH) != 0;
  if (is_beneath && !premap__plan_keep_directory(plan))
    return false;
  premap__os_how how = premap__file_how(file);
  bool opened = premap__os_open_cached(&how, &copy->descriptor, &copy->identity);
  if (is_beneath)
    premap__plan_let_directory_go(plan);
  return opened;
}

static void close_aside(const premap__file *file, premap__copy *copy) {
  if (!file->plan->from_descriptor && copy->descriptor != PREMAP__NO_FILE) {
    premap__os_close(copy->descriptor);
    premap__loader_freed(PREMAP__DESCRIPTORS);
  }
  copy->descriptor = PREMAP__NO_FILE;
}

/* Empty files are left to those who can find out whether they are. */
static bool measure(const premap__plan *plan, premap__copy *copy) {
  uint64_t whole = copy->identity.size;
  if (plan->offset >= whole || plan->length > whole - plan->offset)
    return false;
  uint64_t size = plan->length != 0 ? plan->length : whole - plan->offset;
  copy->size = (size_t)size;
  return size <= PREMAP_COPY_LIMIT;
}

/* The budget is asked last, so that others do not go without what was not needed in the end. */
static bool copy_aside(const premap__file *file, premap__copy *copy) {
  return open_aside(file, copy) && measure(file->plan, copy) && premap__block_allocate(file->plan, copy->size, &copy->block) &&
         premap__os_read_cached(copy->descriptor, copy->block.data, copy->size, file->plan->offset) &&
         premap__budget_copy_aside(file->plan->loader, copy->size, file->plan->backing_asked == PREMAP_BACKING_AUTO);
}

bool premap__inline_load(premap__file *file) {
  if (!may_be_inline(file->plan) || premap__file_was_started(file))
    return false;
  premap__copy copy = {.descriptor = PREMAP__NO_FILE, .began_ns = premap__now_ns()};
  bool has_all = copy_aside(file, &copy);
  if (!has_all || (file->plan->flags & PREMAP_KEEP_OPEN) == 0)
    close_aside(file, &copy);
  if (has_all && premap__loader_begin_here(file)) {
    premap__worker_adopt(file, &copy);
    return true;
  }
  if (has_all)
    premap__budget_give_back_aside(file->plan->loader, copy.size);
  close_aside(file, &copy);
  if (copy.block.base != NULL)
    premap__block_free(file->plan, &copy.block);
  return false;
}

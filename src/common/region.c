/* SPDX-License-Identifier: MIT
 *
 * region.c - what can be done with the bytes of a READY file.
 */
#include "limits.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#define HASH_NONFATAL_OOM 1 /* a full memory is an error of the call, not the end of the process */
#include <uthash.h>

/* A pinned READY file and a checked range of it. */
typedef struct range {
  premap__file *file;
  unsigned char *address;
  uint64_t offset; /* in the file */
  size_t size;
} range;

/* Resolves a range: 0 with one that is not empty and a pin to drop; 1 for an empty region, with nothing to do or drop; or a
 * code. */
static int borrow(premap_file handle, uint64_t offset, uint64_t length, range *found) {
  *found = (range){0};
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap__state state = premap__registry_state(file);
  size_t size = state == PREMAP__READY && !premap__file_is_cache_only(file) ? premap__file_size(file) : 0;
  if (state < PREMAP__READY)
    code = PREMAP_EAGAIN;
  else if (state > PREMAP__READY)
    code = premap__file_code(file, state);
  else if (offset > size || length > size - offset)
    code = PREMAP_ERANGE;
  else if (offset == size)
    code = 1;
  if (code != 0) {
    premap__registry_unpin(file);
    return code;
  }
  *found = (range){.file = file,
                   .address = (unsigned char *)file->data + offset,
                   .offset = file->plan->offset + offset,
                   .size = length != 0 ? (size_t)length : size - (size_t)offset};
  return 0;
}

static int give_back(const range *borrowed, int code) {
  premap__registry_unpin(borrowed->file);
  return code;
}

static bool is_mapped(const range *of) {
  return of->file->backing == PREMAP_BACKING_MAPPED;
}

/* The range's pages: all that it touches, or only those that lie wholly in it. The region's first and last page count as whole:
 * what else they show is the file's, or nothing. */
static void outer_pages(const range *of, unsigned char **begin, size_t *size) {
  uintptr_t mask = premap__os_page_size() - 1;
  uintptr_t first = (uintptr_t)of->address & ~mask;
  uintptr_t end = ((uintptr_t)of->address + of->size + mask) & ~mask;
  *begin = of->address - ((uintptr_t)of->address - first);
  *size = end - first;
}

static void inner_pages(const range *of, unsigned char **begin, size_t *size) {
  uintptr_t mask = premap__os_page_size() - 1;
  const unsigned char *data = of->file->data;
  outer_pages(of, begin, size);
  unsigned char *end = *begin + *size;
  if (*begin < of->address && of->address != data)
    *begin += mask + 1;
  if (end > of->address + of->size && of->address + of->size != data + premap__file_size(of->file))
    end -= mask + 1;
  *size = end > *begin ? (size_t)(end - *begin) : 0;
}

/* The file's kept descriptor, or the path opened again: only if it still names the same file. */
static int borrow_descriptor(const premap__file *file, premap__os_file *descriptor) {
  *descriptor = file->descriptor;
  if (file->descriptor != PREMAP__NO_FILE)
    return 0;
  premap__os_identity now;
  int code = premap__file_reopen(file, descriptor, &now).code;
  if (code == 0 && (now.device != file->identity.device || now.index != file->identity.index)) {
    premap__os_close(*descriptor);
    code = PREMAP_ECHANGED;
  }
  return code;
}

static void give_back_descriptor(const premap__file *file, premap__os_file descriptor) {
  if (descriptor != file->descriptor)
    premap__os_close(descriptor);
}

/* ---- Presence */

static int populate_chunk(const range *of, size_t position, size_t size) {
  uint64_t held;
  if (!premap__budget_hold_more(of->file, size, &held))
    return PREMAP_PARTIAL;
  size_t done = 0;
  premap__os_way way = PREMAP__WAY_FAULT_AROUND;
  int code = premap__os_populate(of->address + position, size, &done, &way).code;
  if (code != 0 && held > 0)
    premap__budget_give_back(of->file, held);
  return code;
}

/* By chunks, so that what fits is there when the budget ends. */
static int populate_range(const range *of) {
  int code = 0;
  for (size_t position = 0, size; position < of->size && code == 0; position += size) {
    size = of->size - position;
    if (size > PREMAP_CHUNK_SIZE_DEFAULT)
      size = (size_t)PREMAP_CHUNK_SIZE_DEFAULT;
    code = populate_chunk(of, position, size);
  }
  return code;
}

/* Why a page could not be had. Without the file's size as it is now the cause stays an input/output error. */
static int cause_of(const premap__file *file, int code) {
  if (code != PREMAP_EFAULT)
    return code;
  premap__os_file descriptor;
  premap__os_identity now = {0};
  if (borrow_descriptor(file, &descriptor) != 0)
    return PREMAP_EIO;
  int failed = premap__os_identify(descriptor, &now).code;
  give_back_descriptor(file, descriptor);
  return failed == 0 && now.size < file->identity.size ? PREMAP_ECHANGED : PREMAP_EIO;
}

int premap_populate(premap_file handle, uint64_t offset, uint64_t length) {
  range found;
  int code = borrow(handle, offset, length, &found);
  if (code != 0)
    return code < 0 ? code : 0;
  if (is_mapped(&found))
    code = cause_of(found.file, populate_range(&found));
  return give_back(&found, code);
}

int premap_advise(premap_file handle, uint64_t offset, uint64_t length, premap_advice advice) {
  range found;
  int code = borrow(handle, offset, length, &found);
  if (code < 0)
    return code;
  bool is_empty = code > 0;
  if ((unsigned)advice > PREMAP_ADVICE_WILL_NEED)
    code = PREMAP_EINVAL;
  else if (is_empty)
    code = 0;
  else if (!is_mapped(&found))
    code = PREMAP_ENOTSUP;
  else
    code = premap__os_advise(found.file->descriptor, found.offset, found.address, found.size, advice).code;
  return is_empty ? code : give_back(&found, code);
}

int premap_release(premap_file handle, uint64_t offset, uint64_t length) {
  range found;
  int code = borrow(handle, offset, length, &found);
  if (code != 0)
    return code < 0 ? code : 0;
  unsigned char *begin;
  size_t size;
  inner_pages(&found, &begin, &size);
  premap__os_file descriptor;
  if (!is_mapped(&found) || found.file->plan->mode == PREMAP_COPY_ON_WRITE)
    code = PREMAP_ENOTSUP;
  else if (size > 0 && (code = borrow_descriptor(found.file, &descriptor)) == 0) {
    uint64_t place = found.offset + (uint64_t)(begin - found.address);
    code = premap__os_release(descriptor, place, begin, size).code;
    give_back_descriptor(found.file, descriptor);
    if (code == 0)
      premap__budget_give_back(found.file, size);
  }
  return give_back(&found, code);
}

int premap_resident(premap_file handle, uint64_t offset, uint64_t length, uint64_t *bytes) {
  range found;
  int code = borrow(handle, offset, length, &found);
  if (code < 0)
    return code;
  uint64_t resident = 0;
  if (code == 0) {
    resident = found.size; /* a copy is all in memory */
    premap__os_file descriptor;
    if (is_mapped(&found) && (code = borrow_descriptor(found.file, &descriptor)) == 0) {
      code = premap__os_resident(descriptor, found.offset, found.size, found.address, &resident).code;
      give_back_descriptor(found.file, descriptor);
    }
    give_back(&found, 0);
  }
  if (code >= 0 && bytes == NULL)
    return PREMAP_EINVAL;
  if (code >= 0)
    *bytes = resident;
  return code < 0 ? code : 0;
}

int premap_flush(premap_file handle, uint64_t offset, uint64_t length) {
  range found;
  int code = borrow(handle, offset, length, &found);
  if (code != 0)
    return code < 0 ? code : 0;
  unsigned char *begin;
  size_t size;
  outer_pages(&found, &begin, &size);
  code = found.file->plan->mode == PREMAP_READ_WRITE ? premap__os_flush(found.file->descriptor, begin, size).code
                                                     : PREMAP_ENOTSUP;
  return give_back(&found, code);
}

int premap_copy_out(premap_file handle, uint64_t offset, void *buffer, size_t length) {
  range found;
  int code = borrow(handle, offset, length, &found);
  if (code < 0)
    return code;
  if (code > 0)
    return 0;
  if (length > 0 && buffer == NULL)
    code = PREMAP_EINVAL;
  else if (length > 0 && is_mapped(&found))
    code = cause_of(found.file, premap__os_copy_out(buffer, found.address, length).code);
  else if (length > 0)
    memcpy(buffer, found.address, length);
  return give_back(&found, code);
}

int premap_check(premap_file handle) {
  int code;
  premap__file *file = premap__registry_pin(handle, &code);
  if (file == NULL)
    return code;
  premap__state state = premap__registry_state(file);
  if (state != PREMAP__READY) {
    code = state < PREMAP__READY ? PREMAP_EAGAIN : premap__file_code(file, state);
  } else {
    /* A descriptor that was kept for another purpose would not notice that the path names another file by now. */
    premap__os_file descriptor = (file->plan->flags & PREMAP_KEEP_OPEN) != 0 ? file->descriptor : PREMAP__NO_FILE;
    premap__os_identity now;
    const premap__os_identity *then = &file->identity;
    code = descriptor != PREMAP__NO_FILE ? premap__os_identify(descriptor, &now).code
                                         : premap__file_reopen(file, &descriptor, &now).code;
    if (code == 0) {
      give_back_descriptor(file, descriptor);
      bool same = now.device == then->device && now.index == then->index && now.size == then->size &&
                  now.modified_ns == then->modified_ns && now.changed_ns == then->changed_ns;
      code = same ? 0 : PREMAP_ECHANGED;
    }
  }
  premap__registry_unpin(file);
  return code;
}

/* ---- Locks
 *
 * The system locks pages, not bytes, and a lock on a page does not count. A mapping has its pages for itself, but small
 * copies share theirs, so those are counted here: a page is unlocked when the last copy on it is. */

typedef struct locked_page {
  uintptr_t page;
  size_t copies;
  UT_hash_handle hh;
} locked_page;

static uv_mutex_t pages_lock;
static locked_page *locked_pages;
static int initial_error;
static uv_once_t once = UV_ONCE_INIT;

static void initialize(void) {
  initial_error = uv_mutex_init(&pages_lock);
}

void premap__region_fork(premap__fork_stage stage) {
  uv_once(&once, initialize);
  if (initial_error == 0)
    (stage == PREMAP__FORK_PREPARE ? uv_mutex_lock : uv_mutex_unlock)(&pages_lock);
}

static bool count_page(uintptr_t page) {
  locked_page *found;
  HASH_FIND(hh, locked_pages, &page, sizeof page, found);
  if (found == NULL) {
    found = calloc(1, sizeof *found);
    if (found == NULL)
      return false;
    found->page = page;
    HASH_ADD(hh, locked_pages, page, sizeof page, found);
    if (found->hh.tbl == NULL) { /* uthash's sign that there was no memory */
      free(found);
      return false;
    }
  }
  found->copies++;
  return true;
}

/* Unlocking what is locked does not fail; there is nobody to tell on a close either. */
static void uncount_pages(unsigned char *begin, size_t size) {
  size_t page_size = premap__os_page_size();
  for (size_t position = 0; position < size; position += page_size) {
    uintptr_t page = (uintptr_t)(begin + position);
    locked_page *found;
    HASH_FIND(hh, locked_pages, &page, sizeof page, found);
    if (found != NULL && --found->copies == 0) {
      HASH_DEL(locked_pages, found);
      free(found);
      (void)premap__os_unlock(begin + position, page_size);
    }
  }
}

static premap__status count_pages(unsigned char *begin, size_t size) {
  size_t page_size = premap__os_page_size();
  premap__status status = {0, 0};
  size_t counted = 0;
  while (status.code == 0 && counted < size) {
    if (count_page((uintptr_t)(begin + counted)))
      counted += page_size;
    else
      status = (premap__status){PREMAP_ENOMEM, 0};
  }
  if (status.code == 0)
    status = premap__os_lock(begin, size);
  if (status.code != 0)
    uncount_pages(begin, counted);
  return status;
}

static premap__status set_heap_lock(premap__file *file, bool lock) {
  uv_once(&once, initialize);
  if (initial_error != 0)
    return (premap__status){PREMAP_ENOMEM, 0};
  range whole = {.file = file, .address = file->data, .size = premap__file_size(file)};
  unsigned char *begin;
  size_t size;
  outer_pages(&whole, &begin, &size);
  premap__status status = {0, 0};
  uv_mutex_lock(&pages_lock);
  if (lock && !file->heap_locked)
    status = count_pages(begin, size);
  else if (!lock && file->heap_locked)
    uncount_pages(begin, size);
  if (status.code == 0)
    file->heap_locked = lock;
  uv_mutex_unlock(&pages_lock);
  return status;
}

void premap__region_forget_lock(premap__file *file) {
  if (file->heap_locked)
    (void)set_heap_lock(file, false); /* unlocking does not fail */
}

static premap__status set_lock(const range *of, bool lock) {
  if (of->file->block != PREMAP__BLOCK_PAGES)
    return set_heap_lock(of->file, lock);
  unsigned char *begin;
  size_t size;
  outer_pages(of, &begin, &size);
  return lock ? premap__os_lock(begin, size) : premap__os_unlock(begin, size);
}

premap__status premap__region_lock_all(premap__file *file) {
  range whole = {.file = file, .address = file->data, .size = premap__file_size(file)};
  return set_lock(&whole, true);
}

static int set_lock_by_handle(premap_file handle, uint64_t offset, uint64_t length, bool lock) {
  range found;
  int code = borrow(handle, offset, length, &found);
  if (code != 0)
    return code < 0 ? code : 0;
  return give_back(&found, set_lock(&found, lock).code);
}

int premap_lock(premap_file handle, uint64_t offset, uint64_t length) {
  return set_lock_by_handle(handle, offset, length, true);
}

int premap_unlock(premap_file handle, uint64_t offset, uint64_t length) {
  return set_lock_by_handle(handle, offset, length, false);
}

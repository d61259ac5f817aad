/* SPDX-License-Identifier: MIT
 *
 * generic.c - systems without calls of their own: the portable ways are the ways.
 */
#include "posix.h"

premap__status premap__posix_open_beneath(int directory, const char *path, int flags, int *file) {
  return premap__posix_open_beneath_portable(directory, path, flags, file);
}

void premap__posix_want_large_pages(void *pages, size_t size) {
  (void)pages;
  (void)size;
}

void premap__posix_leave_pages(void *base, size_t size) {
  (void)base;
  (void)size;
}

premap__status premap__os_event_open(premap__os_event *event) {
  return premap__posix_event_open_portable(event);
}

premap__status premap__os_lock(void *address, size_t size) {
  return premap__posix_lock_portable(address, size);
}

premap__status premap__os_populate(void *address, size_t size, size_t *done, premap__os_way *way) {
  return premap__posix_populate_portable(address, size, done, way);
}

premap__status premap__os_copy_out(void *buffer, const void *address, size_t size) {
  return premap__posix_copy_out_portable(buffer, address, size);
}

premap__status premap__os_resident(premap__os_file file, uint64_t offset, size_t size, void *mapped, uint64_t *bytes) {
  (void)mapped;
  return premap__posix_resident_portable(file, offset, size, bytes);
}

/* sysconf's free pages, where it has them, leave out the page cache: on a machine that has run for a while nothing would be
 * left. */
premap__os_memory premap__os_memory_available(void) {
  return (premap__os_memory){.for_copies = UINT64_MAX, .for_pages = UINT64_MAX, .counts_present_as_free = true};
}

size_t premap__os_map_limit(void) {
  return SIZE_MAX;
}

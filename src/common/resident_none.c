/* SPDX-License-Identifier: MIT
 *
 * resident_none.c - for systems without a call that opens, reads or maps only what is in memory already, or for reading in
 * larger pieces: it is left undone, and the caller goes the way that may wait for the disk.
 */
#include "os.h"

bool premap__os_open_cached(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity) {
  (void)how;
  (void)file;
  (void)identity;
  return false;
}

bool premap__os_identify_cached(premap__os_file file, premap__os_identity *identity) {
  (void)file;
  (void)identity;
  return false;
}

bool premap__os_read_cached(premap__os_file file, void *buffer, size_t size, uint64_t offset) {
  (void)file;
  (void)buffer;
  (void)size;
  (void)offset;
  return false;
}

bool premap__os_needs_touch(void) {
  return false;
}

premap__status premap__os_touch(void *address, size_t size, size_t *done) {
  (void)address;
  *done = size;
  return (premap__status){0, 0};
}

bool premap__os_read_as_asked(void *address, size_t size) {
  (void)address;
  (void)size;
  return false;
}

void premap__os_read_file_as_asked(premap__os_file file) {
  (void)file;
}

bool premap__os_read_in_large_pieces(premap__os_file file, void *address, size_t size) {
  (void)file;
  (void)address;
  (void)size;
  return false;
}

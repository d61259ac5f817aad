/* SPDX-License-Identifier: MIT
 *
 * child.c - a program of its own for tests of what a process does once: its first load, and its end. See run_child.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <premap/ffi.h>
#include <premap/premap.h>

static int populates(const char *name) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.backing = PREMAP_BACKING_MAPPED;
  premap_file file = premap_load(name, &options, NULL);
  premap_file_info info = PREMAP_FILE_INFO_INIT;
  bool by_call = premap_info(file, &info) == 0 &&
                 (strncmp(info.strategy, "populate", 8) == 0 || strncmp(info.strategy, "fault-around", 12) == 0);
  int result = by_call ? 0 : 1;
  return premap_close(file) == 0 ? result : 1;
}

/* Leaves loads running and queued that would take minutes. */
static bool begins_loads(const char *name) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.prefault = PREMAP_PREFAULT_ADVISE;
  options.backing = PREMAP_BACKING_MAPPED;
  options.chunk_size = PREMAP_CHUNK_SIZE_MIN;
  options.pause_us = PREMAP_PAUSE_MAX_US;
  for (int i = 0; i < 20; i++) {
    premap_file file = premap_open(name, &options);
    if (file < 0)
      return false;
    while (i < 4 && premap_state(file) == PREMAP_PENDING)
      async_yield();
  }
  return true;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "populates") == 0)
    return populates(argv[2]);
  if (argc != 3 || !begins_loads(argv[2]))
    return 2;
  if (strcmp(argv[1], "exits") == 0)
    exit(42);
  if (strcmp(argv[1], "returns") == 0)
    return 43;
  return strcmp(argv[1], "is-terminated") == 0 ? raise(SIGTERM) : 2;
}

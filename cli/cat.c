/* SPDX-License-Identifier: MIT
 *
 * cat.c - premap cat: the bytes of files, through a loaded region.
 */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <premap/premap.h>

#include "report.h"
#include "system.h"

/* The file, loaded, or what it failed with: after a complaint, with nothing to close. */
static premap_file load(const char *path, premap_region *region) {
  premap_options how = PREMAP_OPTIONS_INIT;
  bool is_input = strcmp(path, "-") == 0;
  if (is_input)
    how.flags = PREMAP_KEEP_OPEN; /* it has no path by which premap_check could find it again */
  premap_file file = is_input ? premap_open_fd(system_standard_input(), &how) : premap_create(path, &how);
  int code = file < 0 ? (int)file : premap_wait(file, -1, region);
  if (code >= 0)
    return file;
  const char *name = is_input ? "standard input" : path;
  cli_failure why = file < 0 ? report_failure_at(name, code) : report_failure_of(name, file);
  report_failure(&why);
  premap_close(file);
  return code;
}

int command_cat(const cli_options *options) {
  int status = EXIT_SUCCESS;
  for (int i = 0; i < options->path_count; i++) {
    const char *path = options->paths[i];
    premap_region region;
    premap_file file = load(path, &region);
    if (file < 0) {
      status = EXIT_FAILURE;
      continue;
    }
    /* No signal can come of it: the kernel reads the region, and refuses where a page of it cannot be had. */
    system_output_end end = system_output(region.data, region.size);
    int os_error = errno;
    int changed = end == SYSTEM_UNREADABLE ? premap_check(file) : 0;
    premap_close(file);
    if (end == SYSTEM_UNWRITABLE) {
      report_output_failed(os_error);
      return EXIT_FAILURE;
    }
    if (end == SYSTEM_UNREADABLE) {
      cli_failure why = report_failure_at(path, changed != 0 ? changed : PREMAP_EIO);
      why.step = PREMAP_STEP_READ;
      report_failure(&why);
      status = EXIT_FAILURE;
    }
  }
  return status;
}

/* SPDX-License-Identifier: MIT
 *
 * contestant_glib_absent.c - in GLib's place where the build did not find it.
 */
#include <stddef.h>

#include "contestants.h"

static const char absent[] = "pkg-config knew no gio-2.0 when this was built";

const bench_contestant bench_family_glib[] = {{.name = "glib-mapped", .what = "GMappedFile in a GThreadPool", .absent = absent},
                                              {.name = "glib-async", .what = "g_file_load_contents_async", .absent = absent},
                                              {.name = NULL}};

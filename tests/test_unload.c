/* SPDX-License-Identifier: MIT
 *
 * test_unload.c - the shared library is loaded at run time, used, shut down and unloaded, again and again. This program has a
 * copy of its own, so that nothing else keeps the one it loads.
 */
#include "support.h"

#include <string.h>

TestSuite(unload, .init = support_begin, .fini = support_end, .timeout = SECONDS(240));

enum { TIMES = 1000 / PREMAP_TEST_SLOWNESS };

typedef premap_file open_call(const char *path, const premap_options *options);
typedef int wait_call(premap_file file, int64_t timeout_ms, premap_region *region);
typedef int close_call(premap_file file);
typedef int shutdown_call(int64_t timeout_ms);

static void *find(uv_lib_t *library, const char *name) {
  void *found = NULL;
  cr_assert_eq(uv_dlsym(library, name, &found), 0, "%s", uv_dlerror(library));
  return found;
}

static void load_use_and_unload(const char *name) {
  uv_lib_t library;
  cr_assert_eq(uv_dlopen(PREMAP_TEST_LIBRARY, &library), 0, "%s", uv_dlerror(&library));
  /* POSIX says that a pointer of dlsym may be a function's; ISO C has no conversion for it. */
  open_call *open_file;
  wait_call *wait_for;
  close_call *close_it;
  shutdown_call *shut_down;
  void *symbol = find(&library, "premap_open");
  memcpy(&open_file, &symbol, sizeof symbol);
  symbol = find(&library, "premap_wait");
  memcpy(&wait_for, &symbol, sizeof symbol);
  symbol = find(&library, "premap_close");
  memcpy(&close_it, &symbol, sizeof symbol);
  symbol = find(&library, "premap_shutdown");
  memcpy(&shut_down, &symbol, sizeof symbol);
  premap_options options = PREMAP_OPTIONS_INIT;
  options.deadline_ms = 60000;
  premap_file file = open_file(name, &options);
  cr_assert_gt(file, 0);
  cr_assert_eq(wait_for(file, 60000, NULL), 0);
  cr_assert_eq(close_it(file), 0);
  cr_assert_eq(shut_down(-1), 0);
  uv_dlclose(&library);
}

Test(unload, again_and_again, .description = "no memory, descriptor or thread is left over, nor anything that runs at a fork") {
  if (has_thread_sanitizer())
    cr_skip_test("SKIPPED: ThreadSanitizer calls a library's functions of atexit when it is gone");
  if (has_address_sanitizer())
    cr_skip_test("SKIPPED: LeakSanitizer looks at the threads' variables of a library that is gone, and crashes");
  if (*PREMAP_TEST_LIBRARY == '\0')
    cr_skip_test("SKIPPED: there is no shared library");
  path name = make_text("file", "hello");
  for (int i = 0; i < 3; i++)
    load_use_and_unload(name.text);
  size_t descriptors = open_descriptors();
  size_t bytes = allocated_bytes();
  for (int i = 0; i < TIMES; i++)
    load_use_and_unload(name.text);
  cr_expect_eq(open_descriptors(), descriptors);
  size_t grown = allocated_bytes() > bytes ? allocated_bytes() - bytes : 0;
  cr_expect_lt(grown, 100 * (size_t)TIMES, "%zu bytes", grown);
  cr_expect_eq(run_child("populates", name.text) & ~1, 0); /* libuv's fork, with what is registered for it */
}

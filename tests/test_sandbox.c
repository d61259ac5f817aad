/* SPDX-License-Identifier: MIT
 *
 * test_sandbox.c - system calls that are missing, as in older kernels, or that a sandbox forbids.
 *
 * A filter is for good, but each test is a process of its own.
 */
#include "support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(sandbox, .init = support_begin, .fini = support_end, .timeout = SECONDS(60));

/* On all that this is built for; headers may not know them yet. */
enum { PROCESS_MADVISE = 440, CACHESTAT = 451, SIZE = 8 * MIB };

/* From now on the call fails, on this thread and those that it makes. */
static void forbid(int number, int error) {
  struct sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof steps / sizeof steps[0], steps};
  bool filters = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
  if (!filters || syscall(number, -1L, 0L, 0L, 0L, 0L, 0L) != -1 || errno != error)
    cr_skip_test("SKIPPED: system calls cannot be filtered here");
}

static const char *strategy_of(const char *name) {
  premap_options mapped = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_region region;
  premap_file file = premap_load(name, &mapped, &region);
  cr_assert_gt(file, 0);
  cr_expect_eq(present_bytes(&region, true), region.size);
  cr_expect(pattern_equals(region.data, region.size, 1, 0));
  const char *strategy = info_of(file).strategy;
  cr_expect_eq(premap_close(file), 0);
  return strategy;
}

/* A file in memory, of which fault-around brings many pages in at a time. */
static path make_resident(void) {
  need_presence();
  path name = make_file("file", SIZE, 1);
  if (strcmp(strategy_of(name.text), "fault-around") != 0)
    cr_skip_test("SKIPPED: this kernel does not tell which pages are missing");
  return name;
}

Test(sandbox, without_process_madvise, .description = "pages are faulted in by copying a byte of them, and all are present") {
  path name = make_resident();
  forbid(PROCESS_MADVISE, ENOSYS);
  cr_expect_str_eq(strategy_of(name.text), "fault-around");
}

Test(sandbox, without_any_such_call, .description = "pages are populated one by one") {
  path name = make_resident();
  forbid(PROCESS_MADVISE, EPERM);
  forbid(SYS_process_vm_writev, EPERM);
  cr_expect_str_eq(strategy_of(name.text), "populate");
}

Test(sandbox, without_cachestat, .description = "what is in memory is asked page by page") {
  path name = make_resident();
  forbid(CACHESTAT, ENOSYS);
  premap_options none = options_with(PREMAP_PREFAULT_NONE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_file file = premap_load(name.text, &none, NULL);
  cr_assert_gt(file, 0);
  uint64_t bytes = 0;
  cr_expect_eq(premap_resident(file, 0, 0, &bytes), 0);
  cr_expect_eq(bytes, SIZE);
  cr_expect_eq(premap_close(file), 0);
  cr_expect_str_eq(strategy_of(name.text), "fault-around");
}

/* SPDX-License-Identifier: MIT
 *
 * support_posix.c - the part of support.h that POSIX systems share.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

const bool mapped_files_are_held = false;
const int code_of_file_as_directory = PREMAP_ENOTDIR;
const int code_of_long_component = PREMAP_ENAMETOOLONG;
const int code_of_order_advice = 0;
const size_t lazy_descriptors = 0;
const int status_of_termination = 128 + SIGTERM;

uintptr_t thread_number(void) {
  return (uintptr_t)pthread_self();
}

/* ---- Directories */

path support_temporary_root(void) {
  const char *root = getenv("TMPDIR");
  path made;
  if (realpath(root != NULL && root[0] == '/' ? root : "/tmp", made.text) == NULL)
    cr_assert_fail("%s: %s", root, strerror(errno));
  return made;
}

static int remove_entry(const char *name, const struct stat *status, int type, struct FTW *where) {
  (void)status;
  (void)type;
  (void)where;
  return remove(name);
}

void support_remove_tree(const char *name) {
  nftw(name, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int make_sparse(const char *name) {
  int file = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0)
    return -errno;
  close(file);
  return 0;
}

/* ---- Privileges and limits */

const char *support_other_problem(void) {
  if (geteuid() != getuid() && seteuid(getuid()) != 0)
    return "privileges did not come back";
  return support_memory_leaked() ? "memory leaked" : NULL;
}

void need_to_be_nobody(void) {
  const uid_t nobody = 65534;
  if (geteuid() == 0 && (setgroups(0, NULL) != 0 || seteuid(nobody) != 0))
    cr_skip_test("SKIPPED: privileges cannot be dropped");
}

void need_another_user(void) {
  if (geteuid() != 0)
    cr_skip_test("SKIPPED: only root can become another user");
  need_to_be_nobody();
}

void need_lock_limit(uint64_t bytes) {
  struct rlimit limit = {(rlim_t)bytes, (rlim_t)bytes};
  cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
  need_to_be_nobody();
}

void need_dropping(void) {
}

void need_locked_bytes(void) {
  static _Alignas(64 * KIB) char probe[64 * KIB];
  size_t before = locked_bytes();
  bool counts = mlock(probe, sizeof probe) == 0 && locked_bytes() == before + sizeof probe && munlock(probe, sizeof probe) == 0;
  if (!counts)
    cr_skip_test("SKIPPED: locks do nothing here (sanitizers do that), or are not counted");
}

void set_pool_size(const char *threads) {
  cr_assert_eq(setenv("UV_THREADPOOL_SIZE", threads, 1), 0);
}

bool becomes_readable(intptr_t descriptor, int timeout_ms) {
  struct pollfd of = {.fd = (int)descriptor, .events = POLLIN};
  return poll(&of, 1, timeout_ms) == 1 && of.revents == POLLIN;
}

/* ---- Counts */

size_t page_size(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

size_t cached_bytes(const char *name) {
  int descriptor = open(name, O_RDONLY | O_CLOEXEC);
  cr_assert_geq(descriptor, 0, "%s: %s", name, strerror(errno));
  struct stat status;
  cr_assert_eq(fstat(descriptor, &status), 0);
  size_t size = (size_t)status.st_size, page = page_size();
  size_t pages = (size + page - 1) / page, cached = 0;
  void *mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
  unsigned char *resident = malloc(pages);
  cr_assert(mapped != MAP_FAILED && resident != NULL && mincore(mapped, size, (void *)resident) == 0);
  for (size_t i = 0; i < pages; i++)
    if ((resident[i] & 1) != 0)
      cached += i + 1 < pages ? page : size - i * page;
  free(resident);
  munmap(mapped, size);
  close(descriptor);
  return cached;
}

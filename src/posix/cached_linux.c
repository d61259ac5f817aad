/* SPDX-License-Identifier: MIT
 *
 * cached_linux.c - opening and reading what is in memory, and nothing else, since Linux 6.8.
 *
 * A file system that asks a server may wait for it in any call, even in fstat and fstatfs. So which one it is comes first, from
 * what the kernel itself knows: the path's mount and the mount's file system. Whatever an older kernel, a sandbox or an
 * emulator refuses is a no.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#endif

/* ---- Which file system */

/* Of statx, whose structure the C library may have in an older form. */
struct found {
  uint32_t known;
  uint32_t unused_before_mode[6];
  uint16_t mode;
  uint16_t unused_before_mount[57];
  uint64_t mount;
  uint64_t unused[13];
};
_Static_assert(offsetof(struct found, mode) == 28 && offsetof(struct found, mount) == 144 && sizeof(struct found) == 256,
               "the kernel's layout");
#define ASK_TYPE 0x1U
#define ASK_UNIQUE_MOUNT 0x4000U /* whose number no later mount gets, as device numbers are used again */

struct mount_request {
  uint32_t size;
  uint32_t unused;
  uint64_t mount;
  uint64_t asked;
};
#define ASK_FILE_SYSTEM 0x1U

struct mount_answer {
  uint32_t size;
  uint32_t unused_before_known;
  uint64_t known;
  uint64_t unused_before_kind;
  uint64_t kind;
  uint64_t unused;
};

/* Those whose files are on this machine's disks and which tell a read from memory from any other; the rest would refuse such a
 * read anyway, or, as overlayfs, may have another one beneath them. */
static bool is_known_kind(uint64_t kind) {
  enum { EXT = 0xEF53, XFS = 0x58465342 };
  const uint64_t btrfs = 0x9123683E, f2fs = 0xF2F52010;
  return kind == EXT || kind == XFS || kind == btrfs || kind == f2fs;
}

static bool ask_kind(uint64_t mount) {
  struct mount_request request = {.size = sizeof request, .mount = mount, .asked = ASK_FILE_SYSTEM};
  struct mount_answer answer = {0};
  return syscall(SYS_statmount, &request, &answer, sizeof answer, 0) == 0 && (answer.known & ASK_FILE_SYSTEM) != 0 &&
         is_known_kind(answer.kind);
}

static bool is_known_mount(uint64_t mount) {
  enum { PLACES = 16 };
  static _Atomic uint64_t known[PLACES]; /* relaxed: who misses the news asks again */
  _Atomic uint64_t *place = &known[mount % PLACES];
  if (atomic_load_explicit(place, memory_order_relaxed) == mount)
    return true;
  bool is_known = ask_kind(mount);
  if (is_known)
    atomic_store_explicit(place, mount, memory_order_relaxed);
  return is_known;
}

/* Nothing but what is in memory is asked. */
static bool is_on_known_mount(int file, const char *path, struct found *found) {
  const unsigned asked = ASK_TYPE | ASK_UNIQUE_MOUNT;
  *found = (struct found){0};
  return syscall(SYS_statx, file, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, asked, found) == 0 &&
         (found->known & asked) == asked && is_known_mount(found->mount);
}

static bool is_known_file(int file) {
  struct found found;
  return is_on_known_mount(file, "", &found) && S_ISREG(found.mode);
}

/* ---- Open and read */

static int base_of(const premap__os_how *how) {
  return how->beneath != PREMAP__NO_FILE ? (int)how->beneath : AT_FDCWD;
}

static int open_cached(const premap__os_how *how, int flags, uint64_t resolve) {
  struct open_how resolved = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | (how->nofollow ? O_NOFOLLOW : 0)),
                              .resolve = resolve | RESOLVE_CACHED};
  if (how->beneath != PREMAP__NO_FILE)
    resolved.resolve |= RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return (int)syscall(SYS_openat2, base_of(how), how->path, &resolved, sizeof resolved);
}

/* An O_PATH descriptor opens nothing, so neither a server nor a device hears of it. */
static bool is_known_path(const premap__os_how *how) {
  int place = open_cached(how, O_PATH, 0);
  bool is_known = place >= 0 && is_known_file(place);
  if (place >= 0)
    premap__os_close(place);
  return is_known;
}

/* Where the path begins is looked up faster than where it ends. */
static bool begins_on_known_mount(const premap__os_how *how) {
  struct found found;
  return is_on_known_mount(base_of(how), how->beneath == PREMAP__NO_FILE && how->path[0] == '/' ? "/" : "", &found);
}

static int open_known(const premap__os_how *how) {
  const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
  int opened = -1;
  if (how->is_known_regular && begins_on_known_mount(how))
    opened = open_cached(how, flags, RESOLVE_NO_XDEV);
  if (opened < 0 && is_known_path(how))
    opened = open_cached(how, flags, 0);
  return opened;
}

bool premap__os_open_cached(const premap__os_how *how, premap__os_file *file, premap__os_identity *identity) {
  int opened = how->writable ? -1 : open_known(how);
  if (opened < 0)
    return false;
  *file = opened;
  if (premap__os_identify(*file, identity).code == 0)
    return true;
  premap__os_close(*file);
  return false;
}

bool premap__os_identify_cached(premap__os_file file, premap__os_identity *identity) {
  return is_known_file((int)file) && premap__os_identify(file, identity).code == 0;
}

bool premap__os_read_cached(premap__os_file file, void *buffer, size_t size, uint64_t offset) {
  /* A read that finds a page missing would begin to bring it in, which takes longer than to hand the file to a worker. Whose
   * file it is not may not ask, and has to try. */
  size_t page = premap__os_page_size();
  uint64_t pages, wanted = (offset % page + size + page - 1) / page;
  if (premap__posix_count_cached(file, offset, size, &pages) && pages < wanted)
    return false;
  struct iovec piece = {buffer, size};
  long got = syscall(SYS_preadv2, (int)file, &piece, 1, (unsigned long)offset, (unsigned long)(offset >> 32), RWF_NOWAIT);
  return got >= 0 && (size_t)got == size;
}

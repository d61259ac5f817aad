/* SPDX-License-Identifier: MIT
 *
 * ahead_linux.c - how much is read at a time: in large pieces, where the system would use small
 * pages, or only what is asked for.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "posix.h"

enum { ENOUGH_KIB = 2048, WINDOWS = 8 };

/* Btrfs, which may be on many devices, has a read-ahead of its own. 0: this is another file system. */
static unsigned long read_ahead_of_btrfs_kib(int file) {
  struct btrfs_ioctl_fs_info_args about = {0};
  if (ioctl(file, BTRFS_IOC_FS_INFO, &about) != 0)
    return 0;
  char path[96] = "/sys/fs/btrfs/";
  size_t length = strlen(path);
  for (int i = 0; i < BTRFS_FSID_SIZE; i++) {
    bool is_group = i == 4 || i == 6 || i == 8 || i == 10;
    length += (size_t)snprintf(path + length, sizeof path - length, "%s%02x", is_group ? "-" : "", about.fsid[i]); /* fits */
  }
  (void)snprintf(path + length, sizeof path - length, "/bdi/read_ahead_kb"); /* fits */
  char text[32];
  return premap__posix_read_text(path, text, sizeof text) ? strtoul(text, NULL, 10) : 0;
}

/* Of the device, or of that of which it is a partition. 0: the system does not tell. */
static unsigned long read_ahead_kib(int file, dev_t device) {
  static const char *const places[] = {"queue", "../queue"};
  char text[32];
  for (int i = 0; i < 2; i++) {
    char path[80];
    (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s/read_ahead_kb", major(device), minor(device),
                   places[i]); /* fits */
    if (premap__posix_read_text(path, text, sizeof text))
      return strtoul(text, NULL, 10);
  }
  return read_ahead_of_btrfs_kib(file);
}

/* A fault then reads one page, so all has to be asked for. */
bool premap__os_read_as_asked(void *address, size_t size) {
  premap__posix_range pages = premap__posix_pages_over(address, size);
  return madvise(pages.start, pages.size, MADV_RANDOM) == 0;
}

void premap__os_read_file_as_asked(premap__os_file file) {
  (void)posix_fadvise((int)file, 0, 0, POSIX_FADV_RANDOM);
}

/* Where large pages are wanted the kernel reads 2 MiB at a time, whatever the device's read-ahead is. Without that a
 * large read-ahead begins with a window of 4 KiB pages, and each one after it has pages four times as large: only what is
 * several windows long comes mostly in large ones. */
bool premap__os_read_in_large_pieces(premap__os_file file, void *address, size_t size) {
  struct stat found;
  if (fstat((int)file, &found) != 0)
    return false;
  unsigned long kib = read_ahead_kib((int)file, found.st_dev);
  bool would_use_small_pages = kib > 0 && (kib < ENOUGH_KIB || size / 1024 / WINDOWS < kib);
  premap__posix_range pages = premap__posix_pages_over(address, size);
  return would_use_small_pages && madvise(pages.start, pages.size, MADV_HUGEPAGE) == 0;
}

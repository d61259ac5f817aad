/* SPDX-License-Identifier: MIT
 *
 * error.c - errno to PREMAP_E*.
 */
#include "posix.h"

typedef struct translation {
  int os_error;
  int code;
} translation;

static const translation table[] = {
#define PREMAP__XX(name, windows, text) {name, PREMAP_##name},
    PREMAP_ERRNO_MAP(PREMAP__XX)
#undef PREMAP__XX
    /* and those whose code has another name or value */
    {EWOULDBLOCK, PREMAP_EAGAIN},
    {EOPNOTSUPP, PREMAP_ENOTSUP},
    {EDEADLK, PREMAP_EDEADLK},
    {ESTALE, PREMAP_ESTALE},
    {EDQUOT, PREMAP_ENOSPC},
    {EMLINK, PREMAP_ELOOP}, /* FreeBSD's open, for a symbolic link not to be followed */
    {EBADMSG, PREMAP_EIO},  /* a checksum that does not fit */
    {ENOTCONN, PREMAP_EIO}, /* the program behind a FUSE file system is gone */
};

premap__status premap__os_error(int os_error) {
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (table[i].os_error == os_error)
      return (premap__status){table[i].code, os_error};
  }
  return (premap__status){PREMAP_UNKNOWN, os_error};
}

/* SPDX-License-Identifier: MIT
 *
 * test_posix_backend.c - what each errno becomes. It is linked with the static library, whose function it calls.
 */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "../src/common/os.h"

static int expected_code(int os_error) {
  static const struct {
    int os_error, code;
  } others[] = {{EOPNOTSUPP, PREMAP_ENOTSUP}, {EDEADLK, PREMAP_EDEADLK}, {ESTALE, PREMAP_ESTALE}, {EDQUOT, PREMAP_ENOSPC},
                {EMLINK, PREMAP_ELOOP},       {EBADMSG, PREMAP_EIO},     {ENOTCONN, PREMAP_EIO}};
#define XX(name, windows, text)                                                                                                \
  if (os_error == name)                                                                                                        \
    return PREMAP_##name;
  PREMAP_ERRNO_MAP(XX)
#undef XX
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    if (others[i].os_error == os_error)
      return others[i].code;
  return PREMAP_UNKNOWN;
}

Test(posix_backend, each_errno_is_translated,
     .description = "to the code of its name or the nearest, all others to UNKNOWN, and each keeps its own number") {
  for (int os_error = 1; os_error < 1000; os_error++) {
    premap__status status = premap__os_error(os_error);
    cr_expect(status.code == expected_code(os_error) && status.os_error == os_error, "%s is %s", strerror(os_error),
              premap_err_name(status.code));
  }
}

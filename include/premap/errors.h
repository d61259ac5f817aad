/* SPDX-License-Identifier: MIT
 *
 * premap/errors.h - the error codes, included by premap.h.
 *
 * Every code is negative. Where libuv has a code of that name the value is libuv's (UV_E*), on every platform, so that both
 * kinds mix freely: on POSIX systems it is the negated errno, on Windows libuv's own number. The library's build asserts this.
 */
#ifndef PREMAP_ERRORS_H
#define PREMAP_ERRORS_H

#include <errno.h>

/* Codes whose value is the negated errno on POSIX systems: XX(name, libuv's value on Windows, text). */
#define PREMAP_ERRNO_MAP(XX)                                                                                                   \
  XX(E2BIG, 4093, "an options structure is newer than the library")                                                            \
  XX(EACCES, 4092, "permission denied")                                                                                        \
  XX(EAGAIN, 4088, "not available at present")                                                                                 \
  XX(EBADF, 4083, "not a valid handle")                                                                                        \
  XX(EBUSY, 4082, "in use by another program")                                                                                 \
  XX(ECANCELED, 4081, "cancelled")                                                                                             \
  XX(EFAULT, 4074, "bad address")                                                                                              \
  XX(EFBIG, 4036, "too large")                                                                                                 \
  XX(EILSEQ, 4027, "the name is not valid in its encoding")                                                                    \
  XX(EINVAL, 4071, "invalid argument")                                                                                         \
  XX(EIO, 4070, "input/output error")                                                                                          \
  XX(EISDIR, 4068, "is a directory")                                                                                           \
  XX(ELOOP, 4067, "a symbolic link that may not be followed, or too many of them")                                             \
  XX(EMFILE, 4066, "this process has too many open files")                                                                     \
  XX(ENAMETOOLONG, 4064, "name too long")                                                                                      \
  XX(ENFILE, 4061, "the system has too many open files")                                                                       \
  XX(ENOBUFS, 4060, "a queue or table of the library is full")                                                                 \
  XX(ENODEV, 4059, "the file system cannot map this file")                                                                     \
  XX(ENOENT, 4058, "no such file or directory")                                                                                \
  XX(ENOMEM, 4057, "not enough memory, address space or lockable memory")                                                      \
  XX(ENOSPC, 4055, "no space left on device")                                                                                  \
  XX(ENOSYS, 4054, "not provided by this system")                                                                              \
  XX(ENOTDIR, 4052, "not a directory")                                                                                         \
  XX(ENOTSUP, 4049, "not supported for this file")                                                                             \
  XX(ENXIO, 4033, "no such device or address")                                                                                 \
  XX(EOVERFLOW, 4026, "too many references to one file, or a value too large")                                                 \
  XX(EPERM, 4048, "operation not permitted")                                                                                   \
  XX(ERANGE, 4034, "the range is outside the file")                                                                            \
  XX(EROFS, 4043, "read-only file system")                                                                                     \
  XX(ESPIPE, 4041, "cannot be read at an offset")                                                                              \
  XX(ETIMEDOUT, 4039, "timed out")                                                                                             \
  XX(ETXTBSY, 4038, "a running program")                                                                                       \
  XX(EXDEV, 4037, "the path leaves the directory it must stay beneath")

/* Codes whose value is the same everywhere: XX(name, value, text). */
#define PREMAP_FIXED_MAP(XX)                                                                                                   \
  XX(EOF, -4095, "there is nothing more")                                                                                      \
  XX(UNKNOWN, -4094, "unknown error of the operating system")                                                                  \
  XX(EDEADLK, -5001, "the wait could only be ended by the waiting thread")                                                     \
  XX(ESTALE, -5002, "the file is gone from its network file system")                                                           \
  XX(ECHANGED, -5003, "the file was changed beneath")                                                                          \
  XX(EFTYPE, PREMAP__EFTYPE, "not a regular file")

/* libuv follows the BSDs' errno here, where they have it. */
#if defined(EFTYPE) && !defined(_WIN32)
#define PREMAP__EFTYPE (-EFTYPE)
#else
#define PREMAP__EFTYPE (-4028)
#endif

#ifdef _WIN32
#define PREMAP__CODE(posix, windows) (-(windows))
#else
#define PREMAP__CODE(posix, windows) (-(posix))
#endif

typedef enum premap_code {
  PREMAP_OK = 0,
  /* Ready, but not all of it was brought into memory: see premap_info.reason. Only premap_wait and its kin return it. */
  PREMAP_PARTIAL = 1,
#define PREMAP__XX(name, windows, text) PREMAP_##name = PREMAP__CODE(name, windows),
  PREMAP_ERRNO_MAP(PREMAP__XX)
#undef PREMAP__XX
#define PREMAP__XX(name, value, text) PREMAP_##name = value,
      PREMAP_FIXED_MAP(PREMAP__XX)
#undef PREMAP__XX
} premap_code;

#endif

/* SPDX-License-Identifier: MIT
 *
 * options.c - reads the caller's options: any size of structure, no value ignored.
 */
#include "internal.h"

#include <string.h>

#define FLAGS                                                                                                                  \
  (PREMAP_NOFOLLOW | PREMAP_BENEATH | PREMAP_KEEP_OPEN | PREMAP_LOCK | PREMAP_GENTLE | PREMAP_WAIT_FOR_MEMORY |                \
   PREMAP_INLINE_IF_CACHED | PREMAP_KNOWN_REGULAR | PREMAP_CACHE_ONLY)

/* The structure only grows at its end. An older caller's is filled up with defaults; a newer caller's may set nothing that this
 * library does not know. */
static int read_sized(premap_options *to, const premap_options *options) {
  size_t size = options->size;
  if (size < sizeof options->size)
    return PREMAP_EINVAL;
  const unsigned char *bytes = (const unsigned char *)options;
  for (size_t i = sizeof *to; i < size; i++)
    if (bytes[i] != 0)
      return PREMAP_E2BIG;
  memcpy(to, options, size < sizeof *to ? size : sizeof *to);
  return 0;
}

static bool values_are_known(const premap_options *options) {
  return (options->mode == PREMAP_READ_ONLY || options->mode == PREMAP_READ_WRITE || options->mode == PREMAP_COPY_ON_WRITE) &&
         options->prefault <= PREMAP_PREFAULT_ADVISE && options->backing <= PREMAP_BACKING_COPIED &&
         options->advice <= PREMAP_ADVICE_WILL_NEED &&
         (options->pause_us <= PREMAP_PAUSE_MAX_US || options->pause_us == PREMAP_PAUSE_AUTO) &&
         options->priority >= PREMAP_PRIORITY_MIN && options->priority <= PREMAP_PRIORITY_MAX &&
         (options->chunk_size == 0 || options->chunk_size >= PREMAP_CHUNK_SIZE_MIN);
}

/* What is not kept here can neither be written to nor locked, and all of it has to come in. */
static bool goes_with_cache_only(const premap_options *options) {
  return options->mode == PREMAP_READ_ONLY && options->prefault == PREMAP_PREFAULT_POPULATE &&
         options->backing == PREMAP_BACKING_AUTO && options->advice == PREMAP_ADVICE_NORMAL &&
         (options->flags & PREMAP_LOCK) == 0;
}

void premap__copy_sized(void *to, size_t size, const void *from, size_t known) {
  /* A newer caller's structure may be larger: what this library does not know is zero. */
  if (size > known)
    memset((char *)to + known, 0, size - known);
  memcpy(to, from, size < known ? size : known);
  memcpy(to, &size, sizeof size);
}

int premap__options_read(premap_options *to, const premap_options *options) {
  *to = (premap_options)PREMAP_OPTIONS_INIT;
  int code = options != NULL ? read_sized(to, options) : 0;
  if (code != 0)
    return code;
  if (!values_are_known(to))
    return PREMAP_EINVAL;
  if ((to->flags & ~FLAGS) != 0)
    return PREMAP_ENOTSUP;
  if (to->callback != NULL && to->queue != NULL)
    return PREMAP_EINVAL;
  if (to->backing == PREMAP_BACKING_COPIED && (to->mode == PREMAP_READ_WRITE || to->advice != PREMAP_ADVICE_NORMAL))
    return PREMAP_EINVAL;
  if ((to->flags & PREMAP_CACHE_ONLY) != 0 && !goes_with_cache_only(to))
    return PREMAP_EINVAL;
  if (to->pause_us == PREMAP_PAUSE_AUTO)
    to->pause_us = to->prefault == PREMAP_PREFAULT_ADVISE ? 100 : 0;
  return 0;
}

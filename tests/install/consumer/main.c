/* SPDX-License-Identifier: MIT
 *
 * main.c - a user's program: loads the file it is given and compares its bytes with what stdio reads.
 */
#include <stdio.h>

#include <premap/ffi.h>
#include <premap/premap.h>

static int compare(const char *path, const unsigned char *bytes, size_t size) {
  FILE *stream = fopen(path, "rb");
  if (stream == NULL) return 1;
  size_t same = 0;
  while (same < size && fgetc(stream) == bytes[same])
    same++;
  int at_end = fgetc(stream) == EOF;
  fclose(stream);
  return same == size && at_end ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  premap_file file = premap_open(argv[1], NULL);
  premap_region region;
  int result = premap_wait(file, -1, &region);
  if (result != PREMAP_OK || native_async_file_is_ready(file) != 1) {
    fprintf(stderr, "%s: %s\n", argv[1], premap_strerror(result));
    return 1;
  }
  int different = region.size == 0 || compare(argv[1], region.data, region.size);
  if (premap_close(file) != PREMAP_OK || different) return 1;
  printf("%s: %zu bytes are right with premap %s\n", argv[1], region.size, premap_version());
  return 0;
}

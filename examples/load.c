/* SPDX-License-Identifier: MIT
 *
 * load.c - start loading a file, do something else, then count its lines.
 *
 * On Windows main's arguments are in the system's code page, while premap's paths are UTF-8: names beyond ASCII need wmain
 * there, or a manifest that makes that code page UTF-8.
 */
#include <premap/premap.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s FILE\n", argv[0]);
    return 2;
  }
  premap_file file = premap_open(argv[1], NULL); /* returns at once */
  if (file < 0) {
    fprintf(stderr, "%s: %s\n", argv[1], premap_strerror((int)file));
    return 1;
  }

  /* ... the program's other work goes here; the file comes in meanwhile ... */

  premap_region region;
  if (premap_wait(file, -1, &region) < 0) {
    char message[512];
    premap_error_message(file, message, sizeof message);
    fprintf(stderr, "%s\n", message);
    premap_close(file);
    return 1;
  }
  size_t lines = 0;
  const char *at = region.data, *end = at + region.size;
  while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL && ++lines && ++at < end)
    ;
  printf("%zu lines in %zu bytes\n", lines, region.size);
  premap_close(file);
  return 0;
}

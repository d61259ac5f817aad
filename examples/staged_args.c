/* SPDX-License-Identifier: MIT
 *
 * staged_args.c - count the lines of many files, which begin to load while the command line is still being read.
 *
 * Compilers and linkers know their first input long before they have read all arguments, checked the options and opened the
 * output. Each file is given to a group that was started before, and so loads from the moment it is met.
 *
 * For names beyond ASCII on Windows see load.c.
 */
#include <premap/premap.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct settings {
  const char *output; /* null: standard output */
  bool shows_progress;
} settings;

typedef struct totals {
  uint64_t files, failed, bytes, lines;
  uint64_t checksum; /* the sum of the files' own: the same in whatever order they come */
} totals;

static const char usage[] = "usage: staged_args [-p] [-o OUTPUT] [--] FILE...\n"
                            "  -p  show progress\n"
                            "  -o  write the result to OUTPUT\n";

static bool add_file(premap_group *group, const char *path) {
  premap_file file = premap_group_add(group, path);
  if (file < 0)
    fprintf(stderr, "%s: %s\n", path, premap_strerror((int)file));
  return file > 0;
}

/* Options may stand behind files, which load by then. */
static bool read_arguments(int argc, char **argv, premap_group *group, settings *to) {
  bool only_files = false, has_files = false;
  for (int i = 1; i < argc; i++) {
    const char *argument = argv[i];
    if (only_files || argument[0] != '-') {
      if (!add_file(group, argument))
        return false;
      has_files = true;
    } else if (strcmp(argument, "--") == 0) {
      only_files = true;
    } else if (strcmp(argument, "-p") == 0) {
      to->shows_progress = true;
    } else if (strcmp(argument, "-o") == 0 && i + 1 < argc) {
      to->output = argv[++i];
    } else {
      fprintf(stderr, "%s: unknown, or lacks its value\n%s", argument, usage);
      return false;
    }
  }
  if (!has_files)
    fputs(usage, stderr);
  return has_files;
}

/* ---- The work on one file. Reading its bytes does not stall */

static void count(const premap_region *region, totals *to) {
  const unsigned char *bytes = region->data;
  uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
  for (size_t i = 0; i < region->size; i++) {
    hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    to->lines += bytes[i] == '\n';
  }
  to->bytes += region->size;
  to->checksum += hash;
}

static void take(const premap_completion *ended, totals *to) {
  premap_region region;
  to->files++;
  if (premap_region_of(ended->file, &region) == 0) {
    count(&region, to);
  } else {
    char message[512];
    premap_error_message(ended->file, message, sizeof message);
    fprintf(stderr, "%s\n", message); /* names the file, and what could not be done with it */
    to->failed++;
  }
  premap_close(ended->file); /* gives its memory back, although the group lives on */
}

/* ---- All of them, in the order in which they are ready */

static void show_progress(premap_group *group) {
  premap_group_progress progress = {.size = sizeof progress};
  if (premap_group_progress_of(group, &progress) == 0)
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " files, %" PRIu64 " of %" PRIu64 " bytes\n", progress.files_ended,
            progress.files, progress.bytes_done, progress.bytes_total);
}

static bool take_all(premap_group *group, const settings *with, totals *to) {
  int code;
  do {
    premap_completion ended;
    code = premap_group_next(group, with->shows_progress ? 200 : -1, &ended);
    if (code == PREMAP_OK)
      take(&ended, to);
    else if (code == PREMAP_ETIMEDOUT)
      show_progress(group);
  } while (code == PREMAP_OK || code == PREMAP_ETIMEDOUT);
  if (code != PREMAP_EOF)
    fprintf(stderr, "%s\n", premap_strerror(code));
  return code == PREMAP_EOF;
}

static bool write_totals(FILE *output, const totals *of) {
  fprintf(output, "%" PRIu64 " lines in %" PRIu64 " bytes of %" PRIu64 " files, checksum %016" PRIx64 "\n", of->lines,
          of->bytes, of->files - of->failed, of->checksum);
  return fflush(output) == 0;
}

static int run(int argc, char **argv, premap_group *group) {
  settings wanted = {0};
  if (!read_arguments(argc, argv, group, &wanted))
    return 2; /* closing the group cancels what loads */
  FILE *output = wanted.output != NULL ? fopen(wanted.output, "w") : stdout;
  if (output == NULL) {
    perror(wanted.output);
    return 1;
  }
  totals sum = {0};
  bool succeeded = take_all(group, &wanted, &sum) && sum.failed == 0;
  bool written = write_totals(output, &sum);
  if (output != stdout)
    written = fclose(output) == 0 && written;
  if (!written)
    perror(wanted.output != NULL ? wanted.output : "standard output");
  return succeeded && written ? 0 : 1;
}

int main(int argc, char **argv) {
  premap_group *group;
  int code = premap_group_create(&group, NULL);
  if (code != 0) {
    fprintf(stderr, "%s\n", premap_strerror(code));
    return 1;
  }
  int status = 1;
  code = premap_group_start(group); /* from now on each file that is added loads at once */
  if (code == 0)
    status = run(argc, argv, group);
  else
    fprintf(stderr, "%s\n", premap_strerror(code));
  premap_group_close(group);
  return status;
}

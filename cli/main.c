/* SPDX-License-Identifier: MIT
 *
 * main.c - the command premap: finds the command and its help.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <premap/premap.h>

#include "commands.h"
#include "options.h"
#include "report.h"
#include "system.h"
#include "text.h"

/* How long a load that hangs in the kernel may keep the program from ending. */
#define FAREWELL_MS 2000

typedef struct cli_command {
  const char *name;
  unsigned bit;
  int (*function)(const cli_options *options);
  const char *summary;
  const char *usage;
  const char *examples;
  const char *more;
} cli_command;

static const cli_command commands[] = {
    {"load", COMMAND_LOAD, command_load, "load files into memory, all at once", "PATH...",
     "  premap load model.bin                       load a file\n"
     "  premap load --hold assets/                  keep a directory in memory until interrupted\n"
     "  find . -name '*.so' -print0 | premap load -0 -\n"
     "  premap load --json *.bin | jq .seconds\n",
     "A directory stands for the regular files beneath it, and - for names read from standard input.\n"
     "Exit status: 0 all are ready, 1 some failed, 2 wrong usage, 128+N ended by signal N.\n"},
    {"cat", COMMAND_CAT, command_cat, "write the bytes of files, through a loaded region", "FILE...",
     "  premap cat file | cmp - file\n",
     "- is standard input, which must be a file.\n"
     "Exit status: 0 all were written, 1 some failed, 2 wrong usage.\n"},
    {"status", COMMAND_STATUS, command_status, "show how much of files is in memory", "PATH...",
     "  premap status model.bin                     resident bytes and share\n"
     "  premap status --json /usr/lib | jq -s 'map(.resident // 0) | add'\n",
     "A directory stands for the regular files beneath it, and - for names read from standard input.\n"
     "Exit status: 0 all could be looked at, 1 some failed, 2 wrong usage.\n"},
    {"evict", COMMAND_EVICT, command_evict, "let files go from memory", "PATH...",
     "  premap evict model.bin                      the next read comes from the disk\n",
     "Pages that others use stay, and are shown. A directory stands for the regular files beneath it,\n"
     "and - for names read from standard input.\n"
     "Exit status: 0 all could be opened, whatever remains; 1 some failed; 2 wrong usage.\n"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static const cli_command *find_command(const char *name) {
  for (const cli_command *command = commands; command < commands + COMMAND_COUNT; command++)
    if (strcmp(command->name, name) == 0)
      return command;
  return NULL;
}

static void print_command_help(const cli_command *command) {
  printf("premap %s - %s\n\nExamples:\n%s\nUsage: premap %s [OPTION...] %s\n\nOptions:\n", command->name, command->summary,
         command->examples, command->name, command->usage);
  options_print(stdout, command->bit);
  printf("\n%s", command->more);
}

static void print_help(FILE *to) {
  fputs("premap - load files into memory in the background\n\n"
        "Examples:\n"
        "  premap load model.bin                       load a file\n"
        "  premap status model.bin                     how much of it is in memory?\n"
        "  premap evict model.bin                      out with it\n\n"
        "Usage: premap COMMAND [OPTION...] PATH...\n\n"
        "Commands:\n",
        to);
  for (const cli_command *command = commands; command < commands + COMMAND_COUNT; command++)
    fprintf(to, "  %-10s%s\n", command->name, command->summary);
  fputs("  help      show this, or the help of a command\n\n"
        "'premap help COMMAND' tells more. 'premap --version' prints the version.\n",
        to);
}

static int unknown_command(const char *name) {
  char *visible = text_visible(name);
  fputs("premap: unknown command '", stderr);
  system_print(stderr, visible);
  fputs("' (there are load, cat, status, evict, help)\nTry 'premap --help'.\n", stderr);
  free(visible);
  return EXIT_WRONG_USAGE;
}

/* premap help [COMMAND] */
static int show_help(int argc, char **argv) {
  const cli_command *command = argc > 1 ? find_command(argv[1]) : NULL;
  if (argc > 2) {
    fputs("premap help: takes one command\n", stderr);
    return EXIT_WRONG_USAGE;
  }
  if (argc > 1 && command == NULL)
    return unknown_command(argv[1]);
  if (command != NULL)
    print_command_help(command);
  else
    print_help(stdout);
  return EXIT_SUCCESS;
}

static int run_command(const cli_command *command, int argc, char **argv) {
  cli_options options;
  if (!options_read(&options, command->bit, argc, argv))
    return EXIT_WRONG_USAGE;
  report_begin(&options);
  if (!options.help)
    return command->function(&options);
  print_command_help(command);
  return EXIT_SUCCESS;
}

static bool is_one_of(const char *word, const char *letter, const char *name) {
  return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

static int dispatch(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return EXIT_WRONG_USAGE;
  }
  const char *word = argv[1];
  const cli_command *command = find_command(word);
  if (command != NULL)
    return run_command(command, argc - 1, argv + 1);
  if (strcmp(word, "help") == 0)
    return show_help(argc - 1, argv + 1);
  if (is_one_of(word, "-h", "--help"))
    return show_help(1, argv);
  if (!is_one_of(word, "-V", "--version"))
    return unknown_command(word);
  printf("premap %s\n", premap_version());
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  system_prepare(&argc, &argv);
  int status = dispatch(argc, argv);
  if (status == EXIT_SUCCESS && !report_end())
    status = EXIT_FAILURE;
  /* A normal exit would wait for a load that hangs. */
  if (premap_shutdown(FAREWELL_MS) == PREMAP_ETIMEDOUT) {
    fflush(NULL);
    system_end_at_once(status);
  }
  return status;
}

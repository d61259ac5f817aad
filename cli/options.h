/* SPDX-License-Identifier: MIT
 *
 * options.h - what the user asked for, and the one table of flags behind it.
 */
#ifndef PREMAP_CLI_OPTIONS_H
#define PREMAP_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The commands a flag belongs to. */
#define COMMAND_LOAD 0x1U
#define COMMAND_CAT 0x2U
#define COMMAND_STATUS 0x4U
#define COMMAND_EVICT 0x8U
#define COMMAND_ALL 0xfU

#define EXIT_WRONG_USAGE 2

typedef enum color_when { COLOR_AUTO = 0, COLOR_ALWAYS = 1, COLOR_NEVER = 2 } color_when;

typedef struct cli_options {
  char **paths;
  int path_count;
  const char *from; /* null: no list of names */
  bool nul_separated;
  uint32_t prefault; /* premap_prefault */
  uint32_t backing;  /* premap_backing */
  bool lock;
  uint64_t offset;
  uint64_t length;
  bool hold;
  bool touch;
  int64_t timeout_ms; /* negative: none */
  uint32_t workers;   /* 0: not given */
  bool json;
  bool quiet;
  bool plain;
  uint32_t color; /* color_when */
  bool help;
} cli_options;

/* Reads what follows the command's name: argv[0]. False, after a message on stderr, when it is wrong. */
bool options_read(cli_options *options, unsigned command, int argc, char **argv);
/* Lists the command's flags. */
void options_print(FILE *to, unsigned command);

#endif

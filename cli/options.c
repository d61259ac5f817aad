/* SPDX-License-Identifier: MIT
 *
 * options.c - the table of flags, from which they are parsed and their help is printed.
 */
#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <premap/premap.h>

#include "system.h"
#include "text.h"

#define WORKERS_MAX 1024 /* libuv takes no more */
#define TIMEOUT_MAX_SECONDS 1e9

typedef enum flag_kind {
  FLAG_SWITCH,  /* bool */
  FLAG_CHOICE,  /* uint32_t: the place among the words of its argument */
  FLAG_BYTES,   /* uint64_t */
  FLAG_SECONDS, /* int64_t, in milliseconds */
  FLAG_WORKERS, /* uint32_t */
  FLAG_TEXT     /* const char * */
} flag_kind;

typedef struct cli_flag {
  const char *name;
  char letter; /* 0: none */
  flag_kind kind;
  size_t field; /* its place in cli_options */
  unsigned commands;
  const char *argument; /* null: takes none */
  const char *help;
} cli_flag;

#define LISTS (COMMAND_LOAD | COMMAND_STATUS | COMMAND_EVICT)

/* clang-format off */
static const cli_flag flags[] = {
    {"from", 0, FLAG_TEXT, offsetof(cli_options, from), LISTS, "FILE", "read names from FILE, one a line (-: standard input)"},
    {"null", '0', FLAG_SWITCH, offsetof(cli_options, nul_separated), LISTS, NULL, "names that are read end with NUL, not with a line"},
    /* The order of the words is that of premap_prefault and premap_backing. */
    {"prefault", 0, FLAG_CHOICE, offsetof(cli_options, prefault), COMMAND_LOAD, "none|populate|advise", "how far to bring pages in (populate)"},
    {"backing", 0, FLAG_CHOICE, offsetof(cli_options, backing), COMMAND_LOAD, "auto|mapped|copied", "where the bytes live (auto)"},
    {"offset", 0, FLAG_BYTES, offsetof(cli_options, offset), COMMAND_LOAD, "BYTES", "first byte to load of each file; suffixes K, M, G, T"},
    {"length", 0, FLAG_BYTES, offsetof(cli_options, length), COMMAND_LOAD, "BYTES", "bytes to load of each file (0: to its end)"},
    {"lock", 0, FLAG_SWITCH, offsetof(cli_options, lock), COMMAND_LOAD, NULL, "lock the pages in memory"},
    {"hold", 0, FLAG_SWITCH, offsetof(cli_options, hold), COMMAND_LOAD, NULL, "keep the files loaded until interrupted"},
    {"touch", 0, FLAG_SWITCH, offsetof(cli_options, touch), COMMAND_LOAD, NULL, "then touch every page twice; count page faults"},
    {"timeout", 0, FLAG_SECONDS, offsetof(cli_options, timeout_ms), COMMAND_LOAD, "SECONDS", "cancel what is not loaded by then"},
    {"workers", 0, FLAG_WORKERS, offsetof(cli_options, workers), COMMAND_LOAD, "N", "threads that load (4, or the processors if more)"},
    {"json", 0, FLAG_SWITCH, offsetof(cli_options, json), LISTS, NULL, "print one JSON object a line"},
    {"quiet", 'q', FLAG_SWITCH, offsetof(cli_options, quiet), COMMAND_LOAD | COMMAND_EVICT, NULL, "print errors only"},
    {"plain", 0, FLAG_SWITCH, offsetof(cli_options, plain), LISTS, NULL, "no progress bar, colour or alignment"},
    {"color", 0, FLAG_CHOICE, offsetof(cli_options, color), LISTS, "auto|always|never", "colour the output (auto)"},
    {"help", 'h', FLAG_SWITCH, offsetof(cli_options, help), COMMAND_ALL, NULL, "print this"},
};
/* clang-format on */

#define FLAG_COUNT (sizeof flags / sizeof flags[0])

void options_print(FILE *to, unsigned command) {
  for (const cli_flag *flag = flags; flag < flags + FLAG_COUNT; flag++) {
    if ((flag->commands & command) == 0)
      continue;
    char name[64];
    snprintf(name, sizeof name, "--%s%s%s", flag->name, flag->argument != NULL ? "=" : "",
             flag->argument != NULL ? flag->argument : "");
    char letter[8] = "    ";
    if (flag->letter != 0)
      snprintf(letter, sizeof letter, "-%c, ", flag->letter);
    fprintf(to, "  %s%-33s %s\n", letter, name, flag->help);
  }
}

/* The word's place among words, which | separates; -1 when it is none of them. */
static int choice_of(const char *words, const char *word) {
  size_t length = strlen(word);
  for (int place = 0; words != NULL; place++) {
    const char *end = strchr(words, '|');
    size_t size = end != NULL ? (size_t)(end - words) : strlen(words);
    if (size == length && memcmp(words, word, size) == 0)
      return place;
    words = end != NULL ? end + 1 : NULL;
  }
  return -1;
}

/* False for anything but digits and one suffix of powers of 1024. */
static bool read_bytes(const char *text, uint64_t *bytes) {
  static const char suffixes[] = "KMGT";
  if (*text < '0' || *text > '9')
    return false;
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (errno != 0)
    return false;
  unsigned shift = 0;
  if (*end != '\0') {
    const char *suffix = strchr(suffixes, *end++);
    if (suffix == NULL || *end != '\0')
      return false;
    shift = 10 * (unsigned)(suffix - suffixes + 1);
  }
  if (number > UINT64_MAX >> shift)
    return false;
  *bytes = (uint64_t)number << shift;
  return true;
}

static bool read_seconds(const char *text, int64_t *milliseconds) {
  char *end;
  double seconds = strtod(text, &end);
  /* Only a digit or a point may start it: strtod takes spaces, signs and names of numbers too. */
  if (end == text || *end != '\0' || strchr("0123456789.", *text) == NULL || !(seconds <= TIMEOUT_MAX_SECONDS))
    return false;
  *milliseconds = (int64_t)(seconds * 1000);
  /* Rounded up: a time-out that is not 0 should not become it. */
  if ((double)*milliseconds < seconds * 1000)
    ++*milliseconds;
  return true;
}

static bool read_workers(const char *text, uint32_t *workers) {
  uint64_t number;
  if (!read_bytes(text, &number) || number < 1 || number > WORKERS_MAX)
    return false;
  *workers = (uint32_t)number;
  return true;
}

static bool flag_set(const cli_flag *flag, cli_options *options, const char *value) {
  void *field = (char *)options + flag->field;
  int choice;
  switch (flag->kind) {
  case FLAG_SWITCH:
    *(bool *)field = true;
    return true;
  case FLAG_CHOICE:
    choice = choice_of(flag->argument, value);
    if (choice >= 0)
      *(uint32_t *)field = (uint32_t)choice;
    return choice >= 0;
  case FLAG_BYTES:
    return read_bytes(value, field);
  case FLAG_SECONDS:
    return read_seconds(value, field);
  case FLAG_WORKERS:
    return read_workers(value, field);
  case FLAG_TEXT:
    *(const char **)field = value;
    return true;
  }
  return false;
}

/* ---- The words. getopt_long, of which this does the part that is used, is not everywhere. */

typedef struct cli_words {
  unsigned command;
  const char *title; /* the command's name */
  int count;
  char **words;
  int next; /* of these the first that is not read yet */
} cli_words;

static bool complain(const cli_words *words, const char *what, const char *argument) {
  char *visible = text_visible(argument);
  fprintf(stderr, "premap %s: %s '", words->title, what);
  system_print(stderr, visible);
  fprintf(stderr, "'\nTry 'premap %s --help'.\n", words->title);
  free(visible);
  return false;
}

/* The flag whose name this is, or the only one whose name begins so. */
static const cli_flag *flag_named(unsigned command, const char *name, size_t length) {
  const cli_flag *found = NULL;
  bool is_ambiguous = false;
  for (const cli_flag *flag = flags; flag < flags + FLAG_COUNT; flag++) {
    if ((flag->commands & command) == 0 || strncmp(flag->name, name, length) != 0)
      continue;
    if (flag->name[length] == '\0')
      return flag;
    is_ambiguous = found != NULL;
    found = flag;
  }
  return is_ambiguous ? NULL : found;
}

static const cli_flag *flag_lettered(unsigned command, char letter) {
  for (const cli_flag *flag = flags; flag < flags + FLAG_COUNT; flag++)
    if ((flag->commands & command) != 0 && flag->letter == letter)
      return flag;
  return NULL;
}

/* --name, --name=value or --name value */
static bool read_named(cli_words *words, cli_options *options, const char *word) {
  const char *name = word + 2;
  size_t length = strcspn(name, "=");
  const char *value = name[length] == '=' ? name + length + 1 : NULL;
  const cli_flag *flag = flag_named(words->command, name, length);
  if (flag == NULL)
    return complain(words, "unknown option", word);
  if (flag->argument == NULL && value != NULL)
    return complain(words, "takes no argument:", word);
  if (flag->argument != NULL && value == NULL) {
    if (words->next == words->count)
      return complain(words, "an argument is missing after", word);
    value = words->words[words->next++];
  }
  if (flag_set(flag, options, value))
    return true;
  char what[64];
  snprintf(what, sizeof what, "--%s cannot be", flag->name);
  return complain(words, what, value);
}

/* -q, or -q0: no flag that has a letter takes an argument. */
static bool read_letters(cli_words *words, cli_options *options, const char *word) {
  for (const char *letter = word + 1; *letter != '\0'; letter++) {
    const cli_flag *flag = flag_lettered(words->command, *letter);
    if (flag == NULL)
      return complain(words, "unknown option", (char[]){'-', *letter, '\0'});
    flag_set(flag, options, NULL);
  }
  return true;
}

bool options_read(cli_options *options, unsigned command, int argc, char **argv) {
  cli_words words = {.command = command, .title = argv[0], .count = argc, .words = argv, .next = 1};
  *options = (cli_options){.prefault = PREMAP_PREFAULT_POPULATE, .timeout_ms = -1};
  /* They move up over the flags between them, which have been read by then. */
  options->paths = argv + 1;
  bool takes_flags = true;
  while (words.next < words.count) {
    char *word = argv[words.next++];
    bool is_path = !takes_flags || word[0] != '-' || word[1] == '\0';
    if (is_path)
      options->paths[options->path_count++] = word;
    else if (strcmp(word, "--") == 0)
      takes_flags = false;
    else if (word[1] == '-' ? !read_named(&words, options, word) : !read_letters(&words, options, word))
      return false;
  }
  if (options->path_count > 0 || options->from != NULL || options->help)
    return true;
  fprintf(stderr, "premap %s: no path given\nTry 'premap %s --help'.\n", argv[0], argv[0]);
  return false;
}

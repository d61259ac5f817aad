/* SPDX-License-Identifier: MIT
 *
 * names.c - see names.h.
 */
#include "names.h"

#include <string.h>

#include <premap/premap.h>

/* The library's longest path, its NUL and the separator: a longer name could not be loaded. */
#define NAME_CAPACITY 65537
/* How long a list that gives nothing may keep a progress bar or a time-out from being looked after. */
#define PATIENCE_MS 100

static bool visit_tree(const char *path, system_visit *visit, void *context) {
  return system_is_directory(path) ? system_walk(path, visit, context) : visit(context, path, 0);
}

/* A list that is being read: what has come of it and is no whole name yet. */
typedef struct name_list {
  const char *title; /* for messages */
  char separator;
  size_t length;
  char bytes[NAME_CAPACITY];
} name_list;

static bool visit_name(const name_list *list, char *name, size_t length, system_visit *visit, void *context) {
  if (list->separator == '\n')
    length = system_line_length(name, length);
  if (length == 0)
    return true;
  /* C would take what is before the NUL for the name: another file, perhaps. */
  if (memchr(name, '\0', length) != NULL)
    return visit(context, name, PREMAP_EILSEQ);
  name[length] = '\0';
  return visit_tree(name, visit, context);
}

/* Visits the whole names, and keeps the rest for more bytes to come. */
static bool visit_whole_names(name_list *list, system_visit *visit, void *context) {
  char *name = list->bytes;
  char *end = list->bytes + list->length;
  for (char *stop; (stop = memchr(name, list->separator, (size_t)(end - name))) != NULL; name = stop + 1)
    if (!visit_name(list, name, (size_t)(stop - name), visit, context))
      return false;
  list->length = (size_t)(end - name);
  memmove(list->bytes, name, list->length);
  return true;
}

static bool visit_input(name_list *list, intptr_t input, system_visit *visit, void *context) {
  for (;;) {
    /* One byte stays for the NUL that ends the last name. */
    size_t room = sizeof list->bytes - 1 - list->length;
    if (room == 0)
      return visit(context, list->title, PREMAP_ENAMETOOLONG);
    int64_t got = system_input_read(input, list->bytes + list->length, room, PATIENCE_MS);
    if (got == PREMAP_ETIMEDOUT) {
      if (!visit(context, NULL, 0))
        return false;
    } else if (got < 0) {
      return visit(context, list->title, (int)got);
    } else if (got == 0) {
      return visit_name(list, list->bytes, list->length, visit, context);
    } else {
      list->length += (size_t)got;
      if (!visit_whole_names(list, visit, context))
        return false;
    }
  }
}

/* A null path is the standard input. */
static bool visit_list(const char *path, bool nul_separated, system_visit *visit, void *context) {
  name_list list;
  list.title = path != NULL ? path : "standard input";
  list.separator = nul_separated ? '\0' : '\n';
  list.length = 0;
  intptr_t input;
  int code = system_input_open(path, &input);
  if (code != 0)
    return visit(context, list.title, code);
  bool go_on = visit_input(&list, input, visit, context);
  system_input_close(input);
  return go_on;
}

bool names_visit(const cli_options *options, system_visit *visit, void *context) {
  for (int i = 0; i < options->path_count; i++) {
    const char *path = options->paths[i];
    bool is_list = strcmp(path, "-") == 0;
    bool go_on = is_list ? visit_list(NULL, options->nul_separated, visit, context) : visit_tree(path, visit, context);
    if (!go_on)
      return false;
  }
  if (options->from == NULL)
    return true;
  return visit_list(strcmp(options->from, "-") == 0 ? NULL : options->from, options->nul_separated, visit, context);
}

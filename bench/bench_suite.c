/* SPDX-License-Identifier: MIT
 *
 * bench_suite.c - loads files in many ways and compares them: bench_suite [OPTION...] DIRECTORY.
 *
 * The method. The workloads' files are made beneath the directory, which decides file system and device. For each workload and
 * state of the page cache, each contestant has one turn a round, in an order that differs from round to round. A turn is a
 * process of its own; its time is that to load all files, read one byte of each page, and let go of everything. Before the
 * rounds each contestant has an untimed turn in which the checksum of every byte it shows is compared with the file's; one with
 * wrong bytes has failed and has no figures. A cold turn begins with the files evicted; if a hundredth of the bytes or more is
 * still in the cache, the turn is void; then as much free memory and a quarter more is used once, since a virtual machine that
 * gives it back to its host waits for it at the next use. Names and inodes are warm in all of them. A warm turn begins with all
 * bytes in the cache, as they were written (files below 16 MiB) or as they were read back from the device after an eviction
 * (larger ones); for "pages-SIZE" they were written so that Linux has them in large pages of that size.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "report.h"

enum { CONTESTANTS_MAX = 64 };
#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

struct spec {
  const char *name;
  size_t count; /* 0: a real tree */
  uint64_t size;
};

static const struct spec specs[] = {
    {"4KiB", 100000, 4 * KIB},
    {"16KiB", 20000, 16 * KIB},
    {"64KiB", 5000, 64 * KIB},
    {"256KiB", 2000, 256 * KIB},
    {"1MiB", 500, MIB},
    {"16MiB", 64, 16 * MIB},
    {"1GiB", 1, (uint64_t)1 << 30},
    {"4GiB", 1, (uint64_t)4 << 30},
    {"tree", 0, 0},
};

struct state {
  const char *name;
  size_t piece; /* in which the files are written before; 0: they are not */
  int (*prepare)(const bench_workload *workload);
  bool before_each_turn; /* else before each round, when it finds what it needs */
};

/* With enough memory that this machine has, and not its host. */
static int make_cold(const bench_workload *workload) {
  int result = bench_workload_make_cold(workload);
  return result == 0 ? bench_use_free_memory(workload->bytes + workload->bytes / 4) : result;
}

static const struct state states[] = {{"warm", 0, bench_workload_make_warm, false},
                                      {"pages-4KiB", 4 * KIB, bench_workload_make_warm, false},
                                      {"pages-1MiB", 1 * MIB, bench_workload_make_warm, false},
                                      {"pages-2MiB", 4 * MIB, bench_workload_make_warm, false},
                                      {"cold", 0, make_cold, true}};

struct settings {
  const char *directory;
  const char *out;
  const char *label;
  const char *workloads; /* lists of names, separated by commas; null: all */
  const char *states;
  const char *contestants;
  const char *trees[8];
  size_t tree_count;
  int rounds;
  uint64_t scale;
  const bench_contestant *chosen[CONTESTANTS_MAX];
  size_t chosen_count;
  bool has_failed;
};

static bool is_listed(const char *list, const char *name) {
  if (list == NULL)
    return true;
  size_t length = strlen(name);
  for (const char *item = list; item != NULL; item = strchr(item, ',') != NULL ? strchr(item, ',') + 1 : NULL) {
    if (strncmp(item, name, length) == 0 && (item[length] == ',' || item[length] == '\0'))
      return true;
  }
  return false;
}

static void choose(struct settings *settings) {
  const bench_contestant *const families[] = BENCH_FAMILIES;
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    for (const bench_contestant *one = families[i]; one->name != NULL; one++) {
      if (is_listed(settings->contestants, one->name) && settings->chosen_count < CONTESTANTS_MAX)
        settings->chosen[settings->chosen_count++] = one;
    }
  }
}

/* ---- A case */

static void set_status(bench_case *one, size_t contestant, bench_status status, int code) {
  for (int round = 0; round < one->rounds; round++)
    one->samples[contestant * (size_t)one->rounds + (size_t)round] = (bench_sample){status, code, {0}};
}

static bool can_load(const bench_contestant *contestant, const bench_workload *workload) {
  return (contestant->traits & BENCH_MADE_ONLY) == 0 || workload->directory != NULL;
}

/* Marks those that are absent or show wrong bytes. */
static void verify(struct settings *settings, const bench_workload *workload, int *verified) {
  for (size_t i = 0; i < settings->chosen_count; i++) {
    const bench_contestant *contestant = settings->chosen[i];
    bool takes_part = contestant->absent == NULL && can_load(contestant, workload);
    verified[i] = takes_part ? bench_sample_verify(contestant, workload) : 0;
    if (contestant->absent != NULL)
      fprintf(stderr, "  %s is absent: %s\n", contestant->name, contestant->absent);
    if (verified[i] == 0)
      continue;
    fprintf(stderr, "  %s FAILED: %s\n", contestant->name, bench_code_text(verified[i]));
    settings->has_failed = true;
  }
}

static void run_round(struct settings *settings, const bench_workload *workload, const struct state *state, bench_case *one,
                      int round) {
  int ready = state->before_each_turn ? 0 : state->prepare(workload);
  size_t order[CONTESTANTS_MAX];
  bench_shuffle(round, order, one->count);
  for (size_t turn = 0; turn < one->count; turn++) {
    size_t i = order[turn];
    bench_sample *sample = &one->samples[i * (size_t)one->rounds + (size_t)round];
    if (sample->status == BENCH_ABSENT || sample->status == BENCH_FAILED)
      continue;
    if (state->before_each_turn)
      ready = state->prepare(workload);
    if (ready == 0)
      *sample = bench_sample_take(one->contestants[i], workload);
    else
      *sample = (bench_sample){ready == BENCH_VOID ? BENCH_IS_VOID : BENCH_FAILED, ready, {0}};
    if (sample->status == BENCH_IS_VOID)
      fprintf(stderr, "  round %d of %s is void: the files are not %s\n", round + 1, one->contestants[i]->name, state->name);
    if (sample->status == BENCH_FAILED) {
      fprintf(stderr, "  %s FAILED: %s\n", one->contestants[i]->name, bench_code_text(sample->code));
      set_status(one, i, BENCH_FAILED, sample->code);
      settings->has_failed = true;
    }
  }
}

static int run_case(struct settings *settings, const char *name, const bench_workload *workload, const struct state *state,
                    const int *verified, const bench_report *report) {
  const bench_contestant *contestants[CONTESTANTS_MAX];
  bench_case one = {.label = settings->label,
                    .name = name,
                    .state = state->name,
                    .files = workload->count,
                    .bytes = workload->bytes,
                    .contestants = contestants,
                    .rounds = settings->rounds,
                    .folio_kib = state->before_each_turn ? NAN : bench_folio_kib(workload->files[0].path)};
  one.samples = calloc(settings->chosen_count * (size_t)settings->rounds, sizeof *one.samples);
  if (one.samples == NULL)
    return -ENOMEM;
  for (size_t i = 0; i < settings->chosen_count; i++) {
    bool is_cold_only = (settings->chosen[i]->traits & BENCH_COLD_ONLY) != 0;
    if ((is_cold_only && !state->before_each_turn) || !can_load(settings->chosen[i], workload))
      continue;
    contestants[one.count] = settings->chosen[i];
    if (settings->chosen[i]->absent != NULL)
      set_status(&one, one.count, BENCH_ABSENT, 0);
    else if (verified[i] != 0)
      set_status(&one, one.count, BENCH_FAILED, verified[i]);
    one.count++;
  }
  for (int round = 0; round < settings->rounds; round++) {
    fprintf(stderr, "%s %s: round %d of %d\n", name, state->name, round + 1, settings->rounds);
    run_round(settings, workload, state, &one, round);
  }
  bench_report_case(report, &one);
  free(one.samples);
  return 0;
}

/* ---- Workloads */

/* Brings the files into the state, or says why not: 0, 1 (left out), or a negative errno. */
static int begin_state(const char *name, const bench_workload *workload, const struct state *state) {
  bool is_tree = workload->directory == NULL;
  bool is_small = !is_tree && workload->largest < BENCH_LARGE;
  if ((is_small && strcmp(state->name, "warm") != 0) || (is_tree && state->piece > 0))
    return 1;
  int result = 0;
  if (state->piece > 0)
    result = bench_workload_rewrite(workload, state->piece);
  else if (!is_small)
    result = bench_workload_make_cold(workload);
  if (result == 0)
    result = state->prepare(workload);
  if (result == BENCH_VOID)
    fprintf(stderr, "%s cannot be made %s: some process holds its pages, or there is too little memory\n", name, state->name);
  return result == BENCH_VOID ? -EAGAIN : result;
}

static int run_states(struct settings *settings, const char *name, const bench_workload *workload, const bench_report *report) {
  int verified[CONTESTANTS_MAX] = {0};
  fprintf(stderr, "%s: %zu files, %llu bytes, %zu left out; verifying\n", name, workload->count,
          (unsigned long long)workload->bytes, workload->left_out);
  verify(settings, workload, verified);
  int result = 0;
  for (size_t i = 0; i < sizeof states / sizeof *states && result >= 0; i++) {
    if (!is_listed(settings->states, states[i].name))
      continue;
    result = begin_state(name, workload, &states[i]);
    if (result == 0)
      result = run_case(settings, name, workload, &states[i], verified, report);
  }
  return result < 0 ? result : 0;
}

/* Of many files there are fewer, a single one shrinks; but large files stay large. */
static size_t scaled_count(const struct spec *spec, uint64_t scale) {
  return spec->count / scale > 0 ? (size_t)(spec->count / scale) : 1;
}

static uint64_t scaled_size(const struct spec *spec, uint64_t scale) {
  uint64_t size = spec->count > 1 ? spec->size : spec->size / scale / (4 * MIB) * (4 * MIB);
  return spec->count == 1 && size < BENCH_LARGE ? BENCH_LARGE : size;
}

static int run_workload(struct settings *settings, const struct spec *spec, const bench_report *report) {
  bench_workload workload;
  int result;
  if (spec->count == 0) {
    result = bench_workload_find(&workload, settings->directory, settings->trees, settings->tree_count);
  } else {
    result = bench_workload_make(&workload, settings->directory, scaled_count(spec, settings->scale),
                                 scaled_size(spec, settings->scale));
  }
  if (result == 0)
    result = run_states(settings, spec->name, &workload, report);
  bench_workload_end(&workload);
  if (result != 0)
    fprintf(stderr, "%s FAILED: %s\n", spec->name, bench_code_text(result));
  return result;
}

/* ---- Command line */

static int usage(const char *program) {
  fprintf(stderr,
          "usage: %s [OPTION...] DIRECTORY\n"
          "  --workload=NAME,...    of 4KiB 16KiB 64KiB 256KiB 1MiB 16MiB 1GiB 4GiB tree (all)\n"
          "  --state=NAME,...       of warm pages-4KiB pages-1MiB pages-2MiB cold (all)\n"
          "  --contestant=NAME,...  (all; --list names them)\n"
          "  --tree=PATH            a directory of the workload tree, once for each (/usr/lib and /usr/include)\n"
          "  --rounds=N             (5)\n"
          "  --scale=N              divides the files' number, or their size where there is only one (1)\n"
          "  --label=TEXT           first column of the CSV (here)\n"
          "  --out=DIRECTORY        for samples.csv, medians.csv and ratios.csv, which are added to (.)\n",
          program);
  return 2;
}

static int list(void) {
  const bench_contestant *const families[] = BENCH_FAMILIES;
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    for (const bench_contestant *one = families[i]; one->name != NULL; one++)
      printf("%-18s %s%s%s\n", one->name, one->what, one->absent != NULL ? "; absent: " : "",
             one->absent != NULL ? one->absent : "");
  }
  return 0;
}

static bool take_option(struct settings *settings, int option) {
  switch (option) {
  case 'w':
    settings->workloads = optarg;
    return true;
  case 's':
    settings->states = optarg;
    return true;
  case 'c':
    settings->contestants = optarg;
    return true;
  case 'l':
    settings->label = optarg;
    return true;
  case 'o':
    settings->out = optarg;
    return true;
  case 't':
    if (settings->tree_count < sizeof settings->trees / sizeof *settings->trees)
      settings->trees[settings->tree_count++] = optarg;
    return true;
  case 'r':
    settings->rounds = atoi(optarg);
    return settings->rounds >= 1 && settings->rounds <= BENCH_ROUNDS_MAX;
  case 'd':
    settings->scale = strtoull(optarg, NULL, 10);
    return settings->scale >= 1;
  default:
    return false;
  }
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"workload", required_argument, NULL, 'w'},
                                          {"state", required_argument, NULL, 's'},
                                          {"contestant", required_argument, NULL, 'c'},
                                          {"label", required_argument, NULL, 'l'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"tree", required_argument, NULL, 't'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"scale", required_argument, NULL, 'd'},
                                          {"list", no_argument, NULL, 'L'},
                                          {NULL, 0, NULL, 0}};
  struct settings settings = {.out = ".", .label = "here", .rounds = 5, .scale = 1};
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'L')
      return list();
    if (!take_option(&settings, option))
      return usage(argv[0]);
  }
  if (argc - optind != 1)
    return usage(argv[0]);
  settings.directory = argv[optind];
  if (settings.tree_count == 0) {
    settings.trees[settings.tree_count++] = "/usr/lib";
    settings.trees[settings.tree_count++] = "/usr/include";
  }
  choose(&settings);
  bench_report report;
  int result = bench_report_open(&report, settings.out);
  for (size_t i = 0; result == 0 && i < sizeof specs / sizeof *specs; i++) {
    if (is_listed(settings.workloads, specs[i].name) && run_workload(&settings, &specs[i], &report) != 0)
      settings.has_failed = true;
  }
  int closed = bench_report_close(&report);
  if (result != 0 || closed != 0)
    fprintf(stderr, "%s: cannot write to '%s': %s\n", argv[0], settings.out, bench_code_text(result != 0 ? result : closed));
  return result == 0 && closed == 0 && !settings.has_failed ? 0 : 1;
}

/* SPDX-License-Identifier: MIT
 *
 * arguments.c - reads the command line of the single benchmarks.
 */
#include "arguments.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

int bench_arguments_read(bench_arguments *arguments, int argc, char **argv) {
  static const struct option options[] = {{"scale", required_argument, NULL, 's'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"label", required_argument, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
  arguments->scale = 1;
  arguments->label = "";
  bool well = true;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 's')
      arguments->scale = strtoull(optarg, NULL, 10);
    else if (option == 'r')
      arguments->rounds = atoi(optarg);
    else if (option == 'l')
      arguments->label = optarg;
    else
      well = false;
  }
  well = well && argc - optind == 1 && arguments->scale >= 1 && arguments->rounds >= 1 && arguments->rounds <= BENCH_ROUNDS_MAX;
  if (!well) {
    fprintf(stderr, "usage: %s [--scale=N] [--rounds=N] [--label=TEXT] DIRECTORY\n", argv[0]);
    return 2;
  }
  arguments->directory = argv[optind];
  return 0;
}

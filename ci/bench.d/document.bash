# shellcheck shell=bash disable=SC2154 # ci/bench sets the variables
# SPDX-License-Identifier: MIT
#
# Part of ci/bench: docs/benchmarks.md, written from the results of the last run.

write_case() {
  local plot
  plot=$(plot_of "$1" "$2" "$3")
  printf '\n### %s, %s, %s\n\n' "$2" "$3" "$1"
  case_table "$1" "$2" "$3"
  # Those of the loop devices would be many.
  if [[ $1 == here && -e $results/$plot ]]; then
    printf '\n![%s, %s, %s](benchmarks/%s)\n' "$2" "$3" "$1" "$plot"
    cp "$results/$plot" "$root/docs/benchmarks/"
  fi
}

print_document() {
  local label workload state
  cat <<'END'
# Benchmarks

Written by `ci/bench --document` from one run of `ci/bench`, of which workloads may have been measured again: then the table says so. All times are those of this machine, on that day; what carries over to others
are the ratios, if anything does.

END
  environment_table
  cat <<'END'

## Method

`bench/bench_suite.c` says how the contestants are measured; each is a small file, `bench/contestant_*.c`, and `bench_suite --list` names them.
A time is that to load all files of the workload, read one byte of each page, and let go of everything, in a process of its own; "until
ready" is the part until a single file's bytes were there to be read. Contestants have their turns round by round, in changing order.
Each number is the median of the rounds with its quartiles, and a ratio is the median of the rounds' ratios: below 1 premap takes less.
The checksum of every byte was compared beforehand; a contestant with wrong bytes has failed. Names of workloads: size of each file
(100,000 of 4 KiB, 20,000 of 16 KiB, 5,000 of 64 KiB, 2,000 of 256 KiB, 500 of 1 MiB, 64 of 16 MiB, one of 1 GiB, one of 4 GiB), and tree
for the files of the directories named above. States: cold (less than 1 % in the page cache, verified, and free memory just used), warm, and pages-SIZE (warm, in large
pages of that size). Faults are minor ones, then major ones. `direct` reads past the page cache, as the device's limit; the commands
`premap-command` and `vmtouch` leave the bytes in the page cache only, so they do less than the others. Of `touch64k` some pages may not be
present when it is ready.

## Aims

Where one is not reached, ARCHITECTURE.md tells what the limit is.

END
  goals_table
  # shellcheck disable=SC2016 # Markdown, not a command
  printf '\n## Single benchmarks\n\nEach is a program, `bench/bench_*.c`.\n\n'
  single_table
  printf '\n## Workloads\n'
  while IFS=, read -r label workload state; do
    write_case "$label" "$workload" "$state"
  done < <(cases)
}

write_document() {
  if [[ ! -s $results/medians.csv || ! -s $results/single.csv ]]; then
    note "there are no results of a run in $results"
    exit 1
  fi
  rm -rf "$root/docs/benchmarks"
  mkdir -p "$root/docs/benchmarks"
  print_document >"$root/docs/benchmarks.md"
  note "wrote docs/benchmarks.md"
}

# shellcheck shell=bash disable=SC2154 # ci/bench sets the variables
# SPDX-License-Identifier: MIT
#
# Part of ci/bench: what was measured where, and tables of it, as Markdown.

# describe LABEL KEY VALUE... - into environment.csv.
describe() {
  [[ -e $results/environment.csv ]] || echo "label,key,value" >"$results/environment.csv"
  echo "$1,$2,${*:3}" >>"$results/environment.csv"
}

version_of() {
  pkg-config --modversion "$1" 2>/dev/null || echo absent
}

premap_version() {
  git -C "$root" describe --always --dirty 2>/dev/null || sed -n 's/^  VERSION //p' "$root/CMakeLists.txt"
}

describe_machine() {
  describe machine processor "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(nproc) of them"
  describe machine memory "$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
  describe machine kernel "$(uname -srm)"
  describe machine "C compiler" "$("${CC:-cc}" --version | head -n 1)"
  describe machine libraries "libuv $(version_of libuv), GLib $(version_of gio-2.0), liburing $(version_of liburing)"
  describe machine premap "$(premap_version)"
  describe machine date "$(date -u +%Y-%m-%d)"
  describe machine "load average before" "$(cut -d' ' -f1-3 /proc/loadavg)"
  describe machine tree "${trees[*]#--tree=}"
  describe machine rounds "$rounds; $tree_rounds of the tree, $device_rounds on loop devices; work divided by $scale"
}

read_ahead_of() {
  local number uuid
  number=$(mountpoint --fs-devno "$1" 2>/dev/null) || number=$(findmnt --noheadings --output MAJ:MIN --target "$1" | tr -d ' ')
  uuid=$(findmnt --noheadings --output UUID --target "$1")
  cat "/sys/fs/btrfs/$uuid/bdi/read_ahead_kb" "/sys/class/bdi/$number/read_ahead_kb" 2>/dev/null | head -n 1
}

# describe_place LABEL DIRECTORY
describe_place() {
  describe "$1" "file system" "$(findmnt --noheadings --output FSTYPE --target "$2"), read-ahead $(read_ahead_of "$2") KiB"
}

environment_table() {
  echo "| where | what | |"
  echo "|---|---|---|"
  sed 1d "$results/environment.csv" | awk -F, '{ value = $0; sub(/^[^,]*,[^,]*,/, "", value); print "| " $1 " | " $2 " | " value " |" }'
}

# What was aimed at, beside what came out.
goals_table() {
  touch "$results/ratios.csv" "$results/single.csv"
  awk -F, '
    function row(what, value, quartiles) {
      printf "| %s | %s | %s | %s %s |\n", what, value, quartiles, $9, $10
    }
    FILENAME == ratios { key = $1 FS $2 FS $3 FS $4 FS $5 FS $6; ratio[key] = $8; spread[key] = $9 " to " $10; next }
    FILENAME == single {
      key = $1 FS $2 FS $3
      value[key] = $6 " " $4; value_spread[key] = $7 " to " $8; against[key] = $9; single_ratio[key] = $10; single_spread[key] = $11 " to " $12
      next
    }
    FNR == 1 { print "| what | measured | quartiles | aim |"; print "|---|---|---|---|"; next }
    $1 == "suite" {
      key = $2 FS $3 FS $4 FS $5 FS $6 FS $7
      row($3 " " $4 ", " $2 ": " $5 " against " $6 ", " $7, ratio[key] == "" ? "not measured" : ratio[key], spread[key])
    }
    $1 == "single" {
      key = $3 FS $7 FS $5
      text = $3 ": " $5 ($8 == "ratio" ? " against " against[key] : "") ", " $7
      if ($8 == "ratio") row(text, single_ratio[key] == "" ? "not measured" : single_ratio[key], single_spread[key])
      else row(text, value[key] == "" ? "not measured" : value[key], value_spread[key])
    }
  ' ratios="$results/ratios.csv" single="$results/single.csv" "$results/ratios.csv" "$results/single.csv" "$root/ci/bench.d/goals.csv"
}

# cases - a line LABEL,WORKLOAD,STATE for each.
cases() {
  [[ ! -e $results/medians.csv ]] || sed 1d "$results/medians.csv" | awk -F, '!seen[$1, $2, $5]++ { print $1 "," $2 "," $5 }'
}

# case_table LABEL WORKLOAD STATE - the fastest first.
case_table() {
  echo "| contestant | ms | quartiles | until ready | processor ms | faults, major | switches | MiB/s | premap / it |"
  echo "|---|---|---|---|---|---|---|---|---|"
  awk -F, -v OFS=, -v label="$1" -v workload="$2" -v state="$3" '
    FILENAME == ratios {
      if ($1 == label && $2 == workload && $3 == state && $4 == "premap" && $6 == "wall_ms") ratio[$5] = $8 " (" $9 " to " $10 ")"
      next
    }
    $1 == label && $2 == workload && $5 == state {
      if ($8 != "ok") print 1e300, "| " $7 " | " $8 " | | | | | | | |"
      else printf "%s,| %s | %.4g | %.4g to %.4g | %s | %.4g | %d, %d | %d | %d | %s |\n", $12, $7, $12, $10, $11, $13, $14, $15, $16, $17 + $18, $19, ratio[$7]
    }
  ' ratios="$results/ratios.csv" "$results/ratios.csv" "$results/medians.csv" | sort -t, -k1,1g | cut -d, -f2-
}

single_table() {
  echo "| benchmark | metric | side | median | quartiles | against | ratio | its quartiles |"
  echo "|---|---|---|---|---|---|---|---|"
  sed 1d "$results/single.csv" | awk -F, '{
    value = $5 > 0 ? $6 " " $4 " | " $7 " to " $8 : "not measured | "
    ratio = $10 == "" ? " | " : $10 " | " $11 " to " $12
    printf "| %s | %s | %s | %s | %s | %s |\n", $1, $2, $3, value, $9, ratio
  }'
}

# Markdown made readable on a terminal.
align() {
  sed -e '/^|-/d' -e 's/^| //' -e 's/ |$//' | column -t -s '|'
}

print_tables() {
  local label workload state
  environment_table | align
  while IFS=, read -r label workload state; do
    printf '\n%s, %s, %s\n' "$workload" "$state" "$label"
    case_table "$label" "$workload" "$state" | align
  done < <(cases)
  printf '\nSingle benchmarks\n'
  single_table | align
  printf '\nAims\n'
  goals_table | align
}

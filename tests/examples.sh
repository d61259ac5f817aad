#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# examples.sh LOAD STAGED_ARGS COROUTINE [LAUNCHER...] - runs the programs of examples/ as their readers would, and compares what they say
# with wc. COROUTINE may be "absent: REASON".
# shellcheck disable=SC2317 # functions that only try calls
set -euo pipefail

load=$1 staged_args=$2 coroutine=$3
launcher=("${@:4}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
status=0

# run STATUS PROGRAM ARGUMENT...: must end so. What it writes is in the files out and err, with this system's line ends.
run() {
  local expected=$1 actual=0
  shift
  "${launcher[@]}" "$@" >raw.out 2>raw.err || actual=$?
  tr -d '\r' <raw.out >out
  tr -d '\r' <raw.err >err
  ((actual == expected)) || {
    echo "status $actual, not $expected"
    cat out err
    return 1
  }
}

# same FILE TEXT
same() {
  diff "$1" <(printf '%s\n' "$2")
}

count_one() {
  run 0 "$load" one && same out "2 lines in 9 bytes"
}

report_a_missing_file() {
  run 1 "$1" missing && grep -Fx "open 'missing': no such file or directory (ENOENT)" err
}

# The checksums are added up, so that their order does not matter.
stage_arguments() {
  local sum lines bytes
  run 0 "$staged_args" one -o result two empty large && read -r lines bytes < <(cat one two empty large | wc -lc) || return 1
  grep -E "^$lines lines in $bytes bytes of 4 files, checksum [0-9a-f]{16}" result && [[ ! -s out ]] || return 1
  sum=$(tr -d '\r' <result)
  run 0 "$staged_args" -p large -- two empty one && same out "$sum" || return 1
  printf 'FIRST\nit\n' >one
  run 0 "$staged_args" one two empty large && ! same out "$sum" >changed
}

stage_what_fails() {
  run 1 "$staged_args" one missing two && grep -F "lines in 25 bytes of 2 files" out &&
    same err "open 'missing': no such file or directory (ENOENT)"
}

refuse_bad_arguments() {
  run 2 "$staged_args" one --unknown && grep -F usage: err && run 2 "$staged_args" && grep -F usage: err &&
    run 2 "$staged_args" one -o && grep -F usage: err && [[ ! -s out ]]
}

await_files() {
  run 1 "$coroutine" one large missing two && diff <(sort out) <(printf '%s\n' "2 one" "20000 large" "3 two" | sort) &&
    same err "open 'missing': no such file or directory (ENOENT)"
}

try() {
  local name=$1
  shift
  if "$@" >log 2>&1; then
    echo "[PASS] examples: $name"
  else
    cat log
    echo "[FAIL] examples: $name"
    status=1
  fi
}

printf 'first\nit\n' >one
printf 'second\n\nfile\n...' >two
: >empty
seq 20000 >large

try "load counts lines" count_one
try "load names a missing file" report_a_missing_file "$load"
try "staged_args adds up what it is given, in any order" stage_arguments
try "staged_args names what fails, and goes on" stage_what_fails
try "staged_args refuses bad arguments" refuse_bad_arguments
if [[ $coroutine == absent:* ]]; then
  echo "[SKIP] examples: coroutine counts lines: SKIPPED: ${coroutine#absent: }"
else
  try "coroutine counts lines" await_files
fi

exit $status

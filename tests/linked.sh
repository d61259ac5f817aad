#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# linked.sh OBJDUMP PROCESSOR FILE... - for what is built for macOS elsewhere: each program and library is one for this processor, and needs
# no other libraries than macOS and this build have.
set -euo pipefail

objdump=$1 processor=$2
shift 2
failed=0

# Prints what is wrong.
problem_of() {
  local header library
  header=$("$objdump" --macho --private-header "$1" | tail -n 1)
  [[ $header =~ ^MH_MAGIC_64\ +${processor^^}\ .*\ (EXECUTE|DYLIB)\  ]] || echo "no program or library for $processor: $header"
  while read -r library _; do
    [[ $library == /usr/lib/* || ${library##*/} == libpremap.* || ${library##*/} == libbench_baseline.* ]] || echo "needs $library"
  done < <("$objdump" --macho --dylibs-used "$1" | tail -n +2)
}

for file in "$@"; do
  problem=$(problem_of "$file")
  if [[ -z $problem ]]; then
    echo "[PASS] linked: ${file##*/}"
  else
    echo "[FAIL] linked: ${file##*/}: $problem"
    failed=1
  fi
done
exit $failed

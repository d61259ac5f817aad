#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# symbols.sh NM OBJDUMP LIBRARY HEADERS - the shared library, ELF or DLL, exports the functions that the headers in this folder declare, and
# nothing else.
set -euo pipefail

nm=$1 objdump=$2 library=$3 headers=$4

# The tables of names as binutils and LLVM print them.
exports_of_dll() {
  "$objdump" -p "$1" | awk '
    /^\[Ordinal\/Name Pointer\] Table/ || /^Export Table/ { inside = 1; next }
    NF == 0 || /^The / { inside = 0 }
    inside && ($1 ~ /^\[/ || $2 ~ /^0x/) { print $NF }'
}

exports_of_elf() {
  "$nm" --dynamic --defined-only --format=posix "$1" | cut -d ' ' -f 1 | cut -d @ -f 1
}

declared=$(sed -n 's/^PREMAP_EXPORT [^(]*\<\([a-z0-9_]*\)(.*/\1/p' "$headers"/*.h | sort)
if [[ $library == *.dll ]]; then
  exported=$(exports_of_dll "$library" | sort)
else
  exported=$(exports_of_elf "$library" | sort)
fi

if [[ -z $declared || $declared != "$exported" ]]; then
  echo "< declared, > exported:"
  diff <(echo "$declared") <(echo "$exported") || true
  echo "[FAIL] symbols: the library does not export what the headers declare"
  exit 1
fi
echo "[PASS] symbols: $(wc -l <<<"$declared") functions"

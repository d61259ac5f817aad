#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# symbols.sh NM LIBRARY HEADERS - the shared library exports the functions that the headers in this folder declare, and nothing else.
set -euo pipefail

nm=$1 library=$2 headers=$3

declared=$(sed -n 's/^PREMAP_EXPORT [^(]*\<\([a-z0-9_]*\)(.*/\1/p' "$headers"/*.h | sort)
exported=$("$nm" --dynamic --defined-only --format=posix "$library" | cut -d ' ' -f 1 | cut -d @ -f 1 | sort)

if [[ -z $declared || $declared != "$exported" ]]; then
  echo "< declared, > exported:"
  diff <(echo "$declared") <(echo "$exported") || true
  echo "[FAIL] symbols: the library does not export what the headers declare"
  exit 1
fi
echo "[PASS] symbols: $(wc -l <<<"$declared") functions"

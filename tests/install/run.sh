#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh CMAKE CC SOURCE BUILD - installs the build into a folder of its own, and builds and runs a program with it in every way that a
# user may: CMake's package, pkg-config, and the source tree as part of a larger project.
# shellcheck disable=SC2317 # functions that only try calls
set -euo pipefail

cmake=$1 cc=$2 source=$3 build=$4
consumer=$source/tests/install/consumer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# The steps of the functions are joined by &&: the shell does not stop at errors in a function whose status is asked for.

install_build() {
  "$cmake" --install "$build" --prefix "$work/first" && mv "$work/first" "$work/prefix"
}

# by_cmake OPTION...
by_cmake() {
  rm -rf "$work/build"
  "$cmake" -S "$consumer" -B "$work/build" -DCMAKE_C_COMPILER="$cc" "$@" &&
    "$cmake" --build "$work/build" &&
    "$work/build/consumer" "$consumer/main.c"
}

# by_pkg_config [PKG_CONFIG_OPTION]
by_pkg_config() {
  local flags
  flags=$(pkg-config --cflags --libs "$@" premap) &&
    read -ra flags <<<"$flags" &&
    "$cc" "$consumer/main.c" -o "$work/program" "${flags[@]}" &&
    "$work/program" "$consumer/main.c"
}

# The linker takes the shared library where it finds both.
by_pkg_config_static() {
  rm "$library_folder"/libpremap.so* && by_pkg_config --static
}

try() {
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "[PASS] install: $name"
  else
    cat "$work/log"
    echo "[FAIL] install: $name"
    status=1
  fi
}

try "the installed tree can be moved" install_build

library_folder=$(dirname "$(find "$work/prefix" -name libpremap.a)")
export PKG_CONFIG_PATH=$library_folder/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export LD_LIBRARY_PATH=$library_folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

prefix=-DCMAKE_PREFIX_PATH=$work/prefix
try "find_package" by_cmake "$prefix"
try "find_package, shared" by_cmake "$prefix" -DCONSUMER_COMPONENT=shared
try "find_package, static" by_cmake "$prefix" -DCONSUMER_COMPONENT=static
try "pkg-config, shared" by_pkg_config
try "pkg-config, static" by_pkg_config_static
try "add_subdirectory, shared" by_cmake -DCONSUMER_PREMAP_SOURCE="$source"
try "add_subdirectory, static" by_cmake -DCONSUMER_PREMAP_SOURCE="$source" -DPREMAP_BUILD_SHARED=OFF

exit $status

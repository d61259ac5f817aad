#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh CMAKE CC CXX SOURCE BUILD - installs the build into a folder of its own, and builds and runs a program with it in every way that a
# user may: CMake's package, pkg-config, and the source tree as part of a larger project, each with the shared and the static library.
# CXX may be "absent: REASON".
# shellcheck disable=SC2317 # functions that only try calls
set -euo pipefail

cmake=$1 cc=$2 cxx=$3 source=$4 build=$5
consumer=$source/tests/install/consumer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# The steps of the functions are joined by &&: the shell does not stop at errors in a function whose status is asked for.

install_build() {
  "$cmake" --install "$build" --prefix "$work/first" && mv "$work/first" "$work/prefix"
}

# works KIND PROGRAM: does it run, with the library of this kind?
works() {
  local kind=static libraries
  "$2" "$consumer/main.c" && libraries=$(ldd "$2" || otool -L "$2") || return 1
  [[ $libraries != *libpremap* ]] || kind=shared
  [[ $kind == "$1" ]] || {
    printf '%s\n' "it uses the $kind library:" "$libraries"
    return 1
  }
}

# by_cmake KIND OPTION...
by_cmake() {
  local kind=$1
  shift
  rm -rf "$work/build"
  "$cmake" -S "$consumer" -B "$work/build" -DCMAKE_C_COMPILER="$cc" "$@" &&
    "$cmake" --build "$work/build" &&
    works "$kind" "$work/build/consumer"
}

# With nothing that finds libuv but what the larger project says.
by_cmake_with_own_libuv() {
  local -x PKG_CONFIG_LIBDIR=$work/nothing PKG_CONFIG_PATH=
  by_cmake "$@" -DCONSUMER_OWN_LIBUV=ON
}

# A project without C, for premap.hpp.
by_cmake_in_cxx() {
  by_cmake "$@" "$installed" -DCONSUMER_CXX=ON -DCMAKE_CXX_COMPILER="$cxx"
}

by_pkg_config_in_cxx() {
  local flags
  flags=$(pkg-config --cflags --libs premap) &&
    read -ra flags <<<"$flags" &&
    "$cxx" -std=c++20 "$consumer/main.cpp" -o "$work/program" "${flags[@]}" &&
    works shared "$work/program"
}

# by_pkg_config KIND [PKG_CONFIG_OPTION]
by_pkg_config() {
  local kind=$1 flags
  shift
  flags=$(pkg-config --cflags --libs "$@" premap) &&
    read -ra flags <<<"$flags" &&
    "$cc" "$consumer/main.c" -o "$work/program" "${flags[@]}" &&
    works "$kind" "$work/program"
}

# The linker takes the shared library where it finds both.
by_pkg_config_without_shared() {
  find "$library_folder" -name "libpremap.*" ! -name libpremap.a -delete && by_pkg_config static --static
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
export DYLD_LIBRARY_PATH=$LD_LIBRARY_PATH

installed=-DCMAKE_PREFIX_PATH=$work/prefix
try "find_package" by_cmake shared "$installed"
try "find_package, shared" by_cmake shared "$installed" -DCONSUMER_COMPONENT=shared
try "find_package, static" by_cmake static "$installed" -DCONSUMER_COMPONENT=static
try "pkg-config, shared" by_pkg_config shared
if [[ $cxx == absent:* ]]; then
  echo "[SKIP] install: premap.hpp: SKIPPED: ${cxx#absent: }"
else
  try "premap.hpp, find_package, shared" by_cmake_in_cxx shared
  try "premap.hpp, find_package, static" by_cmake_in_cxx static -DCONSUMER_COMPONENT=static
  try "premap.hpp, pkg-config" by_pkg_config_in_cxx
fi
try "pkg-config, static" by_pkg_config_without_shared

subdirectory=-DCONSUMER_PREMAP_SOURCE=$source
try "add_subdirectory, shared" by_cmake shared "$subdirectory"
try "add_subdirectory, static" by_cmake static "$subdirectory" -DPREMAP_BUILD_SHARED=OFF
try "FetchContent with a libuv of the project's own, shared" by_cmake_with_own_libuv shared "$subdirectory"
try "FetchContent with a libuv of the project's own, static" by_cmake_with_own_libuv static "$subdirectory" -DPREMAP_BUILD_SHARED=OFF

exit $status

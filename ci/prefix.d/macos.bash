# shellcheck shell=bash disable=SC2154,SC2164 # ci/prefix sets the variables, and set -e
# SPDX-License-Identifier: MIT
#
# macos.bash - part of ci/prefix: the prefixes for macOS, with zig's C compiler in bin. Criterion is not built for macOS: its headers are
# enough to compile the tests, which nothing here could run.

# CMake wants a compiler that is one program. The tools find zig, and keep what it compiles of the system's libraries, beside the prefix:
# it moves when it is whole.
write_zig_tools() {
  local tool
  mkdir "$prefix/bin"
  for tool in "cc -target $processor-macos" ar ranlib; do
    cat >"$prefix/bin/${tool%% *}" <<END
#!/bin/sh
deps=\${0%/*}/../..
export ZIG_GLOBAL_CACHE_DIR="\$deps/zig-cache" ZIG_LOCAL_CACHE_DIR="\$deps/zig-cache"
exec "\$deps/${sources##*/}/zig/zig" $tool "\$@"
END
    chmod +x "$prefix/bin/${tool%% *}"
  done
}

# libuv asks paths.h for one thing, and zig's headers of Apple's lack the file.
write_paths_header() {
  mkdir stub
  echo '#define _PATH_DEFPATH "/usr/bin:/bin"' >stub/paths.h
}

build_macos() {
  fetch_sources zig
  local zig=$sources/zig
  if [[ ! -d $zig ]]; then
    mkdir "$sources/part"
    tar xf "$sources"/*.tgz -C "$sources/part" --strip-components=1 --exclude=package/doc
    mv "$sources/part" "$zig"
  fi
  write_zig_tools
  write_paths_header
  # The toolchain would take them from a prefix that is not there yet.
  cmake_options+=("-DCMAKE_C_COMPILER=$prefix/bin/cc" "-DCMAKE_AR=$prefix/bin/ar" "-DCMAKE_RANLIB=$prefix/bin/ranlib"
    "-DCMAKE_C_FLAGS=-isystem $work/stub")
  fetch_sources debian-12
  add_libuv static
  add_jansson
  add_uthash
  unpack criterion criterion
  cp -r criterion/include/criterion "$prefix/include/"
  write_pkgconfig criterion "$(version criterion)" '' ''
}

# shellcheck shell=bash disable=SC2154,SC2164 # ci/prefix sets the variables, and set -e
# SPDX-License-Identifier: MIT
#
# libraries.bash - part of ci/prefix: builds libuv, jansson and uthash into the folder $prefix, each in a folder of its own below the
# current one.

# write_pkgconfig NAME VERSION CFLAGS LIBS - a file that finds the prefix from its own place, so that the prefix can be moved.
write_pkgconfig() {
  cat >"$prefix/lib/pkgconfig/$1.pc" <<END
prefix=\${pcfiledir}/../..
Name: $1
Description: $1, built by ci/prefix
Version: $2
Cflags: -I\${prefix}/include $3
Libs: $4
END
}

# configure FOLDER OPTION... - into FOLDER/build.
configure() {
  local folder=$1
  shift
  cmake -S "$folder" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    "${cmake_options[@]}" "$@"
}

# add_libuv static|shared [OPTION...] - with Debian's patches.
add_libuv() {
  local kind=$1 debian_patches needed=
  shift
  unpack libuv1 libuv
  tar xf "$sources"/libuv1_*.debian.tar.xz -C libuv
  mapfile -t debian_patches < <(grep -v '^#' libuv/debian/patches/series)
  apply_patches libuv "${debian_patches[@]/#/libuv/debian/patches/}"
  configure libuv -DBUILD_TESTING=OFF "$@"
  cp -r libuv/include/. "$prefix/include/"
  if [[ $kind == static ]]; then
    cmake --build libuv/build --target uv_a
    cp libuv/build/libuv_a.a "$prefix/lib/libuv.a"
    # libuv knows what a static link needs of the system.
    needed=$(sed -n 's/^Libs: .*-luv_a//p' libuv/build/libuv-static.pc)
  else
    cmake --build libuv/build --target uv
    cp -P libuv/build/libuv.so* "$prefix/lib/"
  fi
  write_pkgconfig libuv "$(version libuv1)" '' "-L\${prefix}/lib -luv$needed"
}

add_jansson() {
  unpack jansson jansson
  configure jansson -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
  cmake --build jansson/build --target jansson
  cp jansson/build/include/*.h "$prefix/include/"
  cp jansson/build/lib/libjansson.a "$prefix/lib/"
  write_pkgconfig jansson "$(version jansson)" '' "-L\${prefix}/lib -ljansson"
}

add_uthash() {
  unpack uthash uthash
  cp uthash/src/uthash.h uthash/src/utlist.h "$prefix/include/"
}

# shellcheck shell=bash disable=SC2154,SC2164 # ci/prefix sets the variables, and set -e
# SPDX-License-Identifier: MIT
#
# criterion.bash - part of ci/prefix: builds Criterion with all it consists of, BoxFort, nanomsg and nanopb, as one archive in the
# folder $prefix: for $triple, $system and $processor, with $compiler.

# Criterion's own archive lacks what it is made of.
unpack_criterion() {
  unpack criterion criterion
  unpack boxfort criterion/subprojects/boxfort
  unpack nanomsg criterion/subprojects/nanomsg
  unpack nanopb criterion/subprojects/nanopb
  unpack debugbreak criterion/dependencies/debugbreak
  unpack minimap2 criterion/dependencies/klib --wildcards '*/khash.h' '*/kvec.h'
  apply_patches criterion "$patches/criterion-no-debugger-fallback.patch"
  apply_patches criterion/dependencies/klib "$patches/klib-malloc.patch"
  apply_patches criterion/subprojects/boxfort "$patches/boxfort-windows-command-line.patch"
}

# A nanomsg or nanopb of the system's is not looked for: it would do for this processor only, and not everywhere.
write_meson_cross_file() {
  cat <<END
[binaries]
c = '$compiler'
ar = '$triple-ar'
strip = '$triple-strip'
windres = '$triple-windres'
cmake = 'cmake'
[properties]
needs_exe_wrapper = true
pkg_config_libdir = '/nonexistent'
[cmake]
CMAKE_DISABLE_FIND_PACKAGE_nanomsg = 'ON'
CMAKE_DISABLE_FIND_PACKAGE_nanopb = 'ON'
[host_machine]
system = '$system'
cpu_family = '$processor'
cpu = '$processor'
endian = 'little'
END
}

# add_criterion LIBRARY... - what a link with it needs of the system.
add_criterion() {
  local objects cflags=
  write_meson_cross_file >meson.cross
  meson setup criterion/build criterion --cross-file meson.cross --buildtype=release --default-library=static \
    -Dtests=false -Dsamples=false -Di18n=disabled -Dtheories=disabled -Ddiffs=disabled -Dcxx-support=disabled \
    -Dboxfort:tests=false -Dboxfort:samples=false
  # No more than that: what objects there are then are those of the archive.
  ninja -C criterion/build src/libcriterion.a subprojects/boxfort/src/libboxfort.a subprojects/nanomsg/libnanomsg.a \
    subprojects/nanopb/libprotobuf_nanopb_static.a
  mapfile -t objects < <(find criterion/build/src criterion/build/subprojects -path '*.p/*.o*' | sort)
  # Appended, not replaced by name: several libraries have an object of the same name.
  "$triple-ar" qcs "$prefix/lib/libcriterion.a" "${objects[@]}"
  cp -r criterion/include/criterion "$prefix/include/"
  # Without it the headers expect a DLL.
  [[ $system != windows ]] || cflags=-DCRITERION_BUILDING_DLL
  write_pkgconfig criterion "$(version criterion)" "$cflags" "-L\${prefix}/lib -lcriterion $*"
}

# SPDX-License-Identifier: MIT
#
# For the toolchains beside it: premap_use_prefix(NAME) lets CMake and pkg-config find libraries and headers in build/deps/NAME, which
# `ci/prefix NAME` makes, and nowhere else.

macro(premap_use_prefix name)
  cmake_path(SET premap_prefix NORMALIZE ${CMAKE_CURRENT_LIST_DIR}/../../build/deps/${name})
  set(CMAKE_FIND_ROOT_PATH ${premap_prefix})
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
  set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
  set(ENV{PKG_CONFIG_LIBDIR} ${premap_prefix}/lib/pkgconfig)
  unset(ENV{PKG_CONFIG_PATH})
endmacro()

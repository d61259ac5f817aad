# SPDX-License-Identifier: MIT
#
# Makes the target premap::libuv from the libuv at hand: a target of the host project, libuv's CMake package (vcpkg, Conan, its own
# install), or pkg-config (Debian has no CMake package). premap's build and an installed premap's config both include this file, so that
# they choose alike.
if(TARGET premap::libuv)
  return()
endif()

# A shared libuv first: the host may use the same one, and two copies in one process share nothing.
set(premap_libuv_targets libuv::uv libuv::uv_a uv uv_a)

function(premap_choose_libuv)
  foreach(target IN LISTS premap_libuv_targets)
    if(TARGET ${target})
      add_library(premap::libuv INTERFACE IMPORTED GLOBAL)
      target_link_libraries(premap::libuv INTERFACE ${target})
      return()
    endif()
  endforeach()
endfunction()

premap_choose_libuv()
if(NOT TARGET premap::libuv)
  find_package(libuv CONFIG QUIET)
  premap_choose_libuv()
endif()
if(NOT TARGET premap::libuv)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(premap_libuv QUIET IMPORTED_TARGET GLOBAL libuv>=1.44.2)
    set(premap_libuv_targets PkgConfig::premap_libuv)
    premap_choose_libuv()
  endif()
endif()
unset(premap_libuv_targets)

# SPDX-License-Identifier: MIT
#
# The contestants of bench_suite. Each is contestant_NAME.c; where a package or command is missing that it needs, there is
# contestant_NAME_absent.c in its place, by which the suite names it as absent.

# bench_find_package(NAME MODULE): looks for what the contestant needs by pkg-config.
macro(bench_find_package name module)
  if(PkgConfig_FOUND)
    pkg_check_modules(bench_${name} QUIET IMPORTED_TARGET ${module})
  endif()
  if(TARGET PkgConfig::bench_${name})
    list(APPEND found_sources contestant_${name}.c)
    list(APPEND found_libraries PkgConfig::bench_${name})
  else()
    message(STATUS "Benchmarks: ${module} was not found, so contestant ${name} is absent")
    list(APPEND found_sources contestant_${name}_absent.c)
  endif()
endmacro()

# Sets the variables to source files, libraries and definitions.
function(bench_find_contestants sources libraries definitions)
  set(found_sources contestant_premap.c contestant_read.c contestant_touch.c contestant_map_populate.c contestant_madvise.c
                    contestant_uv_fs.c contestant_uv_work.c)
  set(found_libraries)
  set(found_definitions)

  find_package(PkgConfig QUIET)
  bench_find_package(glib gio-2.0)
  bench_find_package(direct liburing>=2.2)

  find_program(BENCH_VMTOUCH vmtouch)
  if(BENCH_VMTOUCH)
    list(APPEND found_sources contestant_vmtouch.c)
    list(APPEND found_definitions BENCH_VMTOUCH="${BENCH_VMTOUCH}")
  else()
    message(STATUS "Benchmarks: the command vmtouch was not found, so contestant vmtouch is absent")
    list(APPEND found_sources contestant_vmtouch_absent.c)
  endif()

  if(TARGET premap_tool)
    list(APPEND found_sources contestant_command.c)
    list(APPEND found_definitions BENCH_PREMAP="$<TARGET_FILE:premap_tool>")
  else()
    list(APPEND found_sources contestant_command_absent.c)
  endif()

  set(${sources} ${found_sources} PARENT_SCOPE)
  set(${libraries} ${found_libraries} PARENT_SCOPE)
  set(${definitions} ${found_definitions} PARENT_SCOPE)
endfunction()

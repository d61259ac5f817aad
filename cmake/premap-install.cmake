# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts where: components Runtime (the shared library), Development and Tool.

include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/premap)

foreach(kind IN ITEMS shared static)
  if(TARGET premap_${kind})
    install(
      TARGETS premap_${kind}
      EXPORT premap-targets
      RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT Runtime
      LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Runtime NAMELINK_COMPONENT Development
      ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Development)
  endif()
endforeach()

install(
  DIRECTORY ${PROJECT_SOURCE_DIR}/include/premap ${PROJECT_BINARY_DIR}/include/premap
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT Development
  FILES_MATCHING
  PATTERN "*.h"
  PATTERN "*.hpp")

# CMake packages.
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/premap-config.cmake.in ${PROJECT_BINARY_DIR}/premap-config.cmake
                              INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break programs.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/premap-config-version.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/premap-config.cmake ${PROJECT_BINARY_DIR}/premap-config-version.cmake
        ${PROJECT_SOURCE_DIR}/cmake/premap-libuv.cmake
  DESTINATION ${package_folder}
  COMPONENT Development)
install(
  EXPORT premap-targets
  NAMESPACE premap::
  DESTINATION ${package_folder}
  COMPONENT Development)

# pkg-config. The prefix is found from the place of the file, so that the installed tree may be moved.
set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(pkgconfig_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  file(RELATIVE_PATH pkgconfig_prefix /${pkgconfig_folder} /)
  string(REGEX REPLACE "/$" "" pkgconfig_prefix "\${pcfiledir}/${pkgconfig_prefix}")
endif()
foreach(folder IN ITEMS LIBDIR INCLUDEDIR)
  set(pkgconfig_${folder} ${CMAKE_INSTALL_${folder}})
  if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_${folder}})
    string(PREPEND pkgconfig_${folder} "\${prefix}/")
  endif()
endforeach()
# The system's own libraries that the backend needs.
list(TRANSFORM PREMAP_SYSTEM_LIBRARIES PREPEND -l OUTPUT_VARIABLE pkgconfig_libraries)
list(JOIN pkgconfig_libraries " " pkgconfig_libraries)
configure_file(${PROJECT_SOURCE_DIR}/cmake/premap.pc.in ${PROJECT_BINARY_DIR}/premap.pc @ONLY)
install(
  FILES ${PROJECT_BINARY_DIR}/premap.pc
  DESTINATION ${pkgconfig_folder}
  COMPONENT Development)

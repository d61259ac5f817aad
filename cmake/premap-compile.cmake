# SPDX-License-Identifier: MIT
#
# How this project's own targets are compiled; nothing of it reaches who links with them.

if(NOT TARGET premap::libuv)
  message(FATAL_ERROR "libuv 1.44.2 or later was not found, neither as a CMake package nor by pkg-config. ci/setup installs it "
                      "(Debian: libuv1-dev, Homebrew and vcpkg: libuv).")
endif()

# For everything, the tests and the consumers' programs included: a sanitizer's runtime comes with the program.
if(PREMAP_SANITIZE)
  add_compile_options(-fsanitize=${PREMAP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PREMAP_SANITIZE})
endif()

function(premap_compile target)
  set_target_properties(
    ${target}
    PROPERTIES C_STANDARD 11
               C_STANDARD_REQUIRED ON
               C_EXTENSIONS OFF
               C_VISIBILITY_PRESET hidden
               CXX_STANDARD 20
               CXX_STANDARD_REQUIRED ON
               CXX_EXTENSIONS OFF
               COMPILE_WARNING_AS_ERROR ${PREMAP_WARNINGS_AS_ERRORS})
  # MSVC has C11's atomics behind an option, and calls most of C's own library deprecated.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:C,MSVC>:/experimental:c11atomics>
                                           $<$<C_COMPILER_ID:MSVC>:/utf-8;/W3>)
  target_compile_definitions(${target} PRIVATE $<$<PLATFORM_ID:Windows>:_CRT_SECURE_NO_WARNINGS>)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(
      ${target} PRIVATE $<$<C_COMPILER_ID:GNU,Clang,AppleClang>:-Wall;-Wextra;-Wconversion;-Wshadow>
                        $<$<COMPILE_LANG_AND_ID:C,GNU,Clang,AppleClang>:-Wstrict-prototypes>
                        $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-Wpedantic>)
  endif()
endfunction()

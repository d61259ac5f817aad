# SPDX-License-Identifier: MIT
#
# Looks for a C++20 compiler, for the tests and examples of premap.hpp; the library is C. Sets why they cannot be had, or else nothing:
# PREMAP_CXX_ABSENT, and for those of coroutines PREMAP_COROUTINES_ABSENT.

include(CheckLanguage)
include(CheckCXXSourceCompiles)

# The one that came with the C compiler makes programs for the same system, and goes with its libraries and sanitizers.
cmake_path(GET CMAKE_C_COMPILER PARENT_PATH compiler_folder)
cmake_path(GET CMAKE_C_COMPILER FILENAME compiler)
string(REGEX REPLACE "(^|-)gcc" "\\1g++" compiler "${compiler}")
string(REGEX REPLACE "(^|-)clang($|[-.][0-9e])" "\\1clang++\\2" compiler "${compiler}")
string(REGEX REPLACE "(^|-)cc($|[-.])" "\\1c++\\2" compiler "${compiler}")
find_program(PREMAP_CXX_COMPILER ${compiler} PATHS ${compiler_folder} NO_DEFAULT_PATH)
mark_as_advanced(PREMAP_CXX_COMPILER)

set(PREMAP_CXX_ABSENT "")
if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
  if(PREMAP_CXX_COMPILER)
    set(ENV{CXX} ${PREMAP_CXX_COMPILER})
  else()
    set(PREMAP_CXX_ABSENT "there is no C++ compiler ${compiler} beside the C compiler")
  endif()
endif()
if(NOT PREMAP_CXX_ABSENT)
  check_language(CXX)
  if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
  else()
    set(PREMAP_CXX_ABSENT "the C++ compiler does not work")
  endif()
endif()
if(NOT PREMAP_CXX_ABSENT)
  set(CMAKE_CXX_STANDARD 20)
  check_cxx_source_compiles(
    "#include <filesystem>
     #include <span>
     #include <stop_token>
     struct numbers { int one = 0; int other = 0; };
     template <class T> concept is_small = sizeof(T) < 8;
     template <is_small T> T first(std::span<T> of) { return of[0]; }
     int main() {
       int bytes[] = {0};
       return first(std::span<int>(bytes)) + numbers{.other = 0}.other + std::stop_token().stop_requested();
     }"
    PREMAP_HAVE_CXX20)
  check_cxx_source_compiles(
    "#include <coroutine>
     #ifndef __cpp_impl_coroutine
     #error
     #endif
     int main() { return std::coroutine_handle<>() ? 1 : 0; }"
    PREMAP_HAVE_COROUTINES)
  unset(CMAKE_CXX_STANDARD)
  if(NOT PREMAP_HAVE_CXX20)
    set(PREMAP_CXX_ABSENT "the C++ compiler or its library lacks some of C++20")
  endif()
endif()

set(PREMAP_COROUTINES_ABSENT "${PREMAP_CXX_ABSENT}")
if(NOT PREMAP_CXX_ABSENT AND NOT PREMAP_HAVE_COROUTINES)
  set(PREMAP_COROUTINES_ABSENT "the C++ compiler or its library lacks coroutines")
endif()

# SPDX-License-Identifier: MIT
#
# Windows on x86-64, by clang with mingw-w64's headers, libraries and binutils.

set(CMAKE_C_COMPILER clang-19)
set(CMAKE_C_COMPILER_TARGET x86_64-w64-mingw32)
set(CMAKE_CXX_COMPILER_TARGET x86_64-w64-mingw32)
# Else CMake takes whatever binutils there are, of LLVM or of this system.
foreach(tool IN ITEMS ar ranlib nm objdump dlltool)
  string(TOUPPER ${tool} variable)
  set(CMAKE_${variable} x86_64-w64-mingw32-${tool})
endforeach()
include(${CMAKE_CURRENT_LIST_DIR}/mingw.cmake)
# gcc's C++ library is made on a library of threads that gcc names by itself.
string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -pthread")

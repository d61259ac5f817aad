# SPDX-License-Identifier: MIT
#
# Windows on x86-64, by gcc of mingw-w64.

set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
include(${CMAKE_CURRENT_LIST_DIR}/mingw.cmake)

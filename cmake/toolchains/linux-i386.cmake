# SPDX-License-Identifier: MIT
#
# Linux on i386, by Debian's cross compiler. Programs run as they are, with the 32-bit C library of an x86-64 Debian.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_C_COMPILER i686-linux-gnu-gcc)
include(${CMAKE_CURRENT_LIST_DIR}/use-prefix.cmake)
premap_use_prefix(linux-i386)

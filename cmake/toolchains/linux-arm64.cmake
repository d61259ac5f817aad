# SPDX-License-Identifier: MIT
#
# Linux on arm64, by Debian's cross compiler. Programs, and ctest with them, run in ci/arm64-namespace.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
include(${CMAKE_CURRENT_LIST_DIR}/use-prefix.cmake)
premap_use_prefix(linux-arm64)

# SPDX-License-Identifier: MIT
#
# macOS on arm64, compiled and linked only.

set(CMAKE_SYSTEM_PROCESSOR arm64)
include(${CMAKE_CURRENT_LIST_DIR}/use-prefix.cmake)
premap_use_prefix(macos-arm64)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)

# SPDX-License-Identifier: MIT
#
# macOS on x86-64, compiled and linked only.

set(CMAKE_SYSTEM_PROCESSOR x86_64)
include(${CMAKE_CURRENT_LIST_DIR}/use-prefix.cmake)
premap_use_prefix(macos-x64)
include(${CMAKE_CURRENT_LIST_DIR}/zig.cmake)

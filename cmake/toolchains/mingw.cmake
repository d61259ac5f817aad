# SPDX-License-Identifier: MIT
#
# For the toolchains beside it: Windows on x86-64 with the headers and libraries of mingw-w64. Programs run under Wine.

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
# The compiler's own libraries, those of threads among them: a program then needs no DLL that Windows lacks.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/../../ci/wine)

include(${CMAKE_CURRENT_LIST_DIR}/use-prefix.cmake)
premap_use_prefix(windows-x64)

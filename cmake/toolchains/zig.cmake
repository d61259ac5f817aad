# SPDX-License-Identifier: MIT
#
# For the toolchains beside it: macOS by zig's C compiler, which brings Apple's headers. Programs are linked, but nothing here runs them.

set(CMAKE_SYSTEM_NAME Darwin)
# There is no Xcode to ask for it.
set(CMAKE_OSX_SYSROOT "")
# Cached, so that ci/prefix can name those of the prefix it is about to make.
set(CMAKE_C_COMPILER ${premap_prefix}/bin/cc CACHE FILEPATH "zig's C compiler")
set(CMAKE_AR ${premap_prefix}/bin/ar CACHE FILEPATH "zig's archiver")
set(CMAKE_RANLIB ${premap_prefix}/bin/ranlib CACHE FILEPATH "zig's indexer of archives")
# CMake wants its name; only an installation would call it.
set(CMAKE_INSTALL_NAME_TOOL install_name_tool)

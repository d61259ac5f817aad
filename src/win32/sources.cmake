# SPDX-License-Identifier: MIT
#
# The Windows backend: PREMAP_WIN32_SOURCES, relative to this folder, with PREMAP_WIN32_DEFINITIONS and PREMAP_WIN32_LIBRARIES.

set(PREMAP_WIN32_SOURCES
    beneath.c
    copy.c
    error.c
    event.c
    file.c
    lock.c
    map.c
    memory.c
    module.c
    path.c
    populate.c
    residency.c
    ../common/resident_none.c)

# Declarations of Windows 8, of which the calls that Windows 7 lacks are looked up at run time. With PSAPI_VERSION 2 the working
# set's calls are those of kernel32.
set(PREMAP_WIN32_DEFINITIONS _WIN32_WINNT=0x0602 PSAPI_VERSION=2 UNICODE WIN32_LEAN_AND_MEAN NOMINMAX)

# NtCreateFile, the only call that opens a name beneath a directory's handle.
set(PREMAP_WIN32_LIBRARIES ntdll)

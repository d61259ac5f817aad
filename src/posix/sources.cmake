# SPDX-License-Identifier: MIT
#
# The POSIX backend: PREMAP_POSIX_SOURCES and PREMAP_POSIX_ADVISE_SOURCE and PREMAP_POSIX_EVICT_SOURCE, and either
# PREMAP_POSIX_LINUX_SOURCES or PREMAP_POSIX_GENERIC_SOURCES. Paths are relative to this folder.
# PREMAP_POSIX_DEFINITIONS are for all of them.

include(CheckStructHasMember)
include(CheckSymbolExists)

set(PREMAP_POSIX_SOURCES beneath.c copy.c error.c event.c file.c lock.c map.c memory.c module.c pipe.c populate.c residency.c)
set(PREMAP_POSIX_LINUX_SOURCES
    ahead_linux.c
    around_linux.c
    beneath_linux.c
    cached_linux.c
    cgroup_linux.c
    copy_linux.c
    event_linux.c
    lock_linux.c
    memory_linux.c
    pages_linux.c
    populate_linux.c
    residency_linux.c
    touch_linux.c)
set(PREMAP_POSIX_GENERIC_SOURCES generic.c ../common/resident_none.c)

# _DEFAULT_SOURCE and _DARWIN_C_SOURCE uncover mincore, madvise and MAP_ANONYMOUS; off_t and time_t are 64 bits wide everywhere.
set(PREMAP_POSIX_DEFINITIONS _DEFAULT_SOURCE _DARWIN_C_SOURCE _FILE_OFFSET_BITS=64 _TIME_BITS=64)

set(CMAKE_REQUIRED_DEFINITIONS -D_DEFAULT_SOURCE -D_DARWIN_C_SOURCE)
check_symbol_exists(F_RDADVISE fcntl.h PREMAP_HAVE_F_RDADVISE)
check_symbol_exists(posix_fadvise fcntl.h PREMAP_HAVE_POSIX_FADVISE)
# macOS has POSIX's member under another name.
check_struct_has_member("struct stat" st_mtimespec sys/stat.h PREMAP_HAVE_ST_MTIMESPEC LANGUAGE C)
unset(CMAKE_REQUIRED_DEFINITIONS)

if(PREMAP_HAVE_F_RDADVISE)
  set(PREMAP_POSIX_ADVISE_SOURCE advise_rdadvise.c)
else()
  set(PREMAP_POSIX_ADVISE_SOURCE advise.c)
endif()
if(PREMAP_HAVE_POSIX_FADVISE)
  set(PREMAP_POSIX_EVICT_SOURCE evict.c)
else()
  set(PREMAP_POSIX_EVICT_SOURCE evict_none.c)
endif()
if(PREMAP_HAVE_ST_MTIMESPEC)
  list(APPEND PREMAP_POSIX_DEFINITIONS st_mtim=st_mtimespec st_ctim=st_ctimespec)
endif()

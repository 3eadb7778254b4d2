# What reclaim is built on: PkgConfig::LIBUV, PkgConfig::MSGPACK, Threads::Threads, and uthash's header.

include(CheckIncludeFile)
find_package(PkgConfig)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

if(PKG_CONFIG_FOUND)
  pkg_check_modules(LIBUV IMPORTED_TARGET libuv)
  pkg_search_module(MSGPACK IMPORTED_TARGET msgpack-c msgpack) # Debian 12 says msgpack, newer ones msgpack-c
endif()
check_include_file(uthash.h HAVE_UTHASH_H)

if(RECLAIM_COMMAND AND PKG_CONFIG_FOUND)
  pkg_check_modules(JANSSON IMPORTED_TARGET jansson)
  pkg_check_modules(CAIRO IMPORTED_TARGET cairo)
  pkg_check_modules(SQLITE IMPORTED_TARGET sqlite3)
endif()

# <dependency>_WITHIN: its archive, for a program that is to start without it; where there is none, the package.
foreach(dependency IN ITEMS LIBUV MSGPACK JANSSON)
  set(names "")
  foreach(name IN LISTS ${dependency}_LIBRARIES)
    list(APPEND names lib${name}_a.a lib${name}.a) # Debian has libuv_a.a
  endforeach()
  find_library(${dependency}_ARCHIVE NAMES ${names} HINTS ${${dependency}_LIBRARY_DIRS})
  mark_as_advanced(${dependency}_ARCHIVE)
  set(${dependency}_WITHIN PkgConfig::${dependency})
  if(${dependency}_ARCHIVE)
    set(${dependency}_WITHIN ${${dependency}_ARCHIVE})
  endif()
endforeach()

set(missing "")
foreach(dependency IN ITEMS PKG_CONFIG LIBUV MSGPACK)
  if(NOT ${dependency}_FOUND)
    list(APPEND missing ${dependency})
  endif()
endforeach()
foreach(dependency IN ITEMS JANSSON CAIRO SQLITE)
  if(RECLAIM_COMMAND AND NOT ${dependency}_FOUND)
    list(APPEND missing ${dependency})
  endif()
endforeach()
if(NOT HAVE_UTHASH_H)
  unset(HAVE_UTHASH_H CACHE) # so that the next run looks again
  list(APPEND missing UTHASH)
endif()
if(missing)
  list(JOIN missing ", " missing)
  string(TOLOWER "${missing}" missing)
  message(FATAL_ERROR "Missing: ${missing}. On Debian, `sh tests/setup.sh build` installs what building needs.")
endif()

# How all of our code is compiled: library, tests, benchmarks and examples.

include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckPIESupported)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)

# Compiled once, position independent, for the shared library, the static one and the tests.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes)
if(RECLAIM_WERROR)
  add_compile_options(-Werror)
endif()

# backtrace() in a dying worker needs unwind tables, profilers like frame pointers.
add_compile_options(-fno-omit-frame-pointer -fasynchronous-unwind-tables)

if(RECLAIM_SANITIZE)
  # -U: a compiler that fortifies by itself would hide calls from the sanitizers.
  add_compile_options(-O1 -g -U_FORTIFY_SOURCE -fsanitize=${RECLAIM_SANITIZE} -fno-optimize-sibling-calls)
  add_link_options(-fsanitize=${RECLAIM_SANITIZE})
  if(RECLAIM_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
else()
  foreach(flag IN ITEMS -fstack-protector-strong -fstack-clash-protection -fcf-protection)
    string(MAKE_C_IDENTIFIER "have${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
      add_compile_options(${flag})
    endif()
  endforeach()

  # Level 3 needs compiler and C library to know it; glibc warns where they do not. Without optimisation it does nothing.
  set(CMAKE_REQUIRED_FLAGS "-O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_c_source_compiles("#include <stdio.h>\nint main(void) { return 0; }" have_fortify_3)
  unset(CMAKE_REQUIRED_FLAGS)
  set(optimised "$<CONFIG:Release,RelWithDebInfo,MinSizeRel>")
  add_compile_options("$<${optimised}:-U_FORTIFY_SOURCE>" "$<${optimised}:-D_FORTIFY_SOURCE=$<IF:$<BOOL:${have_fortify_3}>,3,2>>")
endif()

add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)

# The ENVIRONMENT of every test. Jobs are forked from a program with threads, and may ask for more memory than there is.
set(RECLAIM_TEST_ENVIRONMENT
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:allocator_may_return_null=1
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    TSAN_OPTIONS=die_after_fork=0:halt_on_error=1)
if(EXISTS ${PROJECT_SOURCE_DIR}/tests/tsan.supp)
  string(APPEND RECLAIM_TEST_ENVIRONMENT ":suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
endif()

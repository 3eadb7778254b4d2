# Programs of one file, with the C library in it: they start and fork with few mappings.

set(CMAKE_REQUIRED_FLAGS -fPIE)
set(CMAKE_REQUIRED_LINK_OPTIONS -static-pie)
check_c_source_compiles("#include <pthread.h>\nint main(void) { return pthread_self() == 0; }" have_static_pie)
set(CMAKE_REQUIRED_LINK_OPTIONS -Wl,--no-warnings) # of what libuv has and nobody uses here
check_c_source_compiles("int main(void) { return 0; }" have_no_warnings)
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)

# reclaim_link_statically(<target>): where have_static_pie.
function(reclaim_link_statically target)
  set_property(TARGET ${target} PROPERTY POSITION_INDEPENDENT_CODE) # which would say -pie behind it
  target_compile_options(${target} PRIVATE -fPIE)
  target_link_options(${target} PRIVATE -static-pie $<$<BOOL:${have_no_warnings}>:LINKER:--no-warnings>)
endfunction()

# libreclaim, shared and static, from the objects of all parts: part.cmake.
#
# Both show pool_* and nothing else. A version script sees to that in the shared one; the static one is a single
# relocatable object whose hidden symbols are made local, so that a program's own frame_write does not collide with ours.

get_property(parts GLOBAL PROPERTY RECLAIM_PARTS)
set(objects)
foreach(part IN LISTS parts)
  list(APPEND objects $<TARGET_OBJECTS:${part}>)
endforeach()
set(packages PkgConfig::LIBUV PkgConfig::MSGPACK Threads::Threads)

set(map ${PROJECT_SOURCE_DIR}/cmake/libreclaim.map)
add_library(reclaim SHARED ${objects})
add_library(reclaim::reclaim ALIAS reclaim)
set_target_properties(reclaim PROPERTIES LINKER_LANGUAGE C VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${map})
# The unwinder is the only thing that is wanted of libgcc_s, which would be five more mappings in every worker.
target_link_options(reclaim PRIVATE -static-libgcc -Wl,--version-script=${map})
if(NOT RECLAIM_SANITIZE) # clang leaves the sanitizers' own symbols to the program
  target_link_options(reclaim PRIVATE -Wl,-z,defs)
endif()
target_include_directories(reclaim INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(reclaim PRIVATE ${packages})

set(whole ${PROJECT_BINARY_DIR}/reclaim${CMAKE_C_OUTPUT_EXTENSION})
add_custom_command(
  OUTPUT ${whole}
  COMMAND ${CMAKE_LINKER} -r -o ${whole} ${objects}
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${whole}
  DEPENDS ${objects}
  COMMENT "Joining the objects of libreclaim.a"
  COMMAND_EXPAND_LISTS VERBATIM)
set_source_files_properties(${whole} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_library(reclaim_static STATIC ${whole})
add_dependencies(reclaim_static ${parts}) # a makefile has no rule for the objects of another folder
add_library(reclaim::reclaim_static ALIAS reclaim_static)
set_target_properties(reclaim_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME reclaim)
target_include_directories(reclaim_static INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(reclaim_static PRIVATE ${packages})

# All of it within a program: libreclaim.a, and the archives of what it is built on where there are any.
add_library(reclaim_within INTERFACE)
add_dependencies(reclaim_within reclaim_static)
target_link_options(reclaim_within INTERFACE -static-libgcc)
target_include_directories(reclaim_within INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(reclaim_within INTERFACE $<TARGET_FILE:reclaim_static> ${LIBUV_WITHIN} ${MSGPACK_WITHIN}
                                               Threads::Threads ${CMAKE_DL_LIBS})

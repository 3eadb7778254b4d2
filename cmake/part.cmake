# reclaim_part(<name> [SEES <part>...] [LIBUV]): the *.c of this folder as an object library of the core.
#
# A part is compiled with the headers of its own folder and of the parts that it sees, and of those that these see; no
# others. The library is made of all parts: RECLAIM_PARTS.

function(reclaim_part name)
  cmake_parse_arguments(PARSE_ARGV 1 part LIBUV "" SEES)
  file(GLOB sources CONFIGURE_DEPENDS *.c)
  add_library(${name} OBJECT ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${part_SEES})
  if(part_LIBUV)
    target_link_libraries(${name} PUBLIC PkgConfig::LIBUV)
  else()
    target_include_directories(${name} BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/cmake/barred)
  endif()
  set_target_properties(${name} PROPERTIES C_VISIBILITY_PRESET hidden)
  set_property(GLOBAL APPEND PROPERTY RECLAIM_PARTS ${name})
endfunction()

# reclaim_parts(<name> <part>...): one name for several parts, objects and headers, for who links them into a program.
function(reclaim_parts name)
  add_library(${name} INTERFACE)
  target_link_libraries(${name} INTERFACE ${ARGN})
  foreach(part IN LISTS ARGN)
    target_sources(${name} INTERFACE $<TARGET_OBJECTS:${part}>)
  endforeach()
endfunction()

# What `cmake --install` lays down; all of it may be moved to another prefix afterwards.

include(CMakePackageConfigHelpers)

install(TARGETS reclaim reclaim_static)
install(DIRECTORY include/reclaim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# The prefix as seen from the .pc file, unless the folders were given as absolute paths.
set(pc_prefix ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${pc_prefix}")
endif()
foreach(dir IN ITEMS INCLUDEDIR LIBDIR)
  set(pc_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  if(IS_ABSOLUTE ${CMAKE_INSTALL_${dir}})
    set(pc_${dir} ${CMAKE_INSTALL_${dir}})
  endif()
endforeach()
configure_file(cmake/reclaim.pc.in reclaim.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/reclaim.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/reclaim)
configure_package_config_file(
  cmake/reclaim-config.cmake.in reclaim-config.cmake
  INSTALL_DESTINATION ${package}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(reclaim-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/reclaim-config.cmake ${PROJECT_BINARY_DIR}/reclaim-config-version.cmake
        DESTINATION ${package})

# SPDX-License-Identifier: BSD-3-Clause
# What is installed, in four components: headloom_library (what programs need to run), headloom_development (headers, the
# static library, files for CMake and pkg-config), headloom_tools (hl-bench and hl-ner) and headloom_examples (sources and
# the tagger's data).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(library COMPONENT headloom_library)
set(development COMPONENT headloom_development)

install(TARGETS headloom headloom_static EXPORT headloom
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ${library} NAMELINK_COMPONENT headloom_development
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} ${development}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/headloom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${development} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/headloom/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/headloom
        ${development})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} ${library})
install(FILES README.md CONTRIBUTING.md DESTINATION ${CMAKE_INSTALL_DOCDIR} ${development})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} ${development} FILES_MATCHING PATTERN "*.md")

# Below 1.0 a minor version may break the API.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/headloom)
configure_package_config_file(cmake/headloom-config.cmake.in headloom-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(headloom-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT headloom NAMESPACE headloom:: FILE headloom-targets.cmake DESTINATION ${package} ${development})
install(FILES ${PROJECT_BINARY_DIR}/headloom-config.cmake ${PROJECT_BINARY_DIR}/headloom-config-version.cmake
        DESTINATION ${package} ${development})

# pkg-config: headloom, and headloom-static for who wants the archive although the shared library lies beside it.
file(RELATIVE_PATH PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" PC_PREFIX ${PC_PREFIX})
list(TRANSFORM private_libraries REPLACE "^([^/].*)$" "-l\\1" OUTPUT_VARIABLE PC_PRIVATE)
list(JOIN PC_PRIVATE " " PC_PRIVATE)
foreach(file IN ITEMS headloom headloom-static)
  configure_file(cmake/${file}.pc.in ${file}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${file}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig ${development})
endforeach()

# headloom_install_tool(TARGET): a program that finds the library beside itself, wherever both are installed. One that was
# not built is left out.
file(RELATIVE_PATH tool_to_library /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
function(headloom_install_tool target)
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/${tool_to_library}")
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT headloom_tools OPTIONAL)
endfunction()

# SPDX-License-Identifier: BSD-3-Clause
# Looking for libraries. What is missing stops the configuration with a message that names the package to install, as
# Debian and Ubuntu call it (scripts/packages lists them all; scripts/install-packages installs them).
function(headloom_missing what package)
  message(FATAL_ERROR "Headloom needs ${what}: please install ${package} (the package's name in Debian and Ubuntu; "
                      "scripts/packages lists all). ${ARGN}")
endfunction()

# headloom_find_module(PREFIX PACKAGE MODULE...): PkgConfig::PREFIX, by pkg-config.
macro(headloom_find_module prefix package)
  find_package(PkgConfig QUIET)
  if(NOT PKG_CONFIG_FOUND)
    headloom_missing("pkg-config" pkg-config)
  endif()
  pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${ARGN})
  if(NOT ${prefix}_FOUND)
    string(REPLACE ";" " and " headloom_modules "${ARGN}")
    headloom_missing("${headloom_modules}, which pkg-config does not find" ${package}
                     "What lies in a folder of its own is found with PKG_CONFIG_PATH=FOLDER/lib/pkgconfig.")
  endif()
endmacro()

# headloom_find_file(VARIABLE PACKAGE path|library NAME): a header's folder, or a library.
function(headloom_find_file variable package kind name)
  if(kind STREQUAL "path")
    find_path(${variable} ${name})
  else()
    find_library(${variable} ${name})
  endif()
  if(NOT ${variable})
    headloom_missing("${name}" ${package} "What lies in a folder of its own is found with -DCMAKE_PREFIX_PATH=FOLDER.")
  endif()
endfunction()

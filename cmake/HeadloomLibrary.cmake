# SPDX-License-Identifier: BSD-3-Clause
# The library itself, from the folders' objects: headloom::headloom (shared) and headloom::static. Nothing but hl_ names
# is visible in either: what libxsmm's generator brings must not stand in for a program's own libxsmm.
set(parts headloom_nn headloom_graph headloom_ops headloom_runtime)

# What the static library leaves to its user to link.
if(OpenMP_C_LIB_NAMES MATCHES "gomp")
  set(openmp_runtime gomp)
else()
  set(openmp_runtime ${OpenMP_omp_LIBRARY})
endif()
set(private_libraries ${openmp_runtime} pthread gcc_s m)

function(headloom_library target)
  target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                 $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
                                                 $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME headloom LINKER_LANGUAGE C)
endfunction()

add_library(headloom SHARED)
add_library(headloom::headloom ALIAS headloom)
target_link_libraries(headloom PRIVATE ${parts})
target_link_options(headloom PRIVATE LINKER:--exclude-libs,ALL)
if(NOT HEADLOOM_SANITIZE)
  target_link_options(headloom PRIVATE LINKER:--no-undefined)
endif()
headloom_library(headloom)
# Below 1.0 a minor version may break what was linked against the one before it.
set_target_properties(headloom PROPERTIES VERSION ${PROJECT_VERSION}
                                          SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

# The static library is one object, linked from ours and from what they need of libxsmm, in which all other names are
# made local. A plain archive would show hl__ names and libxsmm's.
set(objects $<TARGET_OBJECTS:headloom_nn> $<TARGET_OBJECTS:headloom_graph> $<TARGET_OBJECTS:headloom_runtime>
            ${headloom_ops_objects})
set(object ${PROJECT_BINARY_DIR}/headloom.o)
add_custom_command(
  OUTPUT ${object}
  COMMAND ${CMAKE_LINKER} -r -o ${object} ${objects} ${XSMM_GENERATOR_LIBRARY}
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard --keep-global-symbol=hl_* ${object}
  DEPENDS ${objects}
  COMMENT "Linking headloom.o, with hl_ names alone"
  COMMAND_EXPAND_LISTS VERBATIM)
add_library(headloom_static STATIC ${object})
add_library(headloom::static ALIAS headloom_static)
set_target_properties(headloom_static PROPERTIES EXPORT_NAME static)
set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
target_link_libraries(headloom_static INTERFACE "$<BUILD_INTERFACE:${HWLOC_LINK_LIBRARIES}>"
                                                "$<INSTALL_INTERFACE:hwloc>" ${private_libraries})
headloom_library(headloom_static)

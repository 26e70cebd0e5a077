# SPDX-License-Identifier: BSD-3-Clause
# headloom_options: what every target of the project is compiled with.
add_library(headloom_options INTERFACE)
target_compile_features(headloom_options INTERFACE c_std_11)
target_include_directories(headloom_options INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}
                                                      ${PROJECT_BINARY_DIR}/include)
target_compile_definitions(headloom_options INTERFACE _GNU_SOURCE)
# Bits must not depend on the optimiser: no contraction into fused multiply-adds that the source does not ask for.
target_compile_options(headloom_options INTERFACE -ffp-contract=off -fno-math-errno -fno-trapping-math
  -fvisibility=hidden -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef
  -Wno-psabi $<$<BOOL:${HEADLOOM_WERROR}>:-Werror>)
# Of this folder and those below it, whatever a project around them has chosen. Files of the same static names cannot be
# compiled as one, and the static library is linked from machine code (cmake/HeadloomLibrary.cmake).
set(CMAKE_UNITY_BUILD OFF)
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# Sanitizers see no generated code, so that they want the portable kernel.
if(HEADLOOM_SANITIZE)
  if(HEADLOOM_XSMM)
    message(FATAL_ERROR "HEADLOOM_SANITIZE needs -DHEADLOOM_XSMM=OFF")
  endif()
  if(HEADLOOM_SANITIZE STREQUAL "address")
    set(flags -fsanitize=address,undefined -fno-sanitize-recover=all)
  elseif(HEADLOOM_SANITIZE STREQUAL "thread")
    set(flags -fsanitize=thread)
  else()
    message(FATAL_ERROR "HEADLOOM_SANITIZE is address or thread, not ${HEADLOOM_SANITIZE}")
  endif()
  target_compile_options(headloom_options INTERFACE ${flags} -fno-omit-frame-pointer)
  target_link_options(headloom_options INTERFACE ${flags})
endif()
if(HEADLOOM_COVERAGE)
  target_compile_options(headloom_options INTERFACE --coverage)
  target_link_options(headloom_options INTERFACE --coverage)
endif()

# headloom_objects(TARGET SOURCES...): an object library of the project.
# A thread may have no more than 128 KiB of stack. The deepest way through the library is some ten calls, each of which
# may take 8 KiB; sanitizers and unoptimised code take more.
function(headloom_objects target)
  add_library(${target} OBJECT ${ARGN})
  target_link_libraries(${target} PUBLIC headloom_options)
  if(NOT HEADLOOM_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(${target} PRIVATE -Wframe-larger-than=8192)
  endif()
endfunction()

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The error contract of the whole library. Every public function that can fail returns an hl_status, leaves its
 * outputs untouched when it fails, and never prints, exits or aborts. The words behind a status (operator, node,
 * shapes, file and line) are kept by the handle that the call was made on: hl_graph_error, hl_program_error,
 * hl_runtime_error, hl_state_error. A runtime that could not be made keeps none: hl_runtime_error(NULL) has its words.
 * A graph or a state cannot be made only where there is no memory. */
#ifndef HEADLOOM_STATUS_H
#define HEADLOOM_STATUS_H

#if defined(__GNUC__)
#define HL_PUBLIC __attribute__((visibility("default")))
#else
#define HL_PUBLIC
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* name, value, meaning. Values are part of the binary interface and never change. */
#define HL_STATUS_LIST(X)                                                              \
    X(HL_OK, 0, "success")                                                             \
    X(HL_INVALID_ARGUMENT, 1, "an argument is null, empty or contradicts another")     \
    X(HL_SHAPE_MISMATCH, 2, "the shapes of the operands do not fit the operator")      \
    X(HL_TYPE_MISMATCH, 3, "the element type of an operand does not fit the operator") \
    X(HL_OUT_OF_RANGE, 4, "an index or a size is out of range")                        \
    X(HL_OUT_OF_MEMORY, 5, "memory could not be allocated")                            \
    X(HL_UNSUPPORTED, 6, "the request is valid but not supported")                     \
    X(HL_NOT_FOUND, 7, "no object has this name")                                      \
    X(HL_EXISTS, 8, "another object already has this name")                            \
    X(HL_BUSY, 9, "the object is in use by another thread, or by the run that calls")  \
    X(HL_CANCELLED, 10, "the run was cancelled before it wrote any state")             \
    X(HL_TOO_LATE, 11, "the run had begun to write state and was completed")           \
    X(HL_FORKED, 12, "the runtime belongs to the parent process")                      \
    X(HL_NOT_FINITE, 13, "a result is infinite or not a number")                       \
    X(HL_FORMAT, 14, "a file is malformed")                                            \
    X(HL_SYSTEM, 15, "an operating-system call failed")                                \
    X(HL_NOT_RUNNING, 16, "no run of the program is on")                               \
    X(HL_NO_VALUE, 17, "the output has no value before a run")

typedef enum hl_status {
#define HL_STATUS_ENUM(name, value, text) name = (value),
    HL_STATUS_LIST(HL_STATUS_ENUM)
#undef HL_STATUS_ENUM
} hl_status;

/* The meaning of a status in words; a fixed text for values that are none. Never NULL. Thread-safe. */
HL_PUBLIC const char *hl_status_string(hl_status status);

#ifdef __cplusplus
}
#endif
#endif

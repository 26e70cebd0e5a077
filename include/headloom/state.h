/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What outlives a run: parameters, optimiser moments, counts of updates and steps. Any number of programs share one
 * state: training and evaluation, one program a shape. A tensor enters the state when the first program that names it
 * is made; a later program must give it the same type and shape.
 *
 * Thread safety: reading and writing tensors, and runs of programs that write the state, are serialised on the state,
 * in the order in which they ask for it. A child that was forked while one of them had it, or waited for it, gets
 * HL_FORKED from every call (from hl_state_count: 0); any other child has a state of its own. What would wait for
 * itself is refused with HL_BUSY (from hl_state_count: 0): a kernel's call while a run writes the state or anyone waits
 * for it, and a call by a parameter's initialiser, which runs while a program is made. */
#ifndef HEADLOOM_STATE_H
#define HEADLOOM_STATE_H

#include <stdbool.h>

#include "headloom/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_state hl_state;

HL_PUBLIC hl_status hl_state_create(hl_state **state);
HL_PUBLIC void hl_state_destroy(hl_state *state); /* after its programs; NULL is harmless */

/* Tensors in the order in which they entered. name is borrowed until the state is destroyed. Moments of parameter w are
 * named "adamw.m/w", "adamw.v/w", "sgd.v/w", the count of its updates "adamw.t/w", "sgd.t/w"; the runs that trained,
 * which number the masks of dropout, "step" (counts are HL_I32 scalars). HL_OUT_OF_RANGE: no such index. */
HL_PUBLIC size_t hl_state_count(const hl_state *state);
HL_PUBLIC hl_status hl_state_tensor(const hl_state *state, size_t index, const char **name, hl_dtype *dtype,
                                    hl_shape *shape);

/* Copies a tensor out or in, dense row-major; bytes must be its exact size (HL_SHAPE_MISMATCH). HL_NOT_FOUND.
 * HL_OUT_OF_RANGE: a negative whole number (those of a state are counts); nothing is written then. */
HL_PUBLIC hl_status hl_state_read(hl_state *state, const char *name, void *data, size_t bytes);
HL_PUBLIC hl_status hl_state_write(hl_state *state, const char *name, const void *data, size_t bytes);

/* Enters a tensor before any program does (loading a checkpoint), or writes one that is there. HL_TYPE_MISMATCH or
 * HL_SHAPE_MISMATCH: it is there with another type or shape. HL_OUT_OF_RANGE: as hl_state_write. */
HL_PUBLIC hl_status hl_state_enter(hl_state *state, const char *name, hl_dtype dtype, hl_shape shape, const void *data,
                                   size_t bytes);

/* Whether some program has used tensor number `index`. One that was entered and that none has used may have a misspelt
 * name. HL_OUT_OF_RANGE: no such index. */
HL_PUBLIC hl_status hl_state_used(const hl_state *state, size_t index, bool *used);

/* What becomes of tensors that a program needs and the state does not hold. */
typedef enum hl_missing {
    HL_MISSING_MADE = 0,           /* parameters get their first values, moments and counts zeros */
    HL_MISSING_PARAMS_REFUSED = 1, /* moments and counts are made, parameters are not: after weights were loaded */
    HL_MISSING_REFUSED = 2,        /* nothing is made: after a whole checkpoint was loaded */
} hl_missing;

/* Sets it for the programs that are made from here on; a new state has HL_MISSING_MADE. A program that is refused is
 * HL_NOT_FOUND, and the message names what is missing, and what the state holds that no program has used. */
HL_PUBLIC hl_status hl_state_set_missing(hl_state *state, hl_missing missing);

/* Words of the last failure on this state; "" where there was none. */
HL_PUBLIC const char *hl_state_error(const hl_state *state);

#ifdef __cplusplus
}
#endif
#endif

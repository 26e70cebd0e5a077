/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The state as programs see it. */
#ifndef HL_GRAPH_STATE_H
#define HL_GRAPH_STATE_H

#include <stdbool.h>

#include "headloom/runtime.h"
#include "headloom/state.h"

/* Finds a tensor of this type and shape, or enters a zeroed one; *fresh says which. *data stays where it is until a
 * program settles the tensor. The caller holds the state for writing. HL_TYPE_MISMATCH, HL_SHAPE_MISMATCH: it is
 * there with another type or shape. */
hl_status hl__state_bind(hl_state *state, const char *name, hl_dtype dtype, const hl_shape *shape, void **data,
                         bool *fresh);

/* For a program of this runtime: where the tensor's elements are from now on, until the state is destroyed (which may
 * be after the runtime). Those of a large one are spread over the nodes of the first runtime that asks: in equal shares
 * where divided, else page by page, as what all of them read. The caller holds the state for writing. */
void *hl__state_settle(hl_state *state, hl_runtime *runtime, const char *name, bool divided);

/* Refuses a program what it needs and the state neither holds nor makes: HL_NOT_FOUND, with names. names[i] is a
 * parameter where params[i]. The caller holds the state. */
hl_status hl__state_check_missing(hl_state *state, const char *const names[], const bool params[], size_t n);

/* Notes that a program uses the tensor. The caller holds the state for writing. */
void hl__state_use(hl_state *state, const char *name);

size_t hl__state_mark(const hl_state *state);
/* Takes back every tensor entered since the mark. The caller holds the state for writing. */
void hl__state_rewind(hl_state *state, size_t mark);

/* Readers share the state, a writer has it alone; they come in in the order in which they asked. No thread may ask for
 * a state that it holds for reading. HL_FORKED: the process was forked while somebody held it. HL_BUSY: the call comes
 * from a kernel, which may not wait, or from the thread that holds it for writing. */
hl_status hl__state_hold(hl_state *state, bool write);
void hl__state_let_go(hl_state *state);

/* Why hl__state_hold has refused, in words. */
const char *hl__state_refusal(hl_status status);

#endif

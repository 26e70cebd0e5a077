/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Turning an operator's declared steps into calls on values. */
#ifndef HL_GRAPH_EMIT_H
#define HL_GRAPH_EMIT_H

#include "graph/ir.h"

/* The values that a node's step codes stand for. */
typedef struct hl__emission {
    hl__ir *ir;
    const hl_operator *op;
    const void *options;
    const char *name;
    uint32_t id;
    uint32_t inputs[HL_MAX_INPUTS], d_inputs[HL_MAX_INPUTS], shares[HL_MAX_INPUTS];
    uint32_t outputs[HL_MAX_OUTPUTS], d_outputs[HL_MAX_OUTPUTS];
    size_t n_inputs, n_outputs;
    hl_shape temp_shapes[HL_MAX_TEMPS];
    uint32_t temps[HL_MAX_TEMPS]; /* made when first named */
} hl__emission;

void hl__emission_of(hl__ir *ir, const hl__ir_node *node, hl__emission *emission);

/* Appends the step's call, or makes its result a view. Dense copies are put before it where the pass's layout asks for
 * them. */
hl_status hl__emit_step(hl__emission *emission, const hl_step *step, bool backward);

/* Copies value `from` into `to`, which has the same shape and its own buffer. */
hl_status hl__emit_copy(hl__ir *ir, uint32_t from, uint32_t to);

/* Gives the view `value` a buffer of its own, filled by a copy. */
hl_status hl__emit_own(hl__ir *ir, uint32_t value);

/* Reorders the calls behind the forward ones: an in-place update runs as soon as its operands are there and everybody
 * else has read what it overwrites, so that gradients live shortly; all else keeps its order. */
hl_status hl__order_calls(hl__ir *ir);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a program needs at least, known from its shapes: one that can never run is refused before it is cut into
 * millions of tiles. */
#ifndef HL_GRAPH_NEED_H
#define HL_GRAPH_NEED_H

#include "graph/ir.h"

typedef struct hl__need {
    size_t bytes;     /* SIZE_MAX: more than can be counted */
    uint32_t largest; /* value, or HL__NONE where there is none */
} hl__need;

/* Bytes that are there at the same time whatever the plan: all that outlives a run (inputs, state, constants, outputs),
 * and beside them the other operands of the call whose others are largest. Of an ir that has its calls. */
hl__need hl__ir_need(const hl__ir *ir);

/* HL_OUT_OF_MEMORY where the ir needs more than its limit; the message names the largest tensor. */
hl_status hl__ir_check_need(hl__ir *ir);

#endif

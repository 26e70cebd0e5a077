/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The passes of an operator on single elements without options, hl__unary_forward and hl__unary_dx. The operator's file
 * includes this, defines the two functions that are declared first, and names the passes in its descriptor. */
#ifndef HL_OPS_UNARY_H
#define HL_OPS_UNARY_H

#include "ops/kernels/unary_options.h"

/* y of x; and dx of dy and of x or y, whichever the backward step reads. */
static hl__floats value_of(hl__floats x);
static hl__floats dx_of(hl__floats, hl__floats);

static inline hl__floats value_by(hl__floats x, const void *options) {
    (void)options;
    return value_of(x);
}

static inline hl__floats dx_by(hl__floats d, hl__floats known, const void *options) {
    (void)options;
    return dx_of(d, known);
}

#endif

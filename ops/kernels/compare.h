/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Comparisons of elements that broadcast. They give masks, HL_I32: 1 where the comparison holds, else 0; integers have
 * no gradient, as it is 0 wherever there is one. The operator's file includes this, defines the function that is
 * declared first, and names the pass and the rule in its descriptor. */
#ifndef HL_OPS_COMPARE_H
#define HL_OPS_COMPARE_H

#include "ops/kernels/broadcast.h"

static hl__ints holds(hl__floats a, hl__floats b);

static inline hl_status hl__compare_infer(hl_inference *i) {
    hl_status status = hl__broadcast_floats(i, 0);
    i->output_dtype[0] = HL_I32;
    return status == HL_OK ? hl__broadcast_shape(i) : status;
}

/* Rows are stored as they are, whatever the type. */
static inline hl__floats hl__compare_value(hl__floats a, hl__floats b, const void *options) {
    (void)options;
    return (hl__floats)(holds(a, b) & 1);
}

static inline void hl__compare_kernel(const hl_call *call, const hl_tile *tile) {
    hl__binary_tile(call, tile, hl__compare_value);
}

/* reads a and b, writes the mask */
static const hl_pass hl__compare_forward = {.name = "forward",
                                            .grid = hl__elementwise_grid,
                                            .access = hl__elementwise_access,
                                            .kernel = hl__compare_kernel,
                                            .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The passes of an operator on pairs of elements that broadcast, with gradients. The operator's file includes this,
 * defines the three functions that are declared first, and names the passes in its descriptor. */
#ifndef HL_OPS_BINARY_H
#define HL_OPS_BINARY_H

#include "ops/kernels/broadcast.h"

/* y of a and b; and the terms of da and db for d = dy, which are summed where an operand was broadcast. */
static hl__floats value_of(hl__floats a, hl__floats b);
static hl__floats da_of(hl__floats d, hl__floats a, hl__floats b);
static hl__floats db_of(hl__floats d, hl__floats a, hl__floats b);

static inline hl__floats hl__binary_value(hl__floats a, hl__floats b, const void *options) {
    (void)options;
    return value_of(a, b);
}

static inline hl__floats hl__binary_db_of(hl__floats d, hl__floats itself, hl__floats other) {
    return db_of(d, other, itself);
}

static inline void hl__binary_forward_kernel(const hl_call *call, const hl_tile *tile) {
    hl__binary_tile(call, tile, hl__binary_value);
}

static inline void hl__binary_da_kernel(const hl_call *call, const hl_tile *tile) {
    hl__gradient_tile(call, tile, da_of);
}

static inline void hl__binary_db_kernel(const hl_call *call, const hl_tile *tile) {
    hl__gradient_tile(call, tile, hl__binary_db_of);
}

/* reads a and b, writes y */
static const hl_pass hl__binary_forward = {.name = "forward",
                                           .grid = hl__elementwise_grid,
                                           .access = hl__elementwise_access,
                                           .kernel = hl__binary_forward_kernel,
                                           .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};

/* Read dy, the operand for its shape, and where the function above looks at them the other operand, and the operand
 * itself; write the temporary, from which hl__combine makes the gradient. */
static const hl_pass hl__binary_da = {.name = "da",
                                      .grid = hl__gradient_grid,
                                      .access = hl__gradient_access,
                                      .scratch = hl__broadcast_scratch,
                                      .kernel = hl__binary_da_kernel,
                                      .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_pass hl__binary_db = {.name = "db",
                                      .grid = hl__gradient_grid,
                                      .access = hl__gradient_access,
                                      .scratch = hl__broadcast_scratch,
                                      .kernel = hl__binary_db_kernel,
                                      .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY}};

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The passes of an operator on single elements that has options. The operator's file includes this, defines the two
 * functions that are declared first, and names the passes in its descriptor; without options it includes
 * ops/kernels/unary.h. */
#ifndef HL_OPS_UNARY_OPTIONS_H
#define HL_OPS_UNARY_OPTIONS_H

#include "ops/kernels/elementwise.h"

/* y of x; and dx of dy and of x or y, whichever the backward step reads. */
static hl__floats value_by(hl__floats x, const void *options);
static hl__floats dx_by(hl__floats d, hl__floats known, const void *options);

static inline void hl__unary_forward_kernel(const hl_call *call, const hl_tile *tile) {
    hl__unary_tile(call, tile, value_by);
}

static inline void hl__unary_dx_kernel(const hl_call *call, const hl_tile *tile) { hl__binary_tile(call, tile, dx_by); }

/* reads x, writes y */
static const hl_pass hl__unary_forward = {.name = "forward",
                                          .grid = hl__elementwise_grid,
                                          .access = hl__elementwise_access,
                                          .kernel = hl__unary_forward_kernel,
                                          .layout = {HL_LAYOUT_ANY}};

/* reads dy and what dx_by knows, writes dx */
static const hl_pass hl__unary_dx = {.name = "dx",
                                     .grid = hl__elementwise_grid,
                                     .access = hl__elementwise_access,
                                     .kernel = hl__unary_dx_kernel,
                                     .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};

#endif

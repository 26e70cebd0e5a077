/* SPDX-License-Identifier: BSD-3-Clause
 *
 * relu: y = max(x, 0), NaN where x is NaN. dx = dy where y > 0, else 0. */
#include "ops/elementwise.h"

/* ---- forward ---- */

static hl__floats value_of(hl__floats x, const void *options) {
    (void)options;
    return hl__larger(hl__splat(0), x); /* in this order NaN stays */
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) { hl__unary_tile(call, tile, value_of); }

/* ---- backward, from dy and y ---- */

static hl__floats dx_of(hl__floats d, hl__floats y) { return hl__select(y > 0, d, hl__splat(0)); }

static void dx_kernel(const hl_call *call, const hl_tile *tile) { hl__binary_tile(call, tile, dx_of); }

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__elementwise_grid,
                                .access = hl__elementwise_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY}};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__elementwise_grid,
                           .access = hl__elementwise_access,
                           .kernel = dx_kernel,
                           .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(relu) = {.name = "relu",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .infer = hl__unary_infer,
                             .forward = {{.pass = &forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
                             .backward = {{.pass = &dx, .reads = {HL_DOUT(0), HL_OUT(0)}, .writes = {HL_DIN(0)}}}};

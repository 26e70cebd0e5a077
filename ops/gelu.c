/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gelu: y = x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3): the tanh form of Hendrycks and Gimpel 2016. */
#include "ops/activation.h"
#include "ops/elementwise.h"

/* ---- forward ---- */

static hl__floats value_of(hl__floats x, const void *options) {
    (void)options;
    return hl__gelu(x);
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) { hl__unary_tile(call, tile, value_of); }

/* ---- backward, from dy and x ---- */

static hl__floats dx_of(hl__floats d, hl__floats x) { return d * hl__gelu_gradient(x); }

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

HL__DEFINE_OPERATOR(gelu) = {.name = "gelu",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .infer = hl__unary_infer,
                             .forward = {{.pass = &forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
                             .backward = {{.pass = &dx, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_DIN(0)}}}};

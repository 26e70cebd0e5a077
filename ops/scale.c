/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scale: y = factor x. dx = factor dy. */
#include "ops/kernels/elementwise.h"

/* ---- forward ---- */

static hl__floats value_of(hl__floats x, const void *options) { return ((const hl_scale_config *)options)->factor * x; }

static void forward_kernel(const hl_call *call, const hl_tile *tile) { hl__unary_tile(call, tile, value_of); }

/* ---- backward, from dy ---- */

static void dx_kernel(const hl_call *call, const hl_tile *tile) { hl__unary_tile(call, tile, value_of); }

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
                           .layout = {HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(scale) = {.name = "scale",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .n_outputs = 1,
                              .options_bytes = sizeof(hl_scale_config),
                              .infer = hl__unary_infer,
                              .forward = {{.pass = &forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
                              .backward = {{.pass = &dx, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

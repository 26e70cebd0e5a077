/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mean: y = mean of x over the given axes (all where none is given). dx = dy / n for each of the n elements. */
#include "ops/kernels/axes.h"

/* ---- forward: each part of the sum takes its share, so that none overflows that the mean does not ---- */

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    hl__axes_tile(call, tile, 1.0 / (double)hl__axes_count(call->options, &call->operand[0].shape));
}

/* ---- backward ---- */

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl__spread_kernel(call, tile, 1.0f / (float)hl__axes_count(call->options, &call->operand[1].shape));
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__axes_grid,
                                .access = hl__axes_access,
                                .scratch = hl__axes_scratch,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY}};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__elementwise_grid,
                           .access = hl__spread_access,
                           .kernel = dx_kernel,
                           .layout = {HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(mean) = {
    .name = "mean",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_axes_config),
    .infer = hl__axes_infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0)}, .writes = {HL_TEMP(0)}},
                {.pass = &hl__combine, .reads = {HL_TEMP(0)}, .writes = {HL_OUT(0)}, .alias = hl__combine_alias}},
    .backward = {{.pass = &dx, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

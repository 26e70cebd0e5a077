/* SPDX-License-Identifier: BSD-3-Clause
 *
 * add: y = a + b, broadcast. da = dy and db = dy, summed over the axes along which the operand was broadcast; where it
 * was not, the gradient is dy itself and nothing is computed. */
#include "ops/broadcast.h"

/* ---- forward ---- */

static hl__floats value_of(hl__floats a, hl__floats b) { return a + b; }

static void forward_kernel(const hl_call *call, const hl_tile *tile) { hl__binary_tile(call, tile, value_of); }

/* ---- backward ---- */

static hl__floats gradient_of(hl__floats d, hl__floats itself, hl__floats other) {
    (void)itself;
    (void)other;
    return d;
}

static void gradient_kernel(const hl_call *call, const hl_tile *tile) { hl__gradient_tile(call, tile, gradient_of); }

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__elementwise_grid,
                                .access = hl__elementwise_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_pass da = {.name = "da",
                           .grid = hl__gradient_grid,
                           .access = hl__gradient_access,
                           .kernel = gradient_kernel,
                           .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_pass db = {.name = "db",
                           .grid = hl__gradient_grid,
                           .access = hl__gradient_access,
                           .kernel = gradient_kernel,
                           .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_pass combine = {
    .name = "combine", .grid = hl__combine_grid, .access = hl__combine_access, .kernel = hl__combine_kernel};

HL__DEFINE_OPERATOR(add) = {
    .name = "add",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = hl__broadcast_infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &da, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_TEMP(0)}, .alias = hl__gradient_alias},
                 {.pass = &combine, .reads = {HL_TEMP(0)}, .writes = {HL_DIN(0)}, .alias = hl__combine_alias},
                 {.pass = &db, .reads = {HL_DOUT(0), HL_IN(1)}, .writes = {HL_TEMP(1)}, .alias = hl__gradient_alias},
                 {.pass = &combine, .reads = {HL_TEMP(1)}, .writes = {HL_DIN(1)}, .alias = hl__combine_alias}}};

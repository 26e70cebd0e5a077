/* SPDX-License-Identifier: BSD-3-Clause
 *
 * subtract: y = a - b, broadcast. da = dy, db = -dy, summed over the axes along which the operand was broadcast. */
#include "ops/elementwise.h"

/* ---- forward ---- */

static hl__floats value_of(hl__floats a, hl__floats b) { return a - b; }

static void forward_kernel(const hl_call *call, const hl_tile *tile) { hl__binary_tile(call, tile, value_of); }

/* ---- backward ---- */

static bool alias(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)offset;
    return hl__not_broadcast(call, source, view);
}

static hl__floats da_of(hl__floats d, hl__floats a, hl__floats b) {
    (void)a;
    (void)b;
    return d;
}

static void da_kernel(const hl_call *call, const hl_tile *tile) { hl__reduce_tile(call, tile, da_of); }

static hl__floats db_of(hl__floats d, hl__floats a, hl__floats b) {
    (void)a;
    (void)b;
    return -d;
}

static void db_kernel(const hl_call *call, const hl_tile *tile) { hl__reduce_tile(call, tile, db_of); }

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__elementwise_grid,
                                .access = hl__elementwise_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_pass da = {
    .name = "da", .grid = hl__reduce_grid, .access = hl__reduce_access, .kernel = da_kernel, .layout = {HL_LAYOUT_ANY}};
static const hl_pass db = {
    .name = "db", .grid = hl__reduce_grid, .access = hl__reduce_access, .kernel = db_kernel, .layout = {HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(subtract) = {
    .name = "subtract",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = hl__binary_infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &da, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}, .alias = alias},
                 {.pass = &db, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(1)}}}};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mean: y = mean of x over the given axes (all where none is given). dx = dy / n for each of the n elements. */
#include "ops/reduce.h"

static float share(const hl_call *call, const hl_view *x) {
    size_t n = 1;
    for (size_t axis = 0; axis < x->shape.rank; axis++)
        if (hl__reduced(hl__axes_of(call), axis)) n *= x->shape.extent[axis];
    return 1.0f / (float)n;
}

/* ---- forward ---- */

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    hl__sum_kernel(call, tile);
    hl_box boxes[2];
    hl__sum_access(call, tile, boxes);
    const hl_view *y = &call->operand[1];
    size_t rank = y->shape.rank, at[HL_MAX_RANK] = {0},
           n = rank ? boxes[1].end[rank - 1] - boxes[1].begin[rank - 1] : 1;
    float factor = share(call, &call->operand[0]);
    for (bool started = false; hl__next_row(&boxes[1], rank, at, &started);) {
        float *y_i = hl__f32(y) + hl__offset(y, at);
        for (size_t j = 0; j < n; j++) y_i[j] *= factor;
    }
}

/* ---- backward ---- */

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl__spread_kernel(call, tile, share(call, &call->operand[1]));
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__sum_grid,
                                .access = hl__sum_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY}};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__elementwise_grid,
                           .access = hl__spread_access,
                           .kernel = dx_kernel,
                           .layout = {HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(mean) = {.name = "mean",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .options_bytes = sizeof(hl_axes_config),
                             .infer = hl__reduce_infer,
                             .forward = {{.pass = &forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
                             .backward = {{.pass = &dx, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

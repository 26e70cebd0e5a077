/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dropout (Srivastava et al. 2014), scaled in training so that nothing has to be done without it.
 *
 *   forward:  y = m x,  m = 1 / (1 - rate) or, with probability rate, 0
 *   backward: dx = m dy
 *
 * The mask is a function of seed, node, step and position (ops/kernels/random.h): j the last axis, i the one before it,
 * plane the others taken together. It is made again in the backward pass; nothing is stored. x [...], step I32 []. */
#include "ops/kernels/random.h"
#include "ops/kernels/score_mask.h"
#include "ops/op.h"

static hl_status dropout_infer(hl_inference *inference) {
    const hl_view *x = &inference->input[0];
    if (x->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "the input must be f32, not %s", hl_dtype_name(x->dtype));
    inference->output[0] = x->shape;
    return hl__check_dropout(inference, inference->options, 1);
}

/* Forward and backward are one pass. */
enum operand { X, STEP, Y };

static void rows_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[X].shape, 1).n_tiles;
}

static void rows_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__cut cut = hl__cut_rows(&call->operand[X].shape, 1);
    boxes[X] = boxes[Y] = hl__cut_box(&cut, &call->operand[X].shape, tile->index[0]);
}

static size_t row_length(const hl_view *x) { return x->shape.rank ? x->shape.extent[x->shape.rank - 1] : 1; }

static size_t mask_scratch(const hl_call *call) {
    return hl__dropout_row_words(row_length(&call->operand[X])) * sizeof(uint32_t);
}

static uint32_t plane_of(const hl_shape *shape, const size_t index[HL_MAX_RANK]) {
    size_t plane = 0;
    for (size_t i = 0; i + 2 < shape->rank; i++) plane = plane * shape->extent[i] + index[i];
    return (uint32_t)plane;
}

static void mask_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[X], *y = &call->operand[Y], *step = &call->operand[STEP];
    const hl_shape *shape = &x->shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    hl_box box = hl__cut_box(&cut, shape, tile->index[0]);
    hl__dropout dropout = hl__dropout_of(call->options, call->node_id, hl_view_present(step) ? *hl__i32(step) : 0);
    uint32_t *words = tile->scratch;
    size_t index[HL_MAX_RANK] = {0}, n = row_length(x);
    for (bool started = false; hl__next_row(&box, shape->rank, index, &started);) {
        const float *x_i = hl__f32(x) + hl__offset(x, index);
        float *y_i = hl__f32(y) + hl__offset(y, index);
        hl__dropout_row(&dropout, plane_of(shape, index), shape->rank >= 2 ? index[shape->rank - 2] : 0, 0, n, words);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__floats factors = hl__dropout_factors(&dropout, hl__dropout_words(words, j), hl__dropout_upper(j));
            hl__store_some(y_i + j, factors * hl__load_some(x_i + j, some, 0), some);
        }
    }
}

static const hl_pass mask_pass = {
    .name = "mask",
    .grid = rows_grid,
    .access = rows_access,
    .scratch = mask_scratch,
    .kernel = mask_kernel,
    .layout = {HL_LAYOUT_ROWS},
};

HL__DEFINE_OPERATOR(dropout) = {
    .name = "dropout",
    .min_inputs = 1,
    .max_inputs = 2,
    .optional = 1 << STEP,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_dropout_config),
    .infer = dropout_infer,
    .forward = {{.pass = &mask_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &mask_pass, .reads = {HL_DOUT(0), HL_IN(1)}, .writes = {HL_DIN(0)}}},
};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cross-entropy of logits against labels: the mean over the labels that are not HL_IGNORED.
 *
 *   forward:  loss  = sum_i (max_i - x_i[label_i] + log sum_i) / n,  sum_i = sum_j exp(x_i[j] - max_i)
 *   backward: dx_i[j] = exp(x_i[j] - max_i) / sum_i * dloss / n,  for j = label_i less dloss / n
 *
 *   x [..., C], labels I32 [...] in HL_IGNORED..C-1; loss []; max and sum [...], 1 / n [] (saved)
 *
 * max and sum are never one number, log sum exp: that has no digits left for the sum where logits are far from 0. What
 * is left at the label, less all others, is computed as that: p - 1 would cancel.
 *
 * A row that holds NaN, infinity or nothing but -infinity gives NaN, also in its gradient; a label whose logit is
 * -infinity an infinite loss. Where the label is ignored there is no row: its loss and gradient are 0 whatever it
 * holds. Where all labels are ignored, loss and gradient are 0. Rows are summed by one tile, in order and in double. */
#include <string.h>

#include "ops/kernels/vector.h"
#include "ops/op.h"

enum { X, LABELS };               /* inputs */
enum { LOSS, MAX, SUM, INVERSE }; /* outputs */

static hl_status entropy_infer(hl_inference *inference) {
    const hl_view *x = &inference->input[X], *labels = &inference->input[LABELS];
    if (x->dtype != HL_F32 || labels->dtype != HL_I32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "logits must be f32 and labels i32, not %s and %s",
                         hl_dtype_name(x->dtype), hl_dtype_name(labels->dtype));
    hl_shape rows = x->shape;
    if (rows.rank > 0) rows.extent[--rows.rank] = 0;
    if (x->shape.rank == 0 || !hl__shape_equal(&rows, &labels->shape)) {
        char text[HL_SHAPE_TEXT], labels_text[HL_SHAPE_TEXT];
        return hl_refuse(inference, HL_SHAPE_MISMATCH, "labels %s are not the logits %s without their last axis",
                         hl_shape_text(&labels->shape, labels_text, sizeof labels_text),
                         hl_shape_text(&x->shape, text, sizeof text));
    }
    size_t C = x->shape.extent[rows.rank];
    if (C > INT32_MAX) return hl_refuse(inference, HL_OUT_OF_RANGE, "%zu classes exceed an i32 label", C);
    inference->index_min[LABELS] = HL_IGNORED;
    inference->index_max[LABELS] = (int32_t)C - 1;
    inference->output[LOSS] = inference->output[INVERSE] = HL_SCALAR;
    inference->output[MAX] = inference->output[SUM] = inference->temp[0] = rows;
    return HL_OK;
}

static hl_box rows_box(hl_box box, size_t rank) {
    box.begin[rank - 1] = box.end[rank - 1] = 0;
    return box;
}

static void cut_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[0].shape, 1).n_tiles;
}

/* ---- forward: rows ---- */

enum { R_X, R_LABELS, R_MAX, R_SUM, R_HALF }; /* half of each row's loss: twice that may be no float, but their mean */

static void rows_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[R_X], *labels = &call->operand[R_LABELS];
    hl__cut cut = hl__cut_rows(&x->shape, 1);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    size_t index[HL_MAX_RANK], C = x->shape.extent[x->shape.rank - 1];
    for (bool started = false; hl__next_row(&box, x->shape.rank, index, &started);) {
        const float *x_i = hl__f32(x) + hl__offset(x, index);
        size_t row = hl__offset(labels, index);
        int32_t label = hl__i32(labels)[row];
        float max = hl__row_max(x_i, C), sum = hl__row_exp_sum(NULL, x_i, C, max), rest = hl__log(hl__splat(sum))[0];
        hl__f32(&call->operand[R_MAX])[row] = max;
        hl__f32(&call->operand[R_SUM])[row] = sum;
        hl__f32(&call->operand[R_HALF])[row] = label == HL_IGNORED ? 0 : (0.5f * max - 0.5f * x_i[label]) + 0.5f * rest;
    }
}

static void rows_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[R_X].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[R_X] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[R_LABELS] = boxes[R_MAX] = boxes[R_SUM] = boxes[R_HALF] = rows_box(boxes[R_X], shape->rank);
}

static const hl_pass rows_pass = {
    .name = "rows",
    .grid = cut_grid,
    .access = rows_access,
    .kernel = rows_kernel,
    .layout = {HL_LAYOUT_ROWS, HL_LAYOUT_DENSE},
};

/* ---- forward: mean ---- */

enum { M_HALVES, M_LABELS, M_LOSS, M_INVERSE };

static void mean_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    const float *halves = hl__f32(&call->operand[M_HALVES]);
    const int32_t *labels = hl__i32(&call->operand[M_LABELS]);
    hl_box all = hl__box_whole(&call->operand[M_LABELS]);
    size_t n = hl__box_elements(&all, call->operand[M_LABELS].shape.rank), count = 0;
    double sum[8] = {0};
    for (size_t i = 0; i < n; i++) {
        sum[i % 8] += 2 * (double)halves[i];
        count += labels[i] != HL_IGNORED;
    }
    double total = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    *hl__f32(&call->operand[M_LOSS]) = count ? (float)(total / (double)count) : 0;
    *hl__f32(&call->operand[M_INVERSE]) = count ? (float)(1 / (double)count) : 0;
}

static const hl_pass mean_pass = {.name = "mean", .kernel = mean_kernel};

/* ---- backward ---- */

enum { D_X, D_LABELS, D_MAX, D_SUM, D_INVERSE, D_DLOSS, D_DX };

/* dx_i[j] = exp(x_i[j] - max) * factor; returns the sum of the exponentials. */
static float spread(const float *x_i, float *dx_i, size_t n, float max, float factor) {
    hl__floats total = hl__splat(0);
    for (size_t j = 0; j < n;) {
        hl__floats sum = hl__splat(0);
        for (size_t end = hl__min(n, j + HL__ROW_BLOCK); j < end; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__floats e = hl__exp(hl__load_some(x_i + j, some, -INFINITY) - max);
            hl__store_some(dx_i + j, e * factor, some);
            sum += e;
        }
        total += sum;
    }
    return hl__sum_lanes(total);
}

static void backward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[D_X], *labels = &call->operand[D_LABELS];
    hl__cut cut = hl__cut_rows(&x->shape, 1);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    float factor = *hl__f32(&call->operand[D_DLOSS]) * *hl__f32(&call->operand[D_INVERSE]);
    size_t index[HL_MAX_RANK], C = x->shape.extent[x->shape.rank - 1];
    for (bool started = false; hl__next_row(&box, x->shape.rank, index, &started);) {
        const float *x_i = hl__f32(x) + hl__offset(x, index);
        float *dx_i = hl__f32(&call->operand[D_DX]) + hl__offset(&call->operand[D_DX], index);
        size_t row = hl__offset(labels, index);
        int32_t label = hl__i32(labels)[row];
        if (label == HL_IGNORED) {
            memset(dx_i, 0, C * sizeof *dx_i);
            continue;
        }
        float max = hl__f32(&call->operand[D_MAX])[row], share = factor / hl__f32(&call->operand[D_SUM])[row];
        size_t before = (size_t)label, after = before + 1;
        float others = spread(x_i, dx_i, before, max, share);
        others += spread(x_i + after, dx_i + after, C - after, max, share);
        dx_i[label] = -others * share;
    }
}

static void backward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[D_X].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[D_X] = boxes[D_DX] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[D_LABELS] = boxes[D_MAX] = boxes[D_SUM] = rows_box(boxes[D_X], shape->rank);
}

static const hl_pass backward_pass = {
    .name = "backward",
    .grid = cut_grid,
    .access = backward_access,
    .kernel = backward_kernel,
    .layout = {HL_LAYOUT_ROWS, HL_LAYOUT_DENSE},
};

/* ---- descriptor ---- */

HL__DEFINE_OPERATOR(cross_entropy) = {
    .name = "cross_entropy",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 4,
    .n_saved = 3,
    .infer = entropy_infer,
    .forward = {{.pass = &rows_pass,
                 .reads = {HL_IN(X), HL_IN(LABELS)},
                 .writes = {HL_OUT(MAX), HL_OUT(SUM), HL_TEMP(0)}},
                {.pass = &mean_pass, .reads = {HL_TEMP(0), HL_IN(LABELS)}, .writes = {HL_OUT(LOSS), HL_OUT(INVERSE)}}},
    .backward = {{.pass = &backward_pass,
                  .reads = {HL_IN(X), HL_IN(LABELS), HL_OUT(MAX), HL_OUT(SUM), HL_OUT(INVERSE), HL_DOUT(LOSS)},
                  .writes = {HL_DIN(X)}}},
};

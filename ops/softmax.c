/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Softmax over the last axis, any rank from 1 on.
 *
 *   forward:  p_i[j]  = exp(s_i[j] - max_i) / sum_i
 *   backward: ds_i[j] = p_i[j] * (dp_i[j] - dot(p_i, dp_i))
 *
 * dot(p_i, dp_i) is a mean, and what all dp_i have in common changes nothing: it is taken in double, over the sum of
 * p_i, which is 1 but for its roundings, and once more over what is left.
 *
 * A row of -infinity alone (a query that sees no key) gives zeros, in the gradient too. NaN or infinity anywhere in a
 * row makes all of it NaN: so does their sum. Where p is 0 nothing is seen, so that dp does not matter there, even if
 * it is NaN. */
#include <string.h>

#include "ops/kernels/vector.h"
#include "ops/op.h"

enum forward_operand { S, P };
enum backward_operand { BACK_P, BACK_DP, BACK_DS };

static hl_status softmax_infer(hl_inference *inference) {
    const hl_view *s = &inference->input[0];
    if (s->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "the input must be f32, not %s", hl_dtype_name(s->dtype));
    if (s->shape.rank == 0) return hl_refuse(inference, HL_SHAPE_MISMATCH, "a scalar has no axis to normalise over");
    inference->output[0] = s->shape;
    return HL_OK;
}

static void forward_row(const float *s_i, float *p_i, size_t n) {
    float max = hl__row_max(s_i, n);
    if (max == -INFINITY) {
        memset(p_i, 0, n * sizeof *p_i);
        return;
    }
    hl__floats scale = hl__splat(1 / hl__row_exp_sum(p_i, s_i, n, max));
    size_t j = 0;
    for (; j + HL__LANES <= n; j += HL__LANES) hl__store(p_i + j, hl__load(p_i + j) * scale);
    if (j < n) hl__store_some(p_i + j, hl__load_some(p_i + j, n - j, 0) * scale, n - j);
}

#define STRANDS 8 /* sums side by side, so that additions need not wait for each other */

/* p d, 0 where p is 0. */
static double seen(float p, double d) { return p == 0 ? 0 : (double)p * d; }

static double total_of(const double sum[STRANDS]) {
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* The mean of dp_i[j] - shift with the weights p_i[j]. */
static double mean_beyond(const float *p_i, const float *dp_i, size_t n, double shift) {
    double sum[STRANDS] = {0}, weight[STRANDS] = {0};
    for (size_t j = 0; j < n; j++) {
        sum[j % STRANDS] += seen(p_i[j], (double)dp_i[j] - shift);
        weight[j % STRANDS] += (double)p_i[j];
    }
    double all = total_of(weight);
    return all == 0 ? 0 : total_of(sum) / all;
}

static void backward_row(const float *p_i, const float *dp_i, float *ds_i, size_t n) {
    double mean = mean_beyond(p_i, dp_i, n, 0);
    if (isfinite(mean)) mean += mean_beyond(p_i, dp_i, n, mean);
    for (size_t j = 0; j < n; j++) ds_i[j] = (float)seen(p_i[j], (double)dp_i[j] - mean);
}

/* ---- tiling: blocks of rows; all operands have one shape ---- */

static void rows_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[0].shape, 1).n_tiles;
}

static void rows_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__cut cut = hl__cut_rows(&call->operand[0].shape, 1);
    for (size_t i = 0; i < call->n_reads + call->n_writes; i++)
        boxes[i] = hl__cut_box(&cut, &call->operand[0].shape, tile->index[0]);
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *s = &call->operand[S], *p = &call->operand[P];
    hl__cut cut = hl__cut_rows(&s->shape, 1);
    hl_box box = hl__cut_box(&cut, &s->shape, tile->index[0]);
    size_t index[HL_MAX_RANK], n = s->shape.extent[s->shape.rank - 1];
    for (bool started = false; hl__next_row(&box, s->shape.rank, index, &started);)
        forward_row(hl__f32(s) + hl__offset(s, index), hl__f32(p) + hl__offset(p, index), n);
}

static void backward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *p = &call->operand[BACK_P], *dp = &call->operand[BACK_DP], *ds = &call->operand[BACK_DS];
    hl__cut cut = hl__cut_rows(&p->shape, 1);
    hl_box box = hl__cut_box(&cut, &p->shape, tile->index[0]);
    size_t index[HL_MAX_RANK], n = p->shape.extent[p->shape.rank - 1];
    for (bool started = false; hl__next_row(&box, p->shape.rank, index, &started);)
        backward_row(hl__f32(p) + hl__offset(p, index), hl__f32(dp) + hl__offset(dp, index),
                     hl__f32(ds) + hl__offset(ds, index), n);
}

static const hl_pass forward_pass = {
    .name = "forward", .grid = rows_grid, .access = rows_access, .kernel = forward_kernel, .layout = {HL_LAYOUT_ROWS}};

static const hl_pass backward_pass = {
    .name = "backward",
    .grid = rows_grid,
    .access = rows_access,
    .kernel = backward_kernel,
    .layout = {HL_LAYOUT_DENSE, HL_LAYOUT_ROWS},
};

HL__DEFINE_OPERATOR(softmax) = {
    .name = "softmax",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = softmax_infer,
    .forward = {{.pass = &forward_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &backward_pass, .reads = {HL_OUT(0), HL_DOUT(0)}, .writes = {HL_DIN(0)}}},
};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * squared_error: the mean of (p - t)^2.
 *
 *   loss = sum_i (p_i - t_i)^2 / n        dp_i = 2 (p_i - t_i) dloss / n, dt_i = -dp_i
 *   p and t of one shape, loss a scalar. Blocks are summed apart, then the blocks in their order. */
#include "ops/kernels/elementwise.h"

static size_t elements(const hl_view *view) {
    size_t n = 1;
    for (size_t i = 0; i < view->shape.rank; i++) n *= view->shape.extent[i];
    return n;
}

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_shape *p = &i->input[0].shape, *t = &i->input[1].shape;
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT];
    for (size_t k = 0; k < 2; k++)
        if (i->input[k].dtype != HL_F32)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not f32", k, hl_dtype_name(i->input[k].dtype));
    if (!hl__shape_equal(p, t))
        return hl_refuse(i, HL_SHAPE_MISMATCH, "prediction %s and target %s differ", hl_shape_text(p, a, sizeof a),
                         hl_shape_text(t, b, sizeof b));
    i->output[0] = HL_SCALAR;
    hl__cut cut = hl__cut_rows(p, 0);
    i->temp[0] = HL_SHAPE(cut.n_tiles);
    return HL_OK;
}

/* ---- forward: the share of each block in the mean, then the sum of those, both in double precision ---- */

enum { FP, FT, FSHARES };

static void blocks_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *p = &call->operand[FP], *t = &call->operand[FT];
    hl__cut cut = hl__cut_rows(&p->shape, 0);
    hl_box box = hl__cut_box(&cut, &p->shape, tile->index[0]);
    size_t rank = p->shape.rank, at[HL_MAX_RANK] = {0}, n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    hl__doubles lower = {0}, upper = {0};
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        const float *p_i = hl__f32(p) + hl__offset(p, at), *t_i = hl__f32(t) + hl__offset(t, at);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__floats d = hl__load_some(p_i + j, some, 0) - hl__load_some(t_i + j, some, 0);
            hl__doubles low = hl__lower_doubles(d), high = hl__upper_doubles(d);
            lower += low * low;
            upper += high * high;
        }
    }
    double share = hl__sum_doubles(lower + upper) / (double)elements(p);
    hl__f32(&call->operand[FSHARES])[tile->index[0]] = (float)share;
}

static void total_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    double sum = 0;
    for (size_t i = 0; i < call->operand[0].shape.extent[0]; i++) sum += (double)hl__f32(&call->operand[0])[i];
    *hl__f32(&call->operand[1]) = (float)sum;
}

/* ---- backward ---- */

enum { BD, BP, BT };

static void gradient(const hl_call *call, const hl_tile *tile, float sign) {
    const hl_view *p = &call->operand[BP], *t = &call->operand[BT], *out = hl__written(call);
    hl_box box = hl__elementwise_box(call, tile);
    size_t rank = out->shape.rank, at[HL_MAX_RANK] = {0}, n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    float factor = sign * (float)(2 * (double)*hl__f32(&call->operand[BD]) / (double)elements(p));
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        size_t offset = hl__offset(out, at);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__floats a = hl__load_some(hl__f32(p) + offset + j, some, 0);
            hl__floats b = hl__load_some(hl__f32(t) + offset + j, some, 0), d = a - b;
            hl__floats halves = 2.0f * (factor * (0.5f * a - 0.5f * b)); /* where the difference is no float */
            hl__put_some(hl__f32(out) + offset + j, hl__select(d - d == 0, factor * d, halves), some);
        }
    }
}

static void dp_kernel(const hl_call *call, const hl_tile *tile) { gradient(call, tile, 1); }
static void dt_kernel(const hl_call *call, const hl_tile *tile) { gradient(call, tile, -1); }

/* ---- tiling and access ---- */

static void blocks_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[FP].shape, 0).n_tiles;
}

static void blocks_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__cut cut = hl__cut_rows(&call->operand[FP].shape, 0);
    boxes[FP] = boxes[FT] = hl__cut_box(&cut, &call->operand[FP].shape, tile->index[0]);
    boxes[FSHARES].begin[0] = tile->index[0];
    boxes[FSHARES].end[0] = tile->index[0] + (size_t)1;
}

/* ---- descriptor ---- */

static const hl_pass blocks = {.name = "blocks", .grid = blocks_grid, .access = blocks_access, .kernel = blocks_kernel};
static const hl_pass total = {.name = "total", .kernel = total_kernel};
static const hl_pass dp = {
    .name = "dp", .grid = hl__elementwise_grid, .access = hl__elementwise_access, .kernel = dp_kernel};
static const hl_pass dt = {
    .name = "dt", .grid = hl__elementwise_grid, .access = hl__elementwise_access, .kernel = dt_kernel};

HL__DEFINE_OPERATOR(squared_error) = {
    .name = "squared_error",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &blocks, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_TEMP(0)}},
                {.pass = &total, .reads = {HL_TEMP(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &dp, .reads = {HL_DOUT(0), HL_IN(0), HL_IN(1)}, .writes = {HL_DIN(0)}},
                 {.pass = &dt, .reads = {HL_DOUT(0), HL_IN(0), HL_IN(1)}, .writes = {HL_DIN(1)}}}};

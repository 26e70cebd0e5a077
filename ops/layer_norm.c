/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layer normalisation over the last axis (Ba, Kiros and Hinton 2016).
 *
 *   forward:  n_i[c]  = (x_i[c] - mean_i) * rstd_i,  rstd_i = 1 / sqrt(mean((x_i - mean_i)^2) + epsilon)
 *             y_i[c]  = n_i[c] * gain[c] + bias[c]
 *   backward: g_i[c]  = dy_i[c] * gain[c]
 *             dx_i[c] = rstd_i * (g_i[c] - mean(g_i) - n_i[c] * mean(g_i n_i))
 *             dgain[c] = sum_i dy_i[c] * n_i[c]
 *             dbias[c] = sum_i dy_i[c]
 *
 *   x, y [..., C], gain, bias [C], mean and rstd [...] (saved)
 *
 * Mean and variance take two passes over the row, which is in cache: the difference of two large sums would lose what
 * matters. The sums over all rows are taken by blocks of rows, then over the blocks, always in the same order. What
 * else reads x, a skip connection say, has its gradient added to dx while that is in registers. */
#include <math.h>
#include <string.h>

#include "ops/op.h"
#include "ops/vector.h"

#define PARTIAL_BLOCKS 64 /* blocks of rows, about, into which dgain and dbias are cut */
#define COLUMNS 64        /* of a tile that adds the blocks up */

enum { X, GAIN, BIAS }; /* inputs */
enum { Y, MEAN, RSTD }; /* outputs */

/* ---- checks ---- */

static hl__cut partial_cut(const hl_shape *x) {
    size_t total = 1;
    for (size_t i = 0; i < x->rank; i++) total *= x->extent[i];
    return hl__cut_into(x, 1, hl__max(1, total / PARTIAL_BLOCKS));
}

static hl_status check_column(hl_inference *inference, const char *name, const hl_view *view, size_t C) {
    char text[HL_SHAPE_TEXT], x_text[HL_SHAPE_TEXT];
    if (view->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "%s must be f32, not %s", name, hl_dtype_name(view->dtype));
    if (view->shape.rank == 1 && view->shape.extent[0] == C) return HL_OK;
    return hl_refuse(inference, HL_SHAPE_MISMATCH, "%s %s does not fit the last axis of the input %s", name,
                     hl_shape_text(&view->shape, text, sizeof text),
                     hl_shape_text(&inference->input[X].shape, x_text, sizeof x_text));
}

static hl_status norm_infer(hl_inference *inference) {
    const hl_norm_config *config = inference->options;
    const hl_view *x = &inference->input[X];
    if (x->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "the input must be f32, not %s", hl_dtype_name(x->dtype));
    if (x->shape.rank == 0) return hl_refuse(inference, HL_SHAPE_MISMATCH, "a scalar has no axis to normalise over");
    if (!(config->epsilon >= 0) || isinf(config->epsilon))
        return hl_refuse(inference, HL_OUT_OF_RANGE, "epsilon %g is not a number from 0 on", (double)config->epsilon);
    size_t C = x->shape.extent[x->shape.rank - 1];
    hl_status status = check_column(inference, "gain", &inference->input[GAIN], C);
    if (status == HL_OK && inference->n_inputs > BIAS && hl_view_present(&inference->input[BIAS]))
        status = check_column(inference, "bias", &inference->input[BIAS], C);
    if (status != HL_OK) return status;
    hl_shape rows = x->shape;
    rows.extent[--rows.rank] = 0;
    inference->output[Y] = x->shape;
    inference->output[MEAN] = inference->output[RSTD] = rows;
    inference->temp[0] = HL_SHAPE(partial_cut(&x->shape).n_tiles, 2, C);
    return HL_OK;
}

/* ---- rows ---- */

/* One row: where its numbers are. */
typedef struct row {
    size_t index[HL_MAX_RANK], C;
} row;

static float *row_of(const hl_view *view, const row *at) { return hl__f32(view) + hl__offset(view, at->index); }

/* The box of the rows alone, for mean and rstd. */
static hl_box rows_box(hl_box box, size_t rank) {
    box.begin[rank - 1] = box.end[rank - 1] = 0;
    return box;
}

static void cut_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[0].shape, 1).n_tiles;
}

/* ---- forward ---- */

enum { F_X, F_GAIN, F_BIAS, F_Y, F_MEAN, F_RSTD };

static void forward_row(const float *x_i, const float *gain, const float *bias, float epsilon, size_t C, float *y_i,
                        float *mean, float *rstd) {
    *mean = hl__row_sum(x_i, C) / (float)C;
    hl__floats sum = hl__splat(0), middle = hl__splat(*mean);
    for (size_t c = 0; c < C; c += HL__LANES) {
        hl__floats off = hl__load_some(x_i + c, hl__min(HL__LANES, C - c), *mean) - middle;
        sum = hl__fma(off, off, sum);
    }
    *rstd = 1 / sqrtf(hl__sum_lanes(sum) / (float)C + epsilon);
    hl__floats factor = hl__splat(*rstd);
    for (size_t c = 0; c < C; c += HL__LANES) {
        size_t some = hl__min(HL__LANES, C - c);
        hl__floats n = (hl__load_some(x_i + c, some, 0) - middle) * factor;
        hl__floats shift = bias ? hl__load_some(bias + c, some, 0) : hl__splat(0);
        hl__store_some(y_i + c, hl__fma(n, hl__load_some(gain + c, some, 0), shift), some);
    }
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[F_X], *bias = &call->operand[F_BIAS];
    const hl_norm_config *config = call->options;
    float epsilon = config->epsilon > 0 ? config->epsilon : 1e-5f;
    hl__cut cut = hl__cut_rows(&x->shape, 1);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    row at = {.C = x->shape.extent[x->shape.rank - 1]};
    for (bool started = false; hl__next_row(&box, x->shape.rank, at.index, &started);)
        forward_row(row_of(x, &at), hl__f32(&call->operand[F_GAIN]), hl_view_present(bias) ? hl__f32(bias) : NULL,
                    epsilon, at.C, row_of(&call->operand[F_Y], &at), row_of(&call->operand[F_MEAN], &at),
                    row_of(&call->operand[F_RSTD], &at));
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[F_X].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[F_X] = boxes[F_Y] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[F_MEAN] = boxes[F_RSTD] = rows_box(boxes[F_X], shape->rank);
}

static const hl_pass forward_pass = {
    .name = "forward",
    .grid = cut_grid,
    .access = forward_access,
    .kernel = forward_kernel,
    .layout = {HL_LAYOUT_ROWS},
};

/* ---- backward: dx ---- */

enum { D_DY, D_X, D_GAIN, D_MEAN, D_RSTD, D_SHARE, D_DX };

/* share_i: NULL where there is none. */
static void dx_row(const float *dy_i, const float *x_i, const float *gain, float mean, float rstd, const float *share_i,
                   size_t C, float *dx_i) {
    hl__floats sum_g = hl__splat(0), sum_gn = hl__splat(0), middle = hl__splat(mean), factor = hl__splat(rstd);
    for (size_t c = 0; c < C; c += HL__LANES) {
        size_t some = hl__min(HL__LANES, C - c);
        hl__floats g = hl__load_some(dy_i + c, some, 0) * hl__load_some(gain + c, some, 0);
        hl__floats n = (hl__load_some(x_i + c, some, 0) - middle) * factor;
        sum_g += g;
        sum_gn = hl__fma(g, n, sum_gn);
    }
    hl__floats mean_g = hl__splat(hl__sum_lanes(sum_g) / (float)C);
    hl__floats mean_gn = hl__splat(hl__sum_lanes(sum_gn) / (float)C);
    for (size_t c = 0; c < C; c += HL__LANES) {
        size_t some = hl__min(HL__LANES, C - c);
        hl__floats g = hl__load_some(dy_i + c, some, 0) * hl__load_some(gain + c, some, 0);
        hl__floats n = (hl__load_some(x_i + c, some, 0) - middle) * factor;
        hl__floats dx = factor * (g - mean_g - n * mean_gn);
        hl__store_some(dx_i + c, share_i ? hl__load_some(share_i + c, some, 0) + dx : dx, some);
    }
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[D_X], *share = &call->operand[D_SHARE];
    hl__cut cut = hl__cut_rows(&x->shape, 1);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    row at = {.C = x->shape.extent[x->shape.rank - 1]};
    for (bool started = false; hl__next_row(&box, x->shape.rank, at.index, &started);)
        dx_row(row_of(&call->operand[D_DY], &at), row_of(x, &at), hl__f32(&call->operand[D_GAIN]),
               *row_of(&call->operand[D_MEAN], &at), *row_of(&call->operand[D_RSTD], &at),
               hl_view_present(share) ? row_of(share, &at) : NULL, at.C, row_of(&call->operand[D_DX], &at));
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[D_X].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[D_DY] = boxes[D_X] = boxes[D_SHARE] = boxes[D_DX] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[D_MEAN] = boxes[D_RSTD] = rows_box(boxes[D_X], shape->rank);
}

static const hl_pass dx_pass = {
    .name = "dx",
    .grid = cut_grid,
    .access = dx_access,
    .kernel = dx_kernel,
    .layout = {[D_DY] = HL_LAYOUT_ROWS, [D_X] = HL_LAYOUT_ROWS, [D_SHARE] = HL_LAYOUT_ROWS},
};

/* ---- backward: dgain and dbias, by blocks of rows ---- */

enum { P_DY, P_X, P_MEAN, P_RSTD, P_SUMS };

static void partial_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = partial_cut(&call->operand[P_X].shape).n_tiles;
}

static void partial_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[P_X];
    hl__cut cut = partial_cut(&x->shape);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    row at = {.C = x->shape.extent[x->shape.rank - 1]};
    float *dgain = hl__f32(&call->operand[P_SUMS]) + tile->index[0] * 2 * at.C, *dbias = dgain + at.C;
    memset(dgain, 0, 2 * at.C * sizeof *dgain);
    for (bool started = false; hl__next_row(&box, x->shape.rank, at.index, &started);) {
        const float *dy_i = row_of(&call->operand[P_DY], &at), *x_i = row_of(x, &at);
        float mean = *row_of(&call->operand[P_MEAN], &at), rstd = *row_of(&call->operand[P_RSTD], &at);
        for (size_t c = 0; c < at.C; c++) dgain[c] += dy_i[c] * ((x_i[c] - mean) * rstd);
        for (size_t c = 0; c < at.C; c++) dbias[c] += dy_i[c];
    }
}

static void partial_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[P_X].shape;
    hl__cut cut = partial_cut(shape);
    boxes[P_DY] = boxes[P_X] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[P_MEAN] = boxes[P_RSTD] = rows_box(boxes[P_X], shape->rank);
    boxes[P_SUMS].begin[0] = tile->index[0];
    boxes[P_SUMS].end[0] = tile->index[0] + 1;
}

static const hl_pass partial_pass = {
    .name = "partial",
    .grid = partial_grid,
    .access = partial_access,
    .kernel = partial_kernel,
    .layout = {HL_LAYOUT_ROWS, HL_LAYOUT_ROWS},
    .background = true,
};

enum { C_SUMS, C_DGAIN, C_DBIAS };

static void combine_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__ceil_div(call->operand[C_SUMS].shape.extent[2], COLUMNS);
}

static void combine_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    size_t c0 = tile->index[0] * COLUMNS, c1 = hl__min(c0 + COLUMNS, call->operand[C_SUMS].shape.extent[2]);
    boxes[C_SUMS].begin[2] = boxes[C_DGAIN].begin[0] = boxes[C_DBIAS].begin[0] = c0;
    boxes[C_SUMS].end[2] = boxes[C_DGAIN].end[0] = boxes[C_DBIAS].end[0] = c1;
}

static void combine_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *sums = &call->operand[C_SUMS];
    size_t n_blocks = sums->shape.extent[0], C = sums->shape.extent[2];
    size_t c0 = tile->index[0] * COLUMNS, n = hl__min(COLUMNS, C - c0);
    for (size_t which = 0; which < 2; which++) {
        const hl_view *result = &call->operand[which ? C_DBIAS : C_DGAIN];
        if (!hl_view_present(result)) continue;
        float *total = hl__f32(result) + c0;
        memset(total, 0, n * sizeof *total);
        for (size_t block = 0; block < n_blocks; block++) {
            const float *part = hl__f32(sums) + (block * 2 + which) * C + c0;
            for (size_t c = 0; c < n; c++) total[c] += part[c];
        }
    }
}

static const hl_pass combine_pass = {
    .name = "combine", .grid = combine_grid, .access = combine_access, .kernel = combine_kernel, .background = true};

/* ---- descriptor ---- */

HL__DEFINE_OPERATOR(layer_norm) = {
    .name = "layer_norm",
    .min_inputs = 2,
    .max_inputs = 3,
    .optional = 1 << BIAS,
    .n_outputs = 3,
    .n_saved = 2,
    .options_bytes = sizeof(hl_norm_config),
    .infer = norm_infer,
    .forward = {{.pass = &forward_pass,
                 .reads = {HL_IN(X), HL_IN(GAIN), HL_IN(BIAS)},
                 .writes = {HL_OUT(Y), HL_OUT(MEAN), HL_OUT(RSTD)}}},
    .backward = {{.pass = &dx_pass,
                  .reads = {HL_DOUT(Y), HL_IN(X), HL_IN(GAIN), HL_OUT(MEAN), HL_OUT(RSTD), HL_SHARE(X)},
                  .writes = {HL_DIN(X)}},
                 {.pass = &partial_pass,
                  .reads = {HL_DOUT(Y), HL_IN(X), HL_OUT(MEAN), HL_OUT(RSTD)},
                  .writes = {HL_TEMP(0)}},
                 {.pass = &combine_pass, .reads = {HL_TEMP(0)}, .writes = {HL_DIN(GAIN), HL_DIN(BIAS)}}},
};

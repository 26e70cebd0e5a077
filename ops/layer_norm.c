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
 *   x, y [..., C], gain, bias [C], statistics [..., 4] (saved)
 *
 * Nothing here depends on what all numbers of a row have in common, but for the last rounding: a row of equal numbers
 * gives the bias, and an offset changes nothing. A mean is taken twice, of the row and of what is left, and kept in two
 * parts, since rounded to one float it may be further off than the numbers are from each other; so is that of g, and
 * mean(g n) is that of (g - mean(g)) n. Rows whose sums say that they have lost something are taken again in double:
 * numbers too large or too small for their squares, numbers nearly all equal, and what is not finite; NaN or infinity
 * makes all of its row NaN. A deviation beyond 2^100 is kept as that of the row times 2^-64.
 *
 * The sums over all rows are taken by runs of rows within blocks of rows, then over the blocks, always in the same
 * order. What else reads x, a skip connection say, has its gradient added to dx while that is in registers. */
#include <math.h>
#include <string.h>

#include "ops/kernels/vector.h"
#include "ops/op.h"

#define PARTIAL_BLOCKS 64 /* blocks of rows, about, into which dgain and dbias are cut */
#define RUN 128           /* rows of a block that are added up before their sum is added to those before */
#define COLUMNS 64        /* of a tile that adds the blocks up */
#define BLOCK_RUN 16      /* blocks that are added up before their sum is added to those before */

enum { X, GAIN, BIAS };                        /* inputs */
enum { Y, STATISTICS };                        /* outputs */
enum { SCALE, HIGH, LOW, RSTD, N_STATISTICS }; /* n = ((scale x - high) - low) rstd */

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
    inference->output[Y] = inference->output[STATISTICS] = x->shape;
    inference->output[STATISTICS].extent[x->shape.rank - 1] = N_STATISTICS;
    inference->temp[0] = HL_SHAPE(partial_cut(&x->shape).n_tiles, 2, C);
    return HL_OK;
}

/* ---- rows ---- */

/* One row: where its numbers are. */
typedef struct row {
    size_t index[HL_MAX_RANK], C;
} row;

static float *row_of(const hl_view *view, const row *at) { return hl__f32(view) + hl__offset(view, at->index); }

/* The box of the same rows' statistics. */
static hl_box statistics_box(hl_box box, size_t rank) {
    box.begin[rank - 1] = 0;
    box.end[rank - 1] = N_STATISTICS;
    return box;
}

static void cut_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[0].shape, 1).n_tiles;
}

static hl__floats get(const float *p, size_t some, float rest) {
    return some == HL__LANES ? hl__load(p) : hl__load_some(p, some, rest);
}

static void put(float *p, hl__floats v, size_t some) {
    if (some == HL__LANES) hl__store(p, v);
    else hl__store_some(p, v, some);
}

/* A row's statistics in registers. */
typedef struct normal {
    hl__floats scale, high, low, rstd;
} normal;

static normal normal_of(const float *statistics) {
    return (normal){.scale = hl__splat(statistics[SCALE]),
                    .high = hl__splat(statistics[HIGH]),
                    .low = hl__splat(statistics[LOW]),
                    .rstd = hl__splat(statistics[RSTD])};
}

static hl__floats normalised(hl__floats x, const normal *n) {
    return (hl__fma(x, n->scale, -n->high) - n->low) * n->rstd;
}

/* What is left of a row when a first mean is taken off: true where the sums of it and of its squares kept their digits.
 * They have not where numbers are too large, or not finite, or where the rest of the mean is no small part of what is
 * left: its square is then taken off a number of its size. */
static bool kept_digits(float sum, float rest, float squares) {
    return squares < 0x1p120f && sum * rest <= squares / 16;
}

/* ---- forward ---- */

enum { F_X, F_GAIN, F_BIAS, F_Y, F_STATISTICS };

static void keep_statistics(double scale, double mean, double rstd, float *statistics) {
    statistics[SCALE] = (float)scale;
    statistics[HIGH] = (float)(mean * scale);
    statistics[LOW] = (float)(mean * scale - (double)statistics[HIGH]);
    statistics[RSTD] = (float)(rstd / scale);
}

static void find_statistics_in_double(const float *x_i, size_t C, float epsilon, float *statistics) {
    double mean = 0, rest = 0, variance = 0, n = (double)C;
    for (size_t c = 0; c < C; c++) mean += (double)x_i[c];
    mean /= n;
    for (size_t c = 0; c < C; c++) rest += (double)x_i[c] - mean;
    mean += rest / n;
    for (size_t c = 0; c < C; c++) variance += ((double)x_i[c] - mean) * ((double)x_i[c] - mean);
    variance /= n;
    keep_statistics(variance > 0x1p200 ? 0x1p-64 : 1, mean, 1 / sqrt(variance + (double)epsilon), statistics);
}

static void find_statistics(const float *x_i, size_t C, float epsilon, float *statistics) {
    float mean = hl__row_sum(x_i, C) / (float)C;
    hl__floats sums = hl__splat(0), squares = hl__splat(0);
    for (size_t c = 0; c < C; c += HL__LANES) {
        hl__floats off = get(x_i + c, hl__min(HL__LANES, C - c), mean) - mean;
        sums += off;
        squares = hl__fma(off, off, squares);
    }
    float sum = hl__sum_lanes(sums), rest = sum / (float)C, all = hl__sum_lanes(squares);
    float variance = (all - sum * rest) / (float)C + epsilon;
    if (!kept_digits(sum, rest, all) || variance < 0x1p-96f) {
        find_statistics_in_double(x_i, C, epsilon, statistics);
        return;
    }
    statistics[SCALE] = 1;
    statistics[HIGH] = mean + rest;
    statistics[LOW] = (mean - statistics[HIGH]) + rest;
    statistics[RSTD] = 1 / sqrtf(variance);
}

static void forward_row(const float *x_i, const float *gain, const float *bias, size_t C, float *y_i,
                        const float *statistics) {
    normal of = normal_of(statistics);
    for (size_t c = 0; c < C; c += HL__LANES) {
        size_t some = hl__min(HL__LANES, C - c);
        hl__floats shift = bias ? get(bias + c, some, 0) : hl__splat(0);
        put(y_i + c, hl__fma(normalised(get(x_i + c, some, 0), &of), get(gain + c, some, 0), shift), some);
    }
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[F_X], *bias = &call->operand[F_BIAS];
    const hl_norm_config *config = call->options;
    float epsilon = config->epsilon > 0 ? config->epsilon : 1e-5f;
    hl__cut cut = hl__cut_rows(&x->shape, 1);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    row at = {.C = x->shape.extent[x->shape.rank - 1]};
    for (bool started = false; hl__next_row(&box, x->shape.rank, at.index, &started);) {
        float *statistics = row_of(&call->operand[F_STATISTICS], &at);
        find_statistics(row_of(x, &at), at.C, epsilon, statistics);
        forward_row(row_of(x, &at), hl__f32(&call->operand[F_GAIN]), hl_view_present(bias) ? hl__f32(bias) : NULL, at.C,
                    row_of(&call->operand[F_Y], &at), statistics);
    }
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[F_X].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[F_X] = boxes[F_Y] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[F_STATISTICS] = statistics_box(boxes[F_X], shape->rank);
}

static const hl_pass forward_pass = {
    .name = "forward",
    .grid = cut_grid,
    .access = forward_access,
    .kernel = forward_kernel,
    .layout = {HL_LAYOUT_ROWS},
};

/* ---- backward: dx ---- */

enum { D_DY, D_X, D_GAIN, D_STATISTICS, D_SHARE, D_DX };

/* What dx is made from, a row each; share: NULL where there is none. */
typedef struct dx_rows {
    const float *dy, *x, *gain, *statistics, *share;
    size_t C;
} dx_rows;

static void dx_row_in_double(const dx_rows *r, float *dx_i) {
    const float *of = r->statistics;
    double mean = 0, rest = 0, mean_gn = 0, C = (double)r->C, scale = (double)of[SCALE], rstd = (double)of[RSTD];
    for (size_t c = 0; c < r->C; c++) mean += (double)r->dy[c] * (double)r->gain[c] / C;
    for (size_t c = 0; c < r->C; c++) rest += (double)r->dy[c] * (double)r->gain[c] - mean;
    if (isfinite(mean)) mean += rest / C;
    for (size_t c = 0; c < r->C; c++) {
        double n = ((double)r->x[c] * scale - (double)of[HIGH] - (double)of[LOW]) * rstd;
        mean_gn += ((double)r->dy[c] * (double)r->gain[c] - mean) * n / C;
    }
    for (size_t c = 0; c < r->C; c++) {
        double n = ((double)r->x[c] * scale - (double)of[HIGH] - (double)of[LOW]) * rstd;
        double dx = rstd * scale * ((double)r->dy[c] * (double)r->gain[c] - mean - n * mean_gn);
        dx_i[c] = r->share ? r->share[c] + (float)dx : (float)dx;
    }
}

static void dx_row(const dx_rows *r, float *dx_i) {
    size_t C = r->C;
    normal of = normal_of(r->statistics);
    hl__floats total = hl__splat(0), sums = hl__splat(0), squares = hl__splat(0), sums_gn = hl__splat(0);
    for (size_t c = 0; c < C; c += HL__LANES) {
        size_t some = hl__min(HL__LANES, C - c);
        total = hl__fma(get(r->dy + c, some, 0), get(r->gain + c, some, 0), total);
    }
    hl__floats mean = hl__splat(hl__sum_lanes(total) / (float)C);
    float middle = r->statistics[HIGH] / r->statistics[SCALE];
    for (size_t c = 0; c < C; c += HL__LANES) {
        size_t some = hl__min(HL__LANES, C - c);
        hl__floats left = hl__fma(get(r->dy + c, some, mean[0]), get(r->gain + c, some, 1), -mean);
        sums += left;
        squares = hl__fma(left, left, squares);
        sums_gn = hl__fma(left, normalised(get(r->x + c, some, middle), &of), sums_gn);
    }
    float sum = hl__sum_lanes(sums), rest = sum / (float)C, mean_gn = hl__sum_lanes(sums_gn) / (float)C;
    if (!kept_digits(sum, rest, hl__sum_lanes(squares))) {
        dx_row_in_double(r, dx_i);
        return;
    }
    float factor = r->statistics[RSTD] * r->statistics[SCALE];
    for (size_t c = 0; c < C; c += HL__LANES) {
        size_t some = hl__min(HL__LANES, C - c);
        hl__floats left = hl__fma(get(r->dy + c, some, 0), get(r->gain + c, some, 0), -mean) - rest;
        hl__floats dx = factor * (left - normalised(get(r->x + c, some, 0), &of) * mean_gn);
        put(dx_i + c, r->share ? get(r->share + c, some, 0) + dx : dx, some);
    }
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[D_X], *share = &call->operand[D_SHARE];
    hl__cut cut = hl__cut_rows(&x->shape, 1);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    row at = {.C = x->shape.extent[x->shape.rank - 1]};
    for (bool started = false; hl__next_row(&box, x->shape.rank, at.index, &started);)
        dx_row(&(dx_rows){.dy = row_of(&call->operand[D_DY], &at),
                          .x = row_of(x, &at),
                          .gain = hl__f32(&call->operand[D_GAIN]),
                          .statistics = row_of(&call->operand[D_STATISTICS], &at),
                          .share = hl_view_present(share) ? row_of(share, &at) : NULL,
                          .C = at.C},
               row_of(&call->operand[D_DX], &at));
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[D_X].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[D_DY] = boxes[D_X] = boxes[D_SHARE] = boxes[D_DX] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[D_STATISTICS] = statistics_box(boxes[D_X], shape->rank);
}

static const hl_pass dx_pass = {
    .name = "dx",
    .grid = cut_grid,
    .access = dx_access,
    .kernel = dx_kernel,
    .layout = {[D_DY] = HL_LAYOUT_ROWS, [D_X] = HL_LAYOUT_ROWS, [D_SHARE] = HL_LAYOUT_ROWS},
};

/* ---- backward: dgain and dbias, by blocks of rows ---- */

enum { P_DY, P_X, P_STATISTICS, P_SUMS };

static void partial_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = partial_cut(&call->operand[P_X].shape).n_tiles;
}

static size_t partial_scratch(const hl_call *call) {
    const hl_shape *x = &call->operand[P_X].shape;
    return 2 * x->extent[x->rank - 1] * sizeof(float);
}

/* sums += run, which becomes zeros. */
static void add_run(float *sums, float *run, size_t n) {
    for (size_t c = 0; c < n; c++) sums[c] += run[c];
    memset(run, 0, n * sizeof *run);
}

static void partial_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[P_X];
    hl__cut cut = partial_cut(&x->shape);
    hl_box box = hl__cut_box(&cut, &x->shape, tile->index[0]);
    row at = {.C = x->shape.extent[x->shape.rank - 1]};
    float *sums = hl__f32(&call->operand[P_SUMS]) + tile->index[0] * 2 * at.C, *run = tile->scratch;
    memset(sums, 0, 2 * at.C * sizeof *sums);
    memset(run, 0, 2 * at.C * sizeof *run);
    size_t n_rows = 0;
    for (bool started = false; hl__next_row(&box, x->shape.rank, at.index, &started); n_rows++) {
        const float *dy_i = row_of(&call->operand[P_DY], &at), *x_i = row_of(x, &at);
        normal of = normal_of(row_of(&call->operand[P_STATISTICS], &at));
        if (n_rows % RUN == 0) add_run(sums, run, 2 * at.C);
        for (size_t c = 0; c < at.C; c += HL__LANES) {
            size_t some = hl__min(HL__LANES, at.C - c);
            float *dgain = run + c, *dbias = run + at.C + c;
            hl__floats dy = get(dy_i + c, some, 0), n = normalised(get(x_i + c, some, 0), &of);
            put(dgain, hl__fma(dy, n, get(dgain, some, 0)), some);
            put(dbias, dy + get(dbias, some, 0), some);
        }
    }
    add_run(sums, run, 2 * at.C);
}

static void partial_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[P_X].shape;
    hl__cut cut = partial_cut(shape);
    boxes[P_DY] = boxes[P_X] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[P_STATISTICS] = statistics_box(boxes[P_X], shape->rank);
    boxes[P_SUMS].begin[0] = tile->index[0];
    boxes[P_SUMS].end[0] = tile->index[0] + 1;
}

static const hl_pass partial_pass = {
    .name = "partial",
    .grid = partial_grid,
    .access = partial_access,
    .scratch = partial_scratch,
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
        float *total = hl__f32(result) + c0, run[COLUMNS] = {0};
        memset(total, 0, n * sizeof *total);
        for (size_t block = 0; block < n_blocks; block++) {
            const float *part = hl__f32(sums) + (block * 2 + which) * C + c0;
            if (block % BLOCK_RUN == 0) add_run(total, run, n);
            for (size_t c = 0; c < n; c++) run[c] += part[c];
        }
        add_run(total, run, n);
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
    .n_outputs = 2,
    .n_saved = 1,
    .options_bytes = sizeof(hl_norm_config),
    .infer = norm_infer,
    .forward = {{.pass = &forward_pass,
                 .reads = {HL_IN(X), HL_IN(GAIN), HL_IN(BIAS)},
                 .writes = {HL_OUT(Y), HL_OUT(STATISTICS)}}},
    .backward = {{.pass = &dx_pass,
                  .reads = {HL_DOUT(Y), HL_IN(X), HL_IN(GAIN), HL_OUT(STATISTICS), HL_SHARE(X)},
                  .writes = {HL_DIN(X)}},
                 {.pass = &partial_pass, .reads = {HL_DOUT(Y), HL_IN(X), HL_OUT(STATISTICS)}, .writes = {HL_TEMP(0)}},
                 {.pass = &combine_pass, .reads = {HL_TEMP(0)}, .writes = {HL_DIN(GAIN), HL_DIN(BIAS)}}},
};

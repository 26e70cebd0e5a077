/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layer normalisation of rows of any length, with or without bias, wherever the mean and whatever the deviation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "headloom/options.h"
#include "tests/support/op_check.h"
#include "tests/support/op_engine.h"
#include "tests/support/suite.h"

enum { X, GAIN, BIAS };

/* Mean, deviation and 1 / sqrt(variance + epsilon). The mean is taken twice: of equal numbers it is exact then. */
typedef struct moments {
    double mean, deviation, rstd;
} moments;

static double mean_of(const double *x, size_t n) {
    double mean = 0, rest = 0;
    for (size_t j = 0; j < n; j++) mean += x[j] / (double)n;
    for (size_t j = 0; j < n; j++) rest += (x[j] - mean) / (double)n;
    return isfinite(mean) ? mean + rest : mean;
}

static moments moments_of(const double *x, size_t n, const hl_norm_config *config) {
    moments m = {.mean = mean_of(x, n)};
    double variance = 0, epsilon = config->epsilon > 0 ? (double)config->epsilon : (double)1e-5f;
    for (size_t j = 0; j < n; j++) variance += (x[j] - m.mean) * (x[j] - m.mean) / (double)n;
    m.deviation = sqrt(variance);
    m.rstd = 1 / sqrt(variance + epsilon);
    return m;
}

/* Deviations, over theirs, are at most 1, and what is subnormal is rounded as 2^-126 is. */
static double size_of_normal(const moments *m, double n) {
    return fabs(n) + m->deviation * m->rstd + 0x1p-126 * m->rstd;
}

static void normalise(const op_case *c, const double *const in[], double *y, bool of_sizes) {
    const hl_shape *x = &c->inputs[X].shape;
    size_t C = x->extent[x->rank - 1], rows = hl_shape_elements(x) / C;
    for (size_t i = 0; i < rows; i++) {
        const double *x_i = in[X] + i * C;
        moments m = moments_of(x_i, C, c->options);
        for (size_t j = 0; j < C; j++) {
            double n = (x_i[j] - m.mean) * m.rstd, bias = in[BIAS] ? in[BIAS][j] : 0, gain = in[GAIN][j];
            y[i * C + j] = of_sizes ? fabs(gain) * size_of_normal(&m, n) + fabs(bias) : n * gain + bias;
        }
    }
}

static void layer_norm(const op_case *c, const double *const in[], double *const out[]) {
    normalise(c, in, out[0], false);
}

static void sizes(const op_case *c, const double *const in[], double *const out[]) { normalise(c, in, out[0], true); }

/* One row of dx, from g = dy gain; g has room for C numbers, and becomes g - mean(g). */
static void slopes_of_row(const double *x_i, const moments *m, double *g, size_t C, double *dx_i, bool of_sizes) {
    double mean = mean_of(g, C), mean_gn = 0, spread = 0, spread_gn = 0;
    for (size_t j = 0; j < C; j++) {
        double n = (x_i[j] - m->mean) * m->rstd;
        g[j] -= mean;
        mean_gn += g[j] * n / (double)C;
        spread += fabs(g[j]) / (double)C;
        spread_gn += fabs(g[j]) * size_of_normal(m, n) / (double)C;
    }
    for (size_t j = 0; j < C; j++) {
        double n = (x_i[j] - m->mean) * m->rstd;
        double size = fabs(g[j]) + spread + size_of_normal(m, n) * spread_gn;
        dx_i[j] = m->rstd * (of_sizes ? size : g[j] - n * mean_gn);
    }
}

static void slopes_of(const op_case *c, const double *const in[], const double *dy, double *const d_in[],
                      bool of_sizes) {
    const hl_shape *x = &c->inputs[X].shape;
    size_t C = x->extent[x->rank - 1], rows = hl_shape_elements(x) / C;
    double *g = malloc(C * sizeof *g);
    if (!g) abort();
    for (size_t i = 0; i < rows; i++, dy += C) {
        const double *x_i = in[X] + i * C;
        moments m = moments_of(x_i, C, c->options);
        for (size_t j = 0; j < C; j++) {
            double n = (x_i[j] - m.mean) * m.rstd;
            g[j] = dy[j] * in[GAIN][j];
            d_in[GAIN][j] += of_sizes ? fabs(dy[j]) * size_of_normal(&m, n) : dy[j] * n;
            if (d_in[BIAS]) d_in[BIAS][j] += of_sizes ? fabs(dy[j]) : dy[j];
        }
        slopes_of_row(x_i, &m, g, C, d_in[X] + i * C, of_sizes);
    }
    free(g);
}

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, false);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, true);
}

/* In units of FLT_EPSILON. Sums of C numbers in four lanes or more are off by C / 8 + 2 of the sum of their sizes. The
 * first mean is off by whatever it is; the second, of what it leaves, by that much of mean|x - mean|, which is at most
 * the deviation, and so are the mean of the squares, whose half goes into rstd (C / 16 + 1, and 2 for quotient, root
 * and their operand), and both sums of dx; x - mean, its products and sums round some 5 times.
 *
 * dgain and dbias sum over the rows, half a unit each. An offset appears nowhere, but that rows of it are made of
 * floats: op_check's differences see what its neighbours on the line of floats are. */
static op_case case_of(hl_shape x, double centre, const hl_norm_config *config) {
    double C = (double)x.extent[x.rank - 1], rows = (double)hl_shape_elements(&x) / C;
    return (op_case){.op = HL__OP_layer_norm,
                     .options = config,
                     .inputs = {{.shape = x, .low = centre - 1, .high = centre + 1},
                                {.shape = HL_SHAPE((size_t)C)},
                                {.shape = HL_SHAPE((size_t)C)}},
                     .oracle = layer_norm,
                     .magnitude = sizes,
                     .value = {.relative = C / 8 + C / 16 + 10},
                     .gradient = {.relative = 2 * (C / 8 + C / 16 + 10) + fmin(rows, 150) / 2},
                     .slopes = slopes,
                     .slope_sizes = slope_sizes,
                     .samples = 40};
}

static const hl_norm_config preset = {.epsilon = 0};

START_TEST(AnyRankAndLength) {
    hl_shape shapes[] = {HL_SHAPE(19),        HL_SHAPE(5, 17),      HL_SHAPE(130, 33),           HL_SHAPE(3, 67, 16),
                         HL_SHAPE(7, 64),     HL_SHAPE(2, 3, 5, 9), HL_SHAPE(2, 1, 2, 3, 2, 31), HL_SHAPE(3, 770),
                         HL_SHAPE(1, 1, 130), HL_SHAPE(700, 11)};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i / 2], 0, &preset);
        c.inputs[BIAS].absent = i % 2;
        op_check(&c);
    }
}
END_TEST

/* Sums over rows are cut into blocks of rows, and their results into blocks of 64 columns. */
START_TEST(EightTilesAtLeast) {
    op_case c = case_of(HL_SHAPE(3, 41, 520), 0, &preset);
    c.min_tiles = 8;
    c.samples = 8;
    op_check(&c);
}
END_TEST

/* A row of one number is its own mean: the bias, and no gradient at all. */
START_TEST(RowsOfOneNumberAreTheBias) {
    op_case c = case_of(HL_SHAPE(4, 9, 1), 5, &preset);
    c.value = c.gradient = (op_bound){0, 0};
    c.gradient.relative = 36 / 2; /* dbias sums 36 numbers */
    op_check(&c);
}
END_TEST

/* Rows of equal numbers: a variance of 0 under a root, whatever the number and the width. */
START_TEST(RowsOfEqualNumbersAreTheBias) {
    const size_t widths[] = {1, 16, 33, 770, 5000};
    const float numbers[] = {0.25f, 0.1f, 14, 1234.1f, 12345.67f, 1.1e7f, -1e8f, 1e30f, -0x1.fffffep127f, 0x1p-140f};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        enum { ROWS = sizeof numbers / sizeof *numbers };
        float *x = malloc(ROWS * widths[w] * sizeof *x);
        for (size_t i = 0; i < ROWS * widths[w]; i++) x[i] = numbers[i / widths[w]];
        op_case c = case_of(HL_SHAPE(ROWS, widths[w]), 0, &preset);
        c.inputs[X].values = x;
        c.value = (op_bound){0, 0};
        c.forward_only = true;
        op_check(&c);
        free(x);
    }
}
END_TEST

/* Numbers of a grid that float keeps at every offset: the result is that of the numbers without it, though their mean
 * is a float at none of them. */
START_TEST(OffsetsChangeNothing) {
    enum { ROWS = 5, C = 45 };
    const float offsets[] = {0, 300, -0x1p17f, 0x1p22f};
    for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++) {
        float x[ROWS * C];
        for (size_t i = 0; i < ROWS * C; i++) x[i] = offsets[o] + (float)(i * i % 23) / 2;
        op_case c = case_of(HL_SHAPE(ROWS, C), 0, &preset);
        c.inputs[X].values = x;
        op_check(&c);
    }
}
END_TEST

START_TEST(EpsilonIsAddedToTheVariance) {
    hl_norm_config configs[] = {{.epsilon = 0.25f}, {.epsilon = 1e-12f}, {.epsilon = 100}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(8, 21), 0, &configs[i]);
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(HL_SHAPE(3, 4, 21), 0, &preset);
        c.inputs[X].layout = c.inputs[GAIN].layout = c.inputs[BIAS].layout = c.d_output_layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    struct {
        size_t input;
        hl_shape shape;
    } wrong[] = {{X, HL_SCALAR},          {X, HL_SHAPE(3, 20)}, {GAIN, HL_SHAPE(1)}, {GAIN, HL_SHAPE(1, 21)},
                 {GAIN, HL_SHAPE(3, 21)}, {BIAS, HL_SCALAR},    {BIAS, HL_SHAPE(3)}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = case_of(HL_SHAPE(3, 21), 0, &preset);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = X; input <= BIAS; input++) {
        op_case c = case_of(HL_SHAPE(3, 21), 0, &preset);
        c.inputs[input].dtype = HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
    hl_norm_config configs[] = {{.epsilon = -1e-5f}, {.epsilon = NAN}, {.epsilon = INFINITY}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(3, 21), 0, &configs[i]);
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
}
END_TEST

/* Gains are powers of two: dy gain is no float otherwise, and where dy has an offset its rounding is of that size. */
START_TEST(ExtremesAreAsInDouble) {
    float gain[40];
    for (size_t i = 0; i < 40; i++) gain[i] = ldexpf(i % 3 ? 1 : -1, (int)(i % 5) - 2);
    for (size_t i = 0; i < 4; i++) {
        const hl_norm_config configs[] = {{.epsilon = 0}, {.epsilon = 1e-30f}};
        op_case c = case_of(HL_SHAPE(3, i < 2 ? 21 : 37), 0, &configs[i % 2]);
        c.inputs[GAIN].values = gain;
        op_extremes(&c);
    }
}
END_TEST

/* Rows of 1 and -1, all with a gradient of 0.1 in y: dgain and dbias sum n equal numbers. Bound: 1e-6, 17 units of
 * 2^-24, for each doubling of n. */
static void check_many_rows(const hl_operator *op, size_t n) {
    char words[512] = "";
    hl_shape shapes[] = {HL_SHAPE(n, 2), HL_SHAPE(2), HL_SHAPE(2)};
    op_engine e = {.op = op, .options = &preset, .n_inputs = 3, .n_outputs = 2, .words = words, .words_size = 512};
    hl_view views[3];
    for (size_t i = 0; i < 3; i++) views[i] = (hl_view){.dtype = HL_F32, .shape = shapes[i]};
    hl_inference rule = {.options = &preset, .n_inputs = 3, .input = views, .n_outputs = 2};
    ck_assert_int_eq(op->infer(&rule), HL_OK);
    memcpy(e.temp_shape, rule.temp, sizeof e.temp_shape);
    float *x = malloc(2 * n * sizeof *x), *dy = malloc(2 * n * sizeof *dy), got[2];
    ck_assert(x && dy);
    for (size_t i = 0; i < 2 * n; i++) {
        x[i] = i % 2 ? -1 : 1;
        dy[i] = 0.1f;
    }
    for (size_t i = 0; i < 3; i++) {
        e.input[i] = op_take(&e, HL_F32, &shapes[i], HL_LAYOUT_DENSE);
        op_fill(&e.input[i], x);
    }
    for (size_t i = 0; i < 2; i++) e.output[i] = op_take(&e, HL_F32, &rule.output[i], HL_LAYOUT_DENSE);
    ck_assert_msg(op_run_forward(&e), "%s", words);
    e.d_output[0] = op_take(&e, HL_F32, &shapes[X], HL_LAYOUT_DENSE);
    op_fill(&e.d_output[0], dy);
    for (size_t i = GAIN; i <= BIAS; i++) e.d_input[i] = op_take(&e, HL_F32, &shapes[i], HL_LAYOUT_DENSE);
    ck_assert_msg(op_run_backward(&e), "%s", words);
    double rows = (double)n, bound = 1e-6 * log2(rows) * rows * (double)0.1f;
    op_dense(&e.d_input[BIAS], got);
    for (size_t c = 0; c < 2; c++) ck_assert_double_le(fabs((double)got[c] - rows * (double)0.1f), bound);
    op_dense(&e.d_input[GAIN], got);
    double normal = 1 / sqrt(1 + (double)1e-5f);
    for (size_t c = 0; c < 2; c++)
        ck_assert_double_le(fabs((double)got[c] - (c ? -1 : 1) * normal * rows * (double)0.1f), bound);
    op_free(&e);
    free(x);
    free(dy);
}

START_TEST(GradientsOfAMillionRowsKeepTheirDigits) {
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        const hl_operator *op = hl__operator_for(HL__OP_layer_norm, (hl__isa)isa);
        if (op) check_many_rows(op, (size_t)1 << 20);
        if (op) check_many_rows(op, 127); /* a block for each row */
    }
}
END_TEST

int main(void) {
    return run_tests("layer_norm", TESTS(GradientsOfAMillionRowsKeepTheirDigits, ExtremesAreAsInDouble,
                                         AnyRankAndLength, EightTilesAtLeast, RowsOfOneNumberAreTheBias,
                                         RowsOfEqualNumbersAreTheBias, OffsetsChangeNothing,
                                         EpsilonIsAddedToTheVariance, StridedOperandsAreRead, WhatDoesNotFitIsRefused));
}

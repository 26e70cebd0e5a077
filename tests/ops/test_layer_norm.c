/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layer normalisation of rows of any length, with or without bias, also where the mean is far larger than what is left
 * when it is taken off. */
#include <math.h>

#include "headloom/options.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

enum { X, GAIN, BIAS };

static void normalise(const op_case *c, const double *const in[], double *y, bool of_sizes) {
    const hl_norm_config *config = c->options;
    const hl_shape *x = &c->inputs[X].shape;
    size_t C = x->extent[x->rank - 1], rows = hl_shape_elements(x) / C;
    for (size_t i = 0; i < rows; i++) {
        const double *x_i = in[X] + i * C;
        double mean = 0, variance = 0, most = 0;
        for (size_t j = 0; j < C; j++) mean += x_i[j] / (double)C;
        for (size_t j = 0; j < C; j++) variance += (x_i[j] - mean) * (x_i[j] - mean) / (double)C;
        for (size_t j = 0; j < C; j++) most = fmax(most, fabs(x_i[j]));
        double rstd = 1 / sqrt(variance + (config->epsilon > 0 ? (double)config->epsilon : (double)1e-5f));
        for (size_t j = 0; j < C; j++) {
            double n = (x_i[j] - mean) * rstd, bias = in[BIAS] ? in[BIAS][j] : 0;
            y[i * C + j] = of_sizes ? fabs(in[GAIN][j]) * (most * rstd + fabs(n)) + fabs(bias) : n * in[GAIN][j] + bias;
        }
    }
}

static void layer_norm(const op_case *c, const double *const in[], double *const out[]) {
    normalise(c, in, out[0], false);
}

static void sizes(const op_case *c, const double *const in[], double *const out[]) { normalise(c, in, out[0], true); }

/* In units of FLT_EPSILON. The sum of C numbers in sixteen strands or more is off by (C / 16 + 6) / 2 of C max|x|, so n
 * by that of max|x| rstd; rstd by a quarter of C / 4 + 4 (the sum of squares in four lanes, under a root) and 2 for
 * quotient, root and their operand; the rest rounds three times: below C / 8 + 8 of the sizes in all.
 *
 * dx = rstd (g - mean g - n mean(g n)), with |g| <= 1 and at most `steep` = max rstd, `far` = max|x|: sums of C terms
 * in four lanes are off by C / 8 + 4 and n by (C / 16 + 6) / 2 far steep (+ C / 8 + 8 of itself, |n| <= sqrt(C) but in
 * the mean 1), which counts for |mean(g n)| <= 1 and once more within it. dgain sums dy n over the rows, and has the
 * error of n in each of them. */
static op_case case_of(hl_shape x, double centre, double steep, const hl_norm_config *config) {
    double C = (double)x.extent[x.rank - 1], rows = (double)hl_shape_elements(&x) / C, far = fabs(centre) + 1;
    double error_n = (C / 16 + 6) / 2 * far * steep;
    return (op_case){.op = HL__OP_layer_norm,
                     .options = config,
                     .inputs = {{.shape = x, .low = centre - 1, .high = centre + 1},
                                {.shape = HL_SHAPE((size_t)C)},
                                {.shape = HL_SHAPE((size_t)C)}},
                     .oracle = layer_norm,
                     .magnitude = sizes,
                     .value = {.relative = C / 8 + 8},
                     .gradient = {.absolute = fmax(steep * (2 * error_n + 2 * (C / 8 + 8)), rows * error_n),
                                  .relative = C / 8 + rows / 2 + 8},
                     .samples = 40};
}

static const hl_norm_config preset = {.epsilon = 0};

/* Rows of so many numbers spread over -1 .. 1 have a deviation of 0.58, and seldom less than a fifth of that. */
#define STEEP 9

START_TEST(AnyRankAndLength) {
    hl_shape shapes[] = {HL_SHAPE(19),        HL_SHAPE(5, 17),      HL_SHAPE(130, 33),           HL_SHAPE(3, 67, 16),
                         HL_SHAPE(7, 64),     HL_SHAPE(2, 3, 5, 9), HL_SHAPE(2, 1, 2, 3, 2, 31), HL_SHAPE(3, 770),
                         HL_SHAPE(1, 1, 130), HL_SHAPE(700, 11)};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i / 2], 0, STEEP, &preset);
        c.inputs[BIAS].absent = i % 2;
        op_check(&c);
    }
}
END_TEST

/* Sums over rows are cut into blocks of rows, and their results into blocks of 64 columns. */
START_TEST(EightTilesAtLeast) {
    op_case c = case_of(HL_SHAPE(3, 41, 520), 0, STEEP, &preset);
    c.min_tiles = 8;
    c.samples = 8;
    op_check(&c);
}
END_TEST

/* A row of one number is its own mean: the bias, and no gradient at all. */
START_TEST(RowsOfOneNumberAreTheBias) {
    op_case c = case_of(HL_SHAPE(4, 9, 1), 5, 0, &preset);
    c.value = c.gradient = (op_bound){0, 0};
    c.gradient.relative = 36 / 2; /* dbias sums 36 numbers */
    op_check(&c);
}
END_TEST

/* Rows of equal numbers: a variance of 0 under a root. Their mean is exact, for the numbers are powers of two. */
START_TEST(RowsOfEqualNumbersAreTheBias) {
    float x[5 * 16];
    for (size_t i = 0; i < 5 * 16; i++) x[i] = ldexpf(1, (int)(i / 16) - 2);
    op_case c = case_of(HL_SHAPE(5, 16), 3, 316, &preset);
    c.inputs[X].values = x;
    c.value = (op_bound){0, 0};
    op_check(&c);
}
END_TEST

START_TEST(LargeOffsetsAreTakenOffFirst) {
    for (int i = 0; i < 4; i++) {
        op_case c = case_of(i % 2 ? HL_SHAPE(6, 40) : HL_SHAPE(3, 260), i < 2 ? 300 : -1000, 3, &preset);
        op_check(&c);
    }
}
END_TEST

START_TEST(EpsilonIsAddedToTheVariance) {
    hl_norm_config configs[] = {{.epsilon = 0.25f}, {.epsilon = 1e-12f}, {.epsilon = 100}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(8, 21), 0, STEEP, &configs[i]);
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(HL_SHAPE(3, 4, 21), 0, STEEP, &preset);
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
        op_case c = case_of(HL_SHAPE(3, 21), 0, 1, &preset);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = X; input <= BIAS; input++) {
        op_case c = case_of(HL_SHAPE(3, 21), 0, 1, &preset);
        c.inputs[input].dtype = HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
    hl_norm_config configs[] = {{.epsilon = -1e-5f}, {.epsilon = NAN}, {.epsilon = INFINITY}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(3, 21), 0, 1, &configs[i]);
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
}
END_TEST

int main(void) {
    return run_tests("layer_norm", TESTS(AnyRankAndLength, EightTilesAtLeast, RowsOfOneNumberAreTheBias,
                                         RowsOfEqualNumbersAreTheBias, LargeOffsetsAreTakenOffFirst,
                                         EpsilonIsAddedToTheVariance, StridedOperandsAreRead, WhatDoesNotFitIsRefused));
}

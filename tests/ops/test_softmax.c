/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Softmax: rows sum to one, masked ones are zero, at any rank and length. */
#include <math.h>
#include <stdlib.h>

#include "tests/support/attention_oracle.h"
#include "tests/support/suite.h"

static void softmax(const op_case *c, const double *const in[], double *const out[]) {
    const hl_shape *shape = &c->inputs[0].shape;
    size_t n = shape->extent[shape->rank - 1];
    oracle_softmax(in[0], oracle_size(c, 0) / n, n, out[0], NULL);
}

/* ds = p (dp - dot), dot over the sum of p; nothing where p is 0. of_sizes: p (|dp - dot| + mean of the same), which
 * its error grows with: the error of each p counts for what its dp differs from the mean, not for dp; where p is
 * subnormal it is rounded as 2^-126 is, and where it is no float at all it is 0. */
static void slopes_of(const op_case *c, const double *const in[], const double *const d_out[], double *ds,
                      bool of_sizes) {
    const hl_shape *shape = &c->inputs[0].shape;
    size_t n = shape->extent[shape->rank - 1], rows = oracle_size(c, 0) / n;
    double *p = malloc(rows * n * sizeof *p);
    if (!p) abort();
    oracle_softmax(in[0], rows, n, p, NULL);
    for (size_t e = 0; e < rows * n; e++) p[e] = p[e] < 0x1p-150 ? 0 : p[e];
    for (size_t i = 0; i < rows; i++) {
        const double *p_i = p + i * n, *dp_i = d_out[0] + i * n;
        double dot = 0, again = 0, spread = 0;
        for (size_t j = 0; j < n; j++) dot += p_i[j] == 0 ? 0 : p_i[j] * dp_i[j];
        for (size_t j = 0; j < n; j++) again += p_i[j] == 0 ? 0 : p_i[j] * (dp_i[j] - dot);
        if (isfinite(again)) dot += again; /* the sum of p is not quite 1 in double either */
        for (size_t j = 0; j < n; j++) spread += p_i[j] == 0 ? 0 : p_i[j] * fabs(dp_i[j] - dot);
        for (size_t j = 0; j < n; j++) {
            double d = dp_i[j] - dot;
            ds[i * n + j] = of_sizes ? fmax(p_i[j], 0x1p-126) * (fabs(d) + spread) : p_i[j] == 0 ? 0 : p_i[j] * d;
        }
    }
    free(p);
}

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out, d_in[0], false);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out, d_in[0], true);
}

/* Subtracting the maximum rounds s by half a unit of |s - max| <= 2 max|s|, and beyond 104 p is 0: an absolute error of
 * the exponent and so a relative one of exp; exp itself is good to 2 units, the sum of n positive numbers in lanes to
 * n / 16 + 5, the quotient to 2. The gradient p (dp - dot) has that of p, and in dot that of each p again. */
static op_case case_of(hl_shape shape, double range) {
    double units = fmin(2 * range, 104) / 2 + (double)shape.extent[shape.rank - 1] / 16 + 9;
    return (op_case){.op = HL__OP_softmax,
                     .inputs = {{.shape = shape, .low = -range, .high = range}},
                     .oracle = softmax,
                     .value = {.absolute = 1e-37, .relative = units}, /* absolute: what lies below the smallest float */
                     .gradient = {.absolute = 1e-37, .relative = 2 * units},
                     .slopes = slopes,
                     .slope_sizes = slope_sizes,
                     .samples = 60};
}

START_TEST(AnyRankAndLength) {
    hl_shape shapes[] = {HL_SHAPE(1),
                         HL_SHAPE(3),
                         HL_SHAPE(5, 17),
                         HL_SHAPE(130, 67),
                         HL_SHAPE(2, 3, 1, 16),
                         HL_SHAPE(2, 3, 67, 130),
                         HL_SHAPE(1, 2, 1, 1, 2, 33)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i], 3);
        c.min_tiles = i == 5 ? 8 : 0;
        op_check(&c);
    }
}
END_TEST

START_TEST(LargeNumbersDoNotOverflow) {
    op_case c = case_of(HL_SHAPE(7, 40), 200);
    op_check(&c);
}
END_TEST

START_TEST(StridedRowsAreRead) {
    op_case c = case_of(HL_SHAPE(4, 3, 20), 3);
    c.inputs[0].layout = c.d_output_layout = HL_LAYOUT_ROWS;
    op_check(&c);
}
END_TEST

START_TEST(EntriesFarBelowTheOthersHaveNoWeightAndNoGradient) {
    float values[6 * 19];
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 19; j++) values[i * 19 + j] = j > 3 * i ? -1e30f : (float)(i * j) / 19;
    op_case c = case_of(HL_SHAPE(6, 19), 5);
    c.inputs[0].values = values;
    op_check(&c);
}
END_TEST

START_TEST(WhatIsNoRowOfNumbersIsRefused) {
    op_case scalar = {.op = HL__OP_softmax, .inputs = {{.shape = HL_SCALAR}}};
    op_check_refused(&scalar, HL_SHAPE_MISMATCH);
    op_case integer = {.op = HL__OP_softmax, .inputs = {{.shape = HL_SHAPE(3), .dtype = HL_I32}}};
    op_check_refused(&integer, HL_TYPE_MISMATCH);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    for (size_t n = 1; n <= 35; n += n < 4 ? 1 : 31 - n % 4) {
        op_case c = case_of(HL_SHAPE(3, n), 1000);
        op_extremes(&c);
    }
}
END_TEST

int main(void) {
    return run_tests("softmax",
                     TESTS(ExtremesAreAsInDouble, AnyRankAndLength, LargeNumbersDoNotOverflow, StridedRowsAreRead,
                           EntriesFarBelowTheOthersHaveNoWeightAndNoGradient, WhatIsNoRowOfNumbersIsRefused));
}

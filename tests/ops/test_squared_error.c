/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The mean of squared differences, and its gradient for either operand, at any shape. */
#include "tests/support/long_sums.h"
#include "tests/support/suite.h"

enum { P, T };

static void squared_error(const op_case *c, const double *const in[], double *const out[]) {
    size_t n = hl_shape_elements(&c->inputs[P].shape);
    for (size_t i = 0; i < n; i++) out[0][0] += (in[P][i] - in[T][i]) * (in[P][i] - in[T][i]) / (double)n;
}

/* In units of FLT_EPSILON: the difference is rounded, which the square doubles, and so are the sum of each block and
 * their sum, both made in double precision. A gradient is a rounded difference times a factor of three roundings. */
static op_case case_of(hl_shape shape) {
    return (op_case){.op = HL__OP_squared_error,
                     .inputs = {{.shape = shape}, {.shape = shape}},
                     .oracle = squared_error,
                     .value = {.relative = 2.01},
                     .gradient = {.relative = 3},
                     .samples = 30};
}

START_TEST(AnyShape) {
    hl_shape shapes[] = {HL_SCALAR,          HL_SHAPE(1),       HL_SHAPE(7),
                         HL_SHAPE(5, 19),    HL_SHAPE(130, 67), HL_SHAPE(9000),
                         HL_SHAPE(2, 3, 33), HL_SHAPE(40, 1),   HL_SHAPE(2, 1, 2, 3, 5, 7)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i]);
        op_check(&c);
    }
}
END_TEST

START_TEST(EightTilesAtLeast) {
    op_case c = case_of(HL_SHAPE(3, 41, 520));
    c.min_tiles = 8;
    c.few_tiles[0] = "total";
    c.samples = 6;
    op_check(&c);
}
END_TEST

/* Bounds of 0: where prediction and target are the same, no more than nothing. */
START_TEST(EqualOperandsHaveNoErrorAndNoGradient) {
    float x[3 * 19];
    for (size_t i = 0; i < 3 * 19; i++) x[i] = sinf((float)i);
    op_case c = case_of(HL_SHAPE(3, 19));
    c.inputs[P].values = c.inputs[T].values = x;
    c.value = (op_bound){0, 0};
    op_check(&c);
}
END_TEST

/* However many numbers there are, and however large, where the mean is no larger than they are. */
START_TEST(LongSumsKeepTheirDigits) {
    for (size_t i = 0; i < LONG_SUM_TERMS; i++) {
        op_case c = case_of(HL_SHAPE(LONG_SUM));
        c.inputs[P].low = long_sum_terms[i].low;
        c.inputs[P].high = long_sum_terms[i].high;
        c.inputs[T].low = c.inputs[T].high = 1;
        c.unwatched = true;
        c.samples = 2;
        op_check(&c);
    }
    op_case large = case_of(HL_SHAPE(9000));
    large.inputs[P].low = large.inputs[P].high = 0x1.8p63;
    large.forward_only = true;
    op_check(&large);
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(HL_SHAPE(3, 4, 19));
        c.inputs[P].layout = layouts[i];
        c.inputs[T].layout = layouts[1 - i];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    hl_shape shapes[] = {HL_SCALAR, HL_SHAPE(4), HL_SHAPE(1, 4), HL_SHAPE(4, 3), HL_SHAPE(3, 4, 1)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(HL_SHAPE(3, 4));
        c.inputs[T].shape = shapes[i];
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = P; input <= T; input++) {
        op_case c = case_of(HL_SHAPE(3, 4));
        c.inputs[input].dtype = HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
}
END_TEST

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    size_t n = hl_shape_elements(&c->inputs[P].shape);
    for (size_t i = 0; i < n; i++) {
        d_in[P][i] = 2 * (in[P][i] - in[T][i]) * d_out[0][0] / (double)n;
        d_in[T][i] = -d_in[P][i];
    }
}

START_TEST(ExtremesAreAsInDouble) {
    const hl_shape shapes[] = {HL_SHAPE(3, 21), HL_SHAPE(3, 1)};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(shapes[i]);
        c.slopes = slopes;
        op_extremes(&c);
    }
}
END_TEST

int main(void) {
    return run_tests("squared_error",
                     TESTS(ExtremesAreAsInDouble, AnyShape, EightTilesAtLeast, EqualOperandsHaveNoErrorAndNoGradient,
                           LongSumsKeepTheirDigits, StridedOperandsAreRead, WhatDoesNotFitIsRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ReLU: what is above zero passes, both ways; nothing else does, zero itself included. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double larger(double x) { return x > 0 || isnan(x) ? x : 0; }

static void relu(const op_case *c, const double *const in[], double *const out[]) { oracle_unary(c, in, out, larger); }

/* Nothing is rounded: the bounds are 0. */
static const op_case any = {.op = HL__OP_relu, .oracle = relu};

START_TEST(EveryShapeAndLayout) { check_unary(&any); }
END_TEST

/* The same function at 0 and at all numbers above 1/2, but level around 0: its differences there are those of a slope
 * of 0, which ReLU has at 0 by definition. */
static double level_around_zero(double x) { return x > 0.5 ? x : 0; }

static void level(const op_case *c, const double *const in[], double *const out[]) {
    oracle_unary(c, in, out, level_around_zero);
}

START_TEST(ZeroHasNoSlope) {
    float values[5 * 7];
    for (size_t i = 0; i < 35; i++) values[i] = (const float[]){0.0f, 1.0f, -0.0f, -1.0f}[i % 4];
    op_check(&(op_case){.op = HL__OP_relu, .inputs = {{.shape = HL_SHAPE(5, 7), .values = values}}, .oracle = level});
}
END_TEST

START_TEST(SmallestLargestAndNoNumberPass) {
    const float values[] = {0x1p-149f,        -0x1p-149f, 0x1p-126f, 0,  0x1.fffffep127f,
                            -0x1.fffffep127f, INFINITY,   -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_relu, NULL); }
END_TEST

static double slope(double d, double x) { return isnan(x) ? x : x > 0 ? d : 0; }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = any;
    c.inputs[0].shape = HL_SHAPE(3, 21);
    c.slopes = slopes;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("relu", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, ZeroHasNoSlope,
                                   SmallestLargestAndNoNumberPass, IntegersAreRefused));
}

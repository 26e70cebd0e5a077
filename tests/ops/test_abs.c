/* SPDX-License-Identifier: BSD-3-Clause
 *
 * abs: numbers without their signs; the gradient has the sign, and is 0 at 0. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static void absolute(const op_case *c, const double *const in[], double *const out[]) {
    oracle_unary(c, in, out, fabs);
}

/* Nothing is rounded: the bounds are 0. */
static const op_case any = {.op = HL__OP_abs, .oracle = absolute};

START_TEST(EveryShapeAndLayout) { check_unary(&any); }
END_TEST

/* Differences to both sides of zero cancel. */
START_TEST(ZeroHasNoSlope) {
    float values[5 * 7];
    for (size_t i = 0; i < 35; i++) values[i] = (const float[]){0.0f, 1.0f, -0.0f, -1.0f}[i % 4];
    op_check(&(op_case){.op = HL__OP_abs, .inputs = {{.shape = HL_SHAPE(5, 7), .values = values}}, .oracle = absolute});
}
END_TEST

START_TEST(SmallestLargestAndNoNumber) {
    const float values[] = {0x1p-149f,        -0x1p-149f, 0,         -0.0f, 0x1.fffffep127f,
                            -0x1.fffffep127f, INFINITY,   -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_abs, NULL); }
END_TEST

static double slope(double d, double x) { return x > 0 ? d : x < 0 ? -d : x; }

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
    return run_tests("abs", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, ZeroHasNoSlope,
                                  SmallestLargestAndNoNumber, IntegersAreRefused));
}

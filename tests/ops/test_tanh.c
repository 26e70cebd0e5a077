/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tanh: within two units at any shape, flat and exact at both ends. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static void tangent(const op_case *c, const double *const in[], double *const out[]) { oracle_unary(c, in, out, tanh); }

/* tanh is good to 2 units (tests/ops/test_vector.c). The gradient dy (1 - y^2) cancels: with |y| <= 1 and |dy| <= 1,
 * y^2 has twice the error of y and half a unit of its own, the difference and the product half a unit each. */
static op_case case_of(double range) {
    op_case c = {.op = HL__OP_tanh, .oracle = tangent, .value = {.relative = 2}, .gradient = {.absolute = 5.5}};
    c.inputs[0] = (op_input){.low = -range, .high = range};
    return c;
}

START_TEST(EveryShapeAndLayout) {
    op_case c = case_of(3);
    check_unary(&c);
}
END_TEST

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-4, 0.7, 30};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        op_case c = case_of(ranges[i]);
        c.inputs[0].shape = HL_SHAPE(11, 23);
        op_check(&c);
    }
}
END_TEST

START_TEST(EndsAreExact) {
    const float values[] = {0, 0x1p-149f, -0x1p-130f, 0.625f, -0.6249999f, 9.1f, -20, 3e38f, INFINITY, -INFINITY, NAN};
    op_case c = case_of(1);
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_tanh, NULL); }
END_TEST

static double slope(double d, double x) { return d * (1 - tanh(x) * tanh(x)); }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope);
}

/* 1 - y^2 cancels: its error is one of 1. */
static double size(double d, double x) { return isnan(x) ? x : d; }

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, size);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(3);
    c.inputs[0].shape = HL_SHAPE(3, 21);
    c.slopes = slopes;
    c.slope_sizes = slope_sizes;
    c.gradient = (op_bound){.relative = 5.5};
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("tanh", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, SmallAndLargeNumbersHaveGradients,
                                   EndsAreExact, IntegersAreRefused));
}

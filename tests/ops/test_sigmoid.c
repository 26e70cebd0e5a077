/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sigmoid: good to a few units of its own size at any shape and down to subnormal numbers, 0 and 1 at the ends. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double sigmoid_of(double x) { return 1 / (1 + exp(-x)); }

static void sigmoid(const op_case *c, const double *const in[], double *const out[]) {
    oracle_unary(c, in, out, sigmoid_of);
}

/* e = e^-|x| is good to 1.5 units, 1 + e to half of these and half a one, the quotient to half a one more: 3.25 units,
 * and a unit of subnormals. The gradient d y (1 - y) cancels: with y (1 - y) <= 1/4 and |d| <= 1, y is off by 3.25
 * units of 1, and the three roundings by less than one. */
static const op_case any = {.op = HL__OP_sigmoid,
                            .oracle = sigmoid,
                            .value = {.absolute = 1.5 * 0x1p-126, .relative = 3.25},
                            .gradient = {.absolute = 4.25},
                            .inputs = {{.low = -4, .high = 4}}};

START_TEST(EveryShapeAndLayout) { check_unary(&any); }
END_TEST

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 1, 20};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        op_case c = any;
        c.inputs[0] = (op_input){.shape = HL_SHAPE(11, 23), .low = -ranges[i], .high = ranges[i]};
        op_check(&c);
    }
}
END_TEST

START_TEST(EndsAreReachedWithoutOverflow) {
    const float values[] = {
        0.0f,   -0.0f,     17,    -17,    88.7f,           -88.7f,           89,       -89,       -95, -103, -104,
        -105.f, 0x1p-149f, 1e10f, -1e10f, 0x1.fffffep127f, -0x1.fffffep127f, INFINITY, -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_sigmoid, NULL); }
END_TEST

static double slope(double d, double x) { return d * (sigmoid_of(x) * (1 - sigmoid_of(x))); }

/* A slope is off by so much of 1. */
static double size(double d, double x) { return isnan(x) ? x : d; }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, size);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = any;
    c.inputs[0].shape = HL_SHAPE(3, 21);
    c.slopes = slopes;
    c.slope_sizes = slope_sizes;
    c.gradient = (op_bound){.relative = any.gradient.absolute};
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("sigmoid", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, SmallAndLargeNumbersHaveGradients,
                                      EndsAreReachedWithoutOverflow, IntegersAreRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * maximum: the larger of two elements, NaN of NaN, zeros by their signs; equal elements share the gradient. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double larger(double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    return a == b ? signbit(a) ? b : a : a > b ? a : b;
}

static void maximum(const op_case *c, const double *const in[], double *const out[]) {
    oracle_binary(c, in, out, larger);
}

/* Nothing is rounded: the bounds are 0. */
static const op_case any = {.op = HL__OP_maximum, .oracle = maximum};

START_TEST(EveryBroadcastAndLayout) { check_binary(&any); }
END_TEST

/* Where both are equal, differences to both sides of either are 0 and 1 times the step. */
START_TEST(EqualElementsShareTheGradient) {
    float a[5 * 7], b[5 * 7];
    for (size_t i = 0; i < 35; i++) {
        a[i] = (float)(i % 3);
        b[i] = (float)(i % 4);
    }
    op_case c = any;
    c.inputs[0] = (op_input){.shape = HL_SHAPE(5, 7), .values = a};
    c.inputs[1] = (op_input){.shape = HL_SHAPE(5, 7), .values = b};
    op_check(&c);
}
END_TEST

START_TEST(EveryPairOfExtremes) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 0x1p-149f, -0x1p-149f, 0x1.fffffep127f, -3, 7};
    check_binary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(ZerosAreOrderedByTheirSigns) {
    const float a[] = {0.0f, 0.0f, -0.0f, -0.0f}, b[] = {0.0f, -0.0f, 0.0f, -0.0f}, y[] = {0.0f, 0.0f, 0.0f, -0.0f};
    check_binary_bits(HL__OP_maximum, a, b, y, 4);
}
END_TEST

START_TEST(IntegersAndMisfitsAreRefused) { check_binary_refused(HL__OP_maximum); }
END_TEST

/* Nothing of the gradient goes to the operand that is not chosen. */
static double slope_a(double d, double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    return a == b ? d / 2 : a > b ? d : 0;
}
static double slope_b(double d, double a, double b) { return slope_a(d, b, a); }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_binary_slopes(c, in, d_out, d_in, slope_a, slope_b);
}

static double size_a(double d, double a, double b) { return fabs(slope_a(d, a, b)); }
static double size_b(double d, double a, double b) { return fabs(slope_b(d, a, b)); }

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_binary_slopes(c, in, d_out, d_in, size_a, size_b);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = any;
    c.slopes = slopes;
    c.slope_sizes = slope_sizes;
    check_binary_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("maximum", TESTS(ExtremesAreAsInDouble, EveryBroadcastAndLayout, EqualElementsShareTheGradient,
                                      EveryPairOfExtremes, ZerosAreOrderedByTheirSigns, IntegersAndMisfitsAreRefused));
}

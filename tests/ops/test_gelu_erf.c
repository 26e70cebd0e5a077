/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Exact GELU: good to a few units of its own size at any shape and far below zero, where its distribution is a tail. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

/* x P(x); at -infinity the limit, 0. */
static double gelu_of(double x) { return x < -100 ? 0 : x * erfc(-x * sqrt(0.5)) / 2; }

static void gelu(const op_case *c, const double *const in[], double *const out[]) { oracle_unary(c, in, out, gelu_of); }

/* y = max(x, 0) - |x| tail, and the tail is good to 6 units (tests/ops/test_vector.c): 7 of the product, which is no
 * larger than |y|, and half a one for the difference. Its last two roundings may be those of subnormal numbers.
 *
 * Slopes, at most 1.13, are g or 1 - g with g = bell (ratio - a / sqrt(2 pi)): where bell is 1, both terms are at most
 * a half, the ratio good to 4 units, the fused product to one, bell to 1.5; then the difference and the product with
 * |dy| <= 1 half a unit each: 5 units. */
static const op_case any = {.op = HL__OP_gelu_erf,
                            .oracle = gelu,
                            .value = {.absolute = 0x1p-126, .relative = 7.5},
                            .gradient = {.absolute = 5},
                            .inputs = {{.low = -4, .high = 4}}};

START_TEST(EveryShapeAndLayout) { check_unary(&any); }
END_TEST

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 0.5, 2, 20};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        op_case c = any;
        c.inputs[0] = (op_input){.shape = HL_SHAPE(11, 23), .low = -ranges[i], .high = ranges[i]};
        op_check(&c);
    }
}
END_TEST

START_TEST(TheTailKeepsItsDigitsDownToSubnormalNumbers) {
    float values[300];
    for (size_t i = 0; i < 300; i++) values[i] = -0.05f * (float)i;
    check_unary_values(&any, values, 300);
}
END_TEST

START_TEST(FarFromZeroItIsTheIdentityOrNothing) {
    const float values[] = {7,
                            -16,
                            40,
                            -40,
                            1e3f,
                            -1e3f,
                            1e10f,
                            -1e10f,
                            0x1.fffffep127f,
                            -0x1.fffffep127f,
                            0.0f,
                            -0.0f,
                            1e-30f,
                            -1e-30f,
                            0x1p-149f,
                            -0x1p-149f,
                            INFINITY,
                            -INFINITY,
                            NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_gelu_erf, NULL); }
END_TEST

static double slope(double d, double x) {
    if (fabs(x) > 100) return x > 0 ? d : d * 0;
    return d * (erfc(-x * sqrt(0.5)) / 2 + x * exp(-x * x / 2) / sqrt(2 * acos(-1)));
}

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
    return run_tests("gelu_erf", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, SmallAndLargeNumbersHaveGradients,
                                       TheTailKeepsItsDigitsDownToSubnormalNumbers, FarFromZeroItIsTheIdentityOrNothing,
                                       IntegersAreRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Exact GELU: good to a few units of its own size at any shape and far below zero, where its distribution is a tail. */
#include <math.h>

#include "tests/support/activation_oracle.h"
#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double value(double x) { return activation_value(HL_ACTIVATION_GELU_ERF, x); }
static double slope(double d, double x) { return activation_slope(HL_ACTIVATION_GELU_ERF, d, x); }

/* Errors are told in parts of the bounds: below zero values are off by up to 7 units of their size, far above it by
 * half a one; slopes by up to 3.75 units of 1, and by less where the distribution is a tail. */
enum { VALUE_UNITS = 7, SLOPE_UNITS = 4 };
static double value_size(double x) { return activation_value_units(HL_ACTIVATION_GELU_ERF, x) / VALUE_UNITS; }
static double slope_size(double d, double x) {
    return d * activation_slope_units(HL_ACTIVATION_GELU_ERF, x) / SLOPE_UNITS;
}

static void gelu(const op_case *c, const double *const in[], double *const out[]) { oracle_unary(c, in, out, value); }

static void sizes(const op_case *c, const double *const in[], double *const out[]) {
    oracle_unary(c, in, out, value_size);
}

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope_size);
}

/* The last two roundings of a value may be those of subnormal numbers, 2^-149; so may bell's 1.5 units, of which slopes
 * are up to 5 times as much. */
static const op_case any = {.op = HL__OP_gelu_erf,
                            .oracle = gelu,
                            .magnitude = sizes,
                            .slopes = slopes,
                            .slope_sizes = slope_sizes,
                            .value = {.absolute = 0x1p-126, .relative = VALUE_UNITS},
                            .gradient = {.absolute = 0x1p-123, .relative = SLOPE_UNITS},
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

START_TEST(ExtremesAreAsInDouble) {
    op_case c = any;
    c.inputs[0].shape = HL_SHAPE(3, 21);
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("gelu_erf", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, SmallAndLargeNumbersHaveGradients,
                                       TheTailKeepsItsDigitsDownToSubnormalNumbers, FarFromZeroItIsTheIdentityOrNothing,
                                       IntegersAreRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Exact GELU: good to a few units of its own size at any shape and far below zero, where its distribution is a tail. */
#include <math.h>

#include "tests/support/activation_oracle.h"
#include "tests/support/elementwise_check.h"

static double value(double x) { return activation_value(HL_ACTIVATION_GELU_ERF, x); }
static double slope(double d, double x) { return activation_slope(HL_ACTIVATION_GELU_ERF, d, x); }

/* Errors are told in parts of the bounds: below zero values are off by up to 7 units of their size, far above it by
 * half a one; slopes by up to 3.75 units of 1, and by less where the distribution is a tail. */
enum { VALUE_UNITS = 7, SLOPE_UNITS = 4 };
static double value_size(double x) { return activation_value_units(HL_ACTIVATION_GELU_ERF, x) / VALUE_UNITS; }
static double slope_size(double d, double x) {
    return d * activation_slope_units(HL_ACTIVATION_GELU_ERF, x) / SLOPE_UNITS;
}

static const unary_equation equation = {.y = value, .dx = slope, .y_size = value_size, .dx_size = slope_size};

/* The last two roundings of a value may be those of subnormal numbers, 2^-149; so may bell's 1.5 units, of which slopes
 * are up to 5 times as much. */
static const op_case any = {.op = HL__OP_gelu_erf,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .magnitude = oracle_unary_sizes,
                            .slopes = oracle_unary_slopes,
                            .slope_sizes = oracle_unary_slope_sizes,
                            .value = {.absolute = 0x1p-126, .relative = VALUE_UNITS},
                            .gradient = {.absolute = 0x1p-123, .relative = SLOPE_UNITS},
                            .inputs = {{.low = -4, .high = 4}}};

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 0.5, 2, 20};
    check_unary_ranges(&any, ranges, sizeof ranges / sizeof *ranges);
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

int main(void) {
    return run_unary_tests("gelu_erf", &any,
                           TESTS(SmallAndLargeNumbersHaveGradients, TheTailKeepsItsDigitsDownToSubnormalNumbers,
                                 FarFromZeroItIsTheIdentityOrNothing));
}

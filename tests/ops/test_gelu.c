/* SPDX-License-Identifier: BSD-3-Clause
 *
 * GELU: the tanh form, at any shape, and flat or the identity far from zero. */
#include <math.h>

#include "tests/support/activation_oracle.h"
#include "tests/support/elementwise_check.h"

static double value(double x) { return activation_value(HL_ACTIVATION_GELU, x); }
static double slope(double d, double x) { return activation_slope(HL_ACTIVATION_GELU, d, x); }

/* Errors are told in parts of the bounds. Values are off by up to 3 |t| e^-t of their size, t some 1.6 x + 0.07 x^3:
 * little where they are large. Slopes are off by up to 28 units around 5, where 1 - s has few digits left. */
enum { VALUE_UNITS = 3, SLOPE_UNITS = 30 };
static double value_size(double x) { return activation_value_units(HL_ACTIVATION_GELU, x) / VALUE_UNITS; }
static double slope_size(double d, double x) { return d * activation_slope_units(HL_ACTIVATION_GELU, x) / SLOPE_UNITS; }

static const unary_equation equation = {.y = value, .dx = slope, .y_size = value_size, .dx_size = slope_size};

/* e^-t overflows at -10.2: s is 0 for something below 2^-128, by which y loses up to 10.3 times, dx 300 times that. */
static const op_case any = {.op = HL__OP_gelu,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .magnitude = oracle_unary_sizes,
                            .slopes = oracle_unary_slopes,
                            .slope_sizes = oracle_unary_slope_sizes,
                            .value = {.absolute = 0x1p-101, .relative = VALUE_UNITS},
                            .gradient = {.absolute = 0x1p-96, .relative = SLOPE_UNITS},
                            .inputs = {{.low = -5, .high = 5}}};

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 0.5, 1, 5, 8, 1e3, 1e10};
    check_unary_ranges(&any, ranges, sizeof ranges / sizeof *ranges);
}
END_TEST

/* To where e^-t overflows. */
START_TEST(TheTailIsAsGoodAsItsExponent) {
    float values[200];
    for (size_t i = 0; i < 200; i++) values[i] = -0.05f * (float)i;
    check_unary_values(&any, values, 200);
}
END_TEST

/* s is 1 or 0 (or below 2^-149) exactly there, so y = x or 0, gradient 1 or 0. */
START_TEST(FarFromZeroItIsTheIdentityOrNothing) {
    const float values[] = {15, -15, 40, -40, 1e3f, -1e3f, 1e10f, -1e10f, 3e20f, -3e20f, 0x1.fffffep127f};
    op_case c = any;
    c.magnitude = NULL;
    c.slope_sizes = NULL;
    c.value = c.gradient = (op_bound){.absolute = 0x1p-126}; /* 2^-149 */
    check_unary_alone(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(ZeroInfinityAndNoNumber) {
    const float values[] = {0, -0.0f, 0x1p-149f, -0x1p-126f, INFINITY, -INFINITY, NAN};
    op_case c = any;
    c.value.absolute = 0x1p-126; /* a unit of subnormals, 2^-149 */
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_unary_tests("gelu", &any,
                           TESTS(SmallAndLargeNumbersHaveGradients, TheTailIsAsGoodAsItsExponent,
                                 FarFromZeroItIsTheIdentityOrNothing, ZeroInfinityAndNoNumber));
}

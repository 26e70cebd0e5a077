/* SPDX-License-Identifier: BSD-3-Clause
 *
 * GELU: the tanh form, at any shape, and flat or the identity far from zero. */
#include <math.h>

#include "tests/support/activation_oracle.h"
#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double value(double x) { return activation_value(HL_ACTIVATION_GELU, x); }
static double slope(double d, double x) { return activation_slope(HL_ACTIVATION_GELU, d, x); }

/* Errors are told in parts of the bounds. Values are off by up to 3 |t| e^-t of their size, t some 1.6 x + 0.07 x^3:
 * little where they are large. Slopes are off by up to 28 units around 5, where 1 - s has few digits left. */
enum { VALUE_UNITS = 3, SLOPE_UNITS = 30 };
static double value_size(double x) { return activation_value_units(HL_ACTIVATION_GELU, x) / VALUE_UNITS; }
static double slope_size(double d, double x) { return d * activation_slope_units(HL_ACTIVATION_GELU, x) / SLOPE_UNITS; }

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

/* e^-t overflows at -10.2: s is 0 for something below 2^-128, by which y loses up to 10.3 times, dx 300 times that. */
static op_case case_of(double range) {
    return (op_case){.op = HL__OP_gelu,
                     .oracle = gelu,
                     .magnitude = sizes,
                     .slopes = slopes,
                     .slope_sizes = slope_sizes,
                     .value = {.absolute = 0x1p-101, .relative = VALUE_UNITS},
                     .gradient = {.absolute = 0x1p-96, .relative = SLOPE_UNITS},
                     .inputs = {{.low = -range, .high = range}}};
}

START_TEST(EveryShapeAndLayout) {
    op_case c = case_of(3);
    check_unary(&c);
}
END_TEST

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 0.5, 1, 5, 8, 1e3, 1e10};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        op_case c = case_of(ranges[i]);
        c.inputs[0].shape = HL_SHAPE(11, 23);
        op_check(&c);
    }
}
END_TEST

/* To where e^-t overflows. */
START_TEST(TheTailIsAsGoodAsItsExponent) {
    float values[200];
    for (size_t i = 0; i < 200; i++) values[i] = -0.05f * (float)i;
    op_case c = case_of(1);
    check_unary_values(&c, values, 200);
}
END_TEST

/* s is 1 or 0 (or below 2^-149) exactly there, so y = x or 0, gradient 1 or 0. */
START_TEST(FarFromZeroItIsTheIdentityOrNothing) {
    const float values[] = {15, -15, 40, -40, 1e3f, -1e3f, 1e10f, -1e10f, 3e20f, -3e20f, 0x1.fffffep127f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        op_case c = {.op = HL__OP_gelu,
                     .inputs = {{.shape = HL_SCALAR, .values = &values[i]}},
                     .oracle = gelu,
                     .slopes = slopes,
                     .value = {.absolute = 0x1p-126}, /* 2^-149 */
                     .gradient = {.absolute = 0x1p-126}};
        op_check(&c);
    }
}
END_TEST

START_TEST(ZeroInfinityAndNoNumber) {
    const float values[] = {0, -0.0f, 0x1p-149f, -0x1p-126f, INFINITY, -INFINITY, NAN};
    op_case c = case_of(1);
    c.value.absolute = 0x1p-126; /* a unit of subnormals, 2^-149 */
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_gelu, NULL); }
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(5);
    c.inputs[0].shape = HL_SHAPE(3, 21);
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("gelu", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, SmallAndLargeNumbersHaveGradients,
                                   TheTailIsAsGoodAsItsExponent, FarFromZeroItIsTheIdentityOrNothing,
                                   ZeroInfinityAndNoNumber, IntegersAreRefused));
}

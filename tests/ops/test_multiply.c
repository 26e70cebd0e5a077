/* SPDX-License-Identifier: BSD-3-Clause
 *
 * multiply: products of elements; each gradient is dy times the other operand. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double times(double a, double b) { return a * b; }

static void multiply(const op_case *c, const double *const in[], double *const out[]) {
    oracle_binary(c, in, out, times);
}

/* One rounding by at most half a unit, in the value and in each term of a gradient. */
static const op_case any = {
    .op = HL__OP_multiply, .oracle = multiply, .value = {.relative = 0.5}, .gradient = {.relative = 0.5}};

START_TEST(EveryBroadcastAndLayout) { check_binary(&any); }
END_TEST

START_TEST(LongGradientSumsKeepTheirDigits) { check_binary_long(&any); }
END_TEST

/* The product of two floats is exact in double, so this is the float nearest to it: no error is allowed. */
static double times_as_float(double a, double b) { return (float)(a * b); }

static void multiply_as_float(const op_case *c, const double *const in[], double *const out[]) {
    oracle_binary(c, in, out, times_as_float);
}

START_TEST(ProductsOverflowAndUnderflow) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, 0x1p-149f, 0x1.8p-100f, -0x1.345678p-50f, 0x1.fffffep127f, -3};
    op_case special = {.op = HL__OP_multiply, .oracle = multiply_as_float};
    check_binary_values(&special, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAndMisfitsAreRefused) { check_binary_refused(HL__OP_multiply); }
END_TEST

static double slope_a(double d, double a, double b) {
    (void)a;
    return d * b;
}
static double slope_b(double d, double a, double b) {
    (void)b;
    return d * a;
}

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
    return run_tests("multiply", TESTS(ExtremesAreAsInDouble, EveryBroadcastAndLayout, LongGradientSumsKeepTheirDigits,
                                       ProductsOverflowAndUnderflow, IntegersAndMisfitsAreRefused));
}

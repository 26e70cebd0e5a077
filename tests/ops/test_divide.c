/* SPDX-License-Identifier: BSD-3-Clause
 *
 * divide: quotients of elements, and what division by zero and infinity gives. */
#include <float.h>
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double over(double a, double b) { return a / b; }

static void divide(const op_case *c, const double *const in[], double *const out[]) { oracle_binary(c, in, out, over); }

/* One rounding of the value by at most half a unit (a hundredth more for the oracle's own), three of a term of db: two
 * quotients and their product. */
static op_case any(void) {
    op_case c = {.op = HL__OP_divide, .oracle = divide, .value = {.relative = 0.51}, .gradient = {.relative = 1.51}};
    c.inputs[0] = (op_input){.low = -2, .high = 2};
    c.inputs[1] = (op_input){.low = 0.5, .high = 2};
    return c;
}

START_TEST(EveryBroadcastAndLayout) {
    op_case c = any();
    check_binary(&c);
    c.inputs[1] = (op_input){.low = -2, .high = -0.5};
    check_binary(&c);
}
END_TEST

START_TEST(LongGradientSumsKeepTheirDigits) {
    op_case c = any();
    check_binary_long(&c);
}
END_TEST

/* A quotient rounded to 53 bits and then to 24 is the one rounded to 24 bits (53 >= 2 * 24 + 2) unless it is subnormal,
 * and of those here are only exact ones. */
static double over_as_float(double a, double b) { return (float)(a / b); }

static void divide_as_float(const op_case *c, const double *const in[], double *const out[]) {
    oracle_binary(c, in, out, over_as_float);
}

START_TEST(ZerosAndInfinitiesDivideAsNumbersDo) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 0x1p-149f, 0x1p127f, -3, 7};
    op_case special = {.op = HL__OP_divide, .oracle = divide_as_float};
    check_binary_values(&special, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAndMisfitsAreRefused) { check_binary_refused(HL__OP_divide); }
END_TEST

static double slope_a(double d, double a, double b) {
    (void)a;
    return d / b;
}
static double slope_b(double d, double a, double b) { return -(d / b) * (a / b); }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_binary_slopes(c, in, d_out, d_in, slope_a, slope_b);
}

static double size_a(double d, double a, double b) { return fabs(slope_a(d, a, b)); }
/* Where y or da are too large, db may be so before its factors meet. */
static double size_b(double d, double a, double b) {
    bool large = fabs(a / b) > (double)FLT_MAX || fabs(d / b) > (double)FLT_MAX;
    return large ? INFINITY : fabs(slope_b(d, a, b));
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_binary_slopes(c, in, d_out, d_in, size_a, size_b);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = any();
    c.slopes = slopes;
    c.slope_sizes = slope_sizes;
    check_binary_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("divide", TESTS(ExtremesAreAsInDouble, EveryBroadcastAndLayout, LongGradientSumsKeepTheirDigits,
                                     ZerosAndInfinitiesDivideAsNumbersDo, IntegersAndMisfitsAreRefused));
}

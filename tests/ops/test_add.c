/* SPDX-License-Identifier: BSD-3-Clause
 *
 * add: sums of elements, whichever operand is broadcast along whichever axes. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double plus(double a, double b) { return a + b; }

static void add(const op_case *c, const double *const in[], double *const out[]) { oracle_binary(c, in, out, plus); }

/* One rounding by at most half a unit. Gradients are dy, or sums of it. */
static const op_case any = {.op = HL__OP_add, .oracle = add, .value = {.relative = 0.5}};

START_TEST(EveryBroadcastAndLayout) { check_binary(&any); }
END_TEST

START_TEST(LongGradientSumsKeepTheirDigits) { check_binary_long(&any); }
END_TEST

START_TEST(InfinitiesAddUp) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 0x1p-149f, 0x1p126f, -1, 1};
    check_binary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAndMisfitsAreRefused) { check_binary_refused(HL__OP_add); }
END_TEST

static double slope_a(double d, double a, double b) {
    (void)a;
    (void)b;
    return d;
}
static double slope_b(double d, double a, double b) {
    (void)a;
    (void)b;
    return d;
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
    return run_tests("add", TESTS(ExtremesAreAsInDouble, EveryBroadcastAndLayout, LongGradientSumsKeepTheirDigits,
                                  InfinitiesAddUp, IntegersAndMisfitsAreRefused));
}

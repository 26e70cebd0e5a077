/* SPDX-License-Identifier: BSD-3-Clause
 *
 * exp: within two units at any shape, and at both ends of its range. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static void exponential(const op_case *c, const double *const in[], double *const out[]) {
    oracle_unary(c, in, out, exp);
}

/* exp is good to 1.5 units (tests/ops/test_vector.c); the gradient is its product with dy: half a unit more. */
static op_case any(void) {
    op_case c = {.op = HL__OP_exp, .oracle = exponential, .value = {.relative = 1.5}, .gradient = {.relative = 2}};
    c.inputs[0] = (op_input){.low = -10, .high = 10};
    return c;
}

START_TEST(EveryShapeAndLayout) {
    op_case c = any();
    check_unary(&c);
}
END_TEST

START_TEST(GradientsFollowToTheEndsOfTheRange) {
    const float values[] = {88.7f, 80, 60, 31.5f, 0, -20, -60, -80, -87.3f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) { /* alone, so that its difference must be sharp */
        op_case c = any();
        c.inputs[0] = (op_input){.shape = HL_SCALAR, .values = &values[i]};
        op_check(&c);
    }
}
END_TEST

static double exp_as_float(double x) { return (float)exp(x); }

static void special(const op_case *c, const double *const in[], double *const out[]) {
    oracle_unary(c, in, out, exp_as_float);
}

START_TEST(LargeNumbersGiveInfinityAndZero) {
    const float values[] = {0,     1,      88.72f, 88.73f, 89,    100,       3e38f,     INFINITY, -87.4f,
                            -95.f, -103.f, -104.f, -105,   -200., -INFINITY, 0x1p-149f, NAN};
    op_case c = any();
    c.oracle = special;
    c.value.absolute = 1.5 * 0x1p-126; /* 1.5 units of a subnormal, 2^-149 */
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_exp, NULL); }
END_TEST

static double slope(double d, double x) { return d * exp(x); }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = any();
    c.inputs[0].shape = HL_SHAPE(3, 21);
    c.slopes = slopes;
    c.value.relative = 1.5;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("exp", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, GradientsFollowToTheEndsOfTheRange,
                                  LargeNumbersGiveInfinityAndZero, IntegersAreRefused));
}

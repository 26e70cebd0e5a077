/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log: within two units at any shape, near 0 and near 1, -infinity at 0 and no number below. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static void logarithm(const op_case *c, const double *const in[], double *const out[]) {
    oracle_unary(c, in, out, log);
}

/* log is good to 1.5 units (tests/ops/test_vector.c); the gradient is one quotient, so half a unit. */
static op_case any(void) {
    op_case c = {.op = HL__OP_log, .oracle = logarithm, .value = {.relative = 1.5}, .gradient = {.relative = 0.5}};
    c.inputs[0] = (op_input){.low = 0.05, .high = 8};
    return c;
}

START_TEST(EveryShapeAndLayout) {
    op_case c = any();
    check_unary(&c);
}
END_TEST

START_TEST(GradientsFollowFarAway) {
    const float values[] = {0.001f, 0.02f, 0.999999f, 1, 1.000001f, 1e6f, 1e20f, 0x1.fffffep127f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) { /* alone, so that its difference must be sharp */
        op_case c = any();
        c.inputs[0] = (op_input){.shape = HL_SCALAR, .values = &values[i]};
        op_check(&c);
    }
}
END_TEST

START_TEST(NearZeroAtZeroAndBelow) {
    const float values[] = {0,           -0.0f,       0x1p-149f, 0x1.8p-140f, 0x1p-126f, 0x1.fffffcp-127f,
                            0x1.2p-127f, 0x1.7p-129f, 1e-30f,    0.999999f,   1,         0x1.000002p0f,
                            1.4142f,     3e38f,       INFINITY,  -0x1p-149f,  -1,        -INFINITY,
                            NAN};
    op_case c = any();
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_log, NULL); }
END_TEST

static double slope(double d, double x) { return d / x; }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = any();
    c.inputs[0].shape = HL_SHAPE(3, 21);
    c.slopes = slopes;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("log", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, GradientsFollowFarAway,
                                  NearZeroAtZeroAndBelow, IntegersAreRefused));
}

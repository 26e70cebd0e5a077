/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sqrt: correctly rounded at any shape; no number below zero. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static void root(const op_case *c, const double *const in[], double *const out[]) { oracle_unary(c, in, out, sqrt); }

/* One rounding of the value by half a unit (a hundredth more for the oracle's own). The gradient dy / (2 y) has that of
 * y and that of the quotient. */
static op_case any(void) {
    op_case c = {.op = HL__OP_sqrt, .oracle = root, .value = {.relative = 0.51}, .gradient = {.relative = 1}};
    c.inputs[0] = (op_input){.low = 0.05, .high = 9};
    return c;
}

START_TEST(EveryShapeAndLayout) {
    op_case c = any();
    check_unary(&c);
}
END_TEST

START_TEST(GradientsFollowFarAway) {
    const float values[] = {0.001f, 1, 1e6f, 1e20f, 0x1.fffffep127f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) { /* alone, so that its difference must be sharp */
        op_case c = any();
        c.inputs[0] = (op_input){.shape = HL_SCALAR, .values = &values[i]};
        op_check(&c);
    }
}
END_TEST

START_TEST(ZeroSubnormalsAndInfinityHaveRoots) {
    const float values[] = {0,        -0.0f, 0x1p-149f,  0x1.8p-140f, 0x1p-126f, 2, 4, 0x1.fffffep127f,
                            INFINITY, -1,    -0x1p-149f, -INFINITY,   NAN};
    op_case c = any();
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_sqrt, NULL); }
END_TEST

static double slope(double d, double x) { return d / (2 * sqrt(x)); }

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
    return run_tests("sqrt", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, GradientsFollowFarAway,
                                   ZeroSubnormalsAndInfinityHaveRoots, IntegersAreRefused));
}

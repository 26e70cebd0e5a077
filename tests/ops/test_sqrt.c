/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sqrt: correctly rounded at any shape; no number below zero. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double dx(double d, double x) { return d / (2 * sqrt(x)); }

static const unary_equation equation = {.y = sqrt, .dx = dx};

/* One rounding of the value by half a unit (a hundredth more for the oracle's own). The gradient dy / (2 y) has that of
 * y and that of the quotient. */
static const op_case any = {.op = HL__OP_sqrt,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .value = {.relative = 0.51},
                            .gradient = {.relative = 1},
                            .inputs = {{.low = 0.05, .high = 9}}};

START_TEST(GradientsFollowFarAway) {
    const float values[] = {0.001f, 1, 1e6f, 1e20f, 0x1.fffffep127f};
    check_unary_alone(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(ZeroSubnormalsAndInfinityHaveRoots) {
    const float values[] = {0,        -0.0f, 0x1p-149f,  0x1.8p-140f, 0x1p-126f, 2, 4, 0x1.fffffep127f,
                            INFINITY, -1,    -0x1p-149f, -INFINITY,   NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_unary_tests("sqrt", &any, TESTS(GradientsFollowFarAway, ZeroSubnormalsAndInfinityHaveRoots));
}

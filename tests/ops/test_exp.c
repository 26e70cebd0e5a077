/* SPDX-License-Identifier: BSD-3-Clause
 *
 * exp: within two units at any shape, and at both ends of its range. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double dx(double d, double x) { return d * exp(x); }

static const unary_equation equation = {.y = exp, .dx = dx};

/* exp is good to 1.5 units (tests/ops/test_vector.c); the gradient is its product with dy: half a unit more. */
static const op_case any = {.op = HL__OP_exp,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .value = {.relative = 1.5},
                            .gradient = {.relative = 2},
                            .inputs = {{.low = -10, .high = 10}}};

START_TEST(GradientsFollowToTheEndsOfTheRange) {
    const float values[] = {88.7f, 80, 60, 31.5f, 0, -20, -60, -80, -87.3f};
    check_unary_alone(&any, values, sizeof values / sizeof *values);
}
END_TEST

static double exp_as_float(double x) { return (float)exp(x); }

START_TEST(LargeNumbersGiveInfinityAndZero) {
    const float values[] = {0,     1,      88.72f, 88.73f, 89,    100,       3e38f,     INFINITY, -87.4f,
                            -95.f, -103.f, -104.f, -105,   -200., -INFINITY, 0x1p-149f, NAN};
    op_case c = any;
    c.unary = &(unary_equation){.y = exp_as_float};
    c.value.absolute = 1.5 * 0x1p-126; /* 1.5 units of a subnormal, 2^-149 */
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_unary_tests("exp", &any, TESTS(GradientsFollowToTheEndsOfTheRange, LargeNumbersGiveInfinityAndZero));
}

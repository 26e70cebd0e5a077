/* SPDX-License-Identifier: BSD-3-Clause
 *
 * abs: numbers without their signs; the gradient has the sign, and is 0 at 0. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double dx(double d, double x) { return x > 0 ? d : x < 0 ? -d : x; }

static const unary_equation equation = {.y = fabs, .dx = dx};

/* Nothing is rounded: the bounds are 0. */
static const op_case any = {.op = HL__OP_abs, .unary = &equation, .oracle = oracle_unary};

/* Differences to both sides of zero cancel. */
START_TEST(ZeroHasNoSlope) {
    const float values[] = {0.0f, 1.0f, -0.0f, -1.0f};
    check_unary_turns(&any, values, 4);
}
END_TEST

START_TEST(SmallestLargestAndNoNumber) {
    const float values[] = {0x1p-149f,        -0x1p-149f, 0,         -0.0f, 0x1.fffffep127f,
                            -0x1.fffffep127f, INFINITY,   -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) { return run_unary_tests("abs", &any, TESTS(ZeroHasNoSlope, SmallestLargestAndNoNumber)); }

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ReLU: what is above zero passes, both ways; nothing else does, zero itself included. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double larger(double x) { return x > 0 || isnan(x) ? x : 0; }

static double dx(double d, double x) { return isnan(x) ? x : x > 0 ? d : 0; }

static const unary_equation equation = {.y = larger, .dx = dx};

/* Nothing is rounded: the bounds are 0. */
static const op_case any = {.op = HL__OP_relu, .unary = &equation, .oracle = oracle_unary};

/* The same function at 0 and at all numbers above 1/2, but level around 0: its differences there are those of a slope
 * of 0, which ReLU has at 0 by definition. */
static double level_around_zero(double x) { return x > 0.5 ? x : 0; }

START_TEST(ZeroHasNoSlope) {
    const float values[] = {0.0f, 1.0f, -0.0f, -1.0f};
    op_case c = any;
    c.unary = &(unary_equation){.y = level_around_zero};
    check_unary_turns(&c, values, 4);
}
END_TEST

START_TEST(SmallestLargestAndNoNumberPass) {
    const float values[] = {0x1p-149f,        -0x1p-149f, 0x1p-126f, 0,  0x1.fffffep127f,
                            -0x1.fffffep127f, INFINITY,   -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) { return run_unary_tests("relu", &any, TESTS(ZeroHasNoSlope, SmallestLargestAndNoNumberPass)); }

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * add: sums of elements, whichever operand is broadcast along whichever axes. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double plus(double a, double b) { return a + b; }

static const binary_equation equation = {.y = plus, .da = oracle_passed, .db = oracle_passed};

/* One rounding by at most half a unit. Gradients are dy, or sums of it. */
static const op_case any = {.op = HL__OP_add, .binary = &equation, .oracle = oracle_binary, .value = {.relative = 0.5}};

START_TEST(LongGradientSumsKeepTheirDigits) { check_binary_long(&any); }
END_TEST

START_TEST(InfinitiesAddUp) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 0x1p-149f, 0x1p126f, -1, 1};
    check_binary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) { return run_binary_tests("add", &any, TESTS(LongGradientSumsKeepTheirDigits, InfinitiesAddUp)); }

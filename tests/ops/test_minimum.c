/* SPDX-License-Identifier: BSD-3-Clause
 *
 * minimum: the smaller of two elements, NaN of NaN, zeros by their signs; equal elements share the gradient. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double smaller(double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    return a == b ? signbit(a) ? a : b : a < b ? a : b;
}

/* Nothing of the gradient goes to the operand that is not chosen. */
static double da(double d, double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    return a == b ? d / 2 : a < b ? d : 0;
}
static double db(double d, double a, double b) { return da(d, b, a); }

static const binary_equation equation = {.y = smaller, .da = da, .db = db};

/* Nothing is rounded: the bounds are 0. */
static const op_case any = {.op = HL__OP_minimum, .binary = &equation, .oracle = oracle_binary};

/* Where both are equal, differences to both sides of either are 0 and 1 times the step. */
START_TEST(EqualElementsShareTheGradient) { check_binary_ties(&any); }
END_TEST

START_TEST(EveryPairOfExtremes) { check_binary_order(&any); }
END_TEST

START_TEST(ZerosAreOrderedByTheirSigns) {
    const float a[] = {0.0f, 0.0f, -0.0f, -0.0f}, b[] = {0.0f, -0.0f, 0.0f, -0.0f}, y[] = {0.0f, -0.0f, -0.0f, -0.0f};
    check_binary_bits(HL__OP_minimum, a, b, y, 4);
}
END_TEST

int main(void) {
    return run_binary_tests("minimum", &any,
                            TESTS(EqualElementsShareTheGradient, EveryPairOfExtremes, ZerosAreOrderedByTheirSigns));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sigmoid: good to a few units of its own size at any shape and down to subnormal numbers, 0 and 1 at the ends. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double sigmoid_of(double x) { return 1 / (1 + exp(-x)); }

static double dx(double d, double x) { return d * (sigmoid_of(x) * (1 - sigmoid_of(x))); }

static const unary_equation equation = {.y = sigmoid_of, .dx = dx};

/* e = e^-|x| is good to 1.5 units, 1 + e to half of these and half a one, the quotient to half a one more: 3.25 units,
 * and a unit of subnormals. The gradient d y (1 - y) cancels: with y (1 - y) <= 1/4 and |d| <= 1, y is off by 3.25
 * units of 1, and the three roundings by less than one. */
static const op_case any = {.op = HL__OP_sigmoid,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .value = {.absolute = 1.5 * 0x1p-126, .relative = 3.25},
                            .gradient = {.absolute = 4.25},
                            .inputs = {{.low = -4, .high = 4}}};

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 1, 20};
    check_unary_ranges(&any, ranges, sizeof ranges / sizeof *ranges);
}
END_TEST

START_TEST(EndsAreReachedWithoutOverflow) {
    const float values[] = {
        0.0f,   -0.0f,     17,    -17,    88.7f,           -88.7f,           89,       -89,       -95, -103, -104,
        -105.f, 0x1p-149f, 1e10f, -1e10f, 0x1.fffffep127f, -0x1.fffffep127f, INFINITY, -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_unary_tests("sigmoid", &any, TESTS(SmallAndLargeNumbersHaveGradients, EndsAreReachedWithoutOverflow));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tanh: within two units at any shape, flat and exact at both ends. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double dx(double d, double x) { return d * (1 - tanh(x) * tanh(x)); }

static const unary_equation equation = {.y = tanh, .dx = dx};

/* tanh is good to 2 units (tests/ops/test_vector.c). The gradient dy (1 - y^2) cancels: with |y| <= 1 and |dy| <= 1,
 * y^2 has twice the error of y and half a unit of its own, the difference and the product half a unit each. */
static const op_case any = {.op = HL__OP_tanh,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .value = {.relative = 2},
                            .gradient = {.absolute = 5.5},
                            .inputs = {{.low = -3, .high = 3}}};

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-4, 0.7, 30};
    check_unary_ranges(&any, ranges, sizeof ranges / sizeof *ranges);
}
END_TEST

START_TEST(EndsAreExact) {
    const float values[] = {0, 0x1p-149f, -0x1p-130f, 0.625f, -0.6249999f, 9.1f, -20, 3e38f, INFINITY, -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) { return run_unary_tests("tanh", &any, TESTS(SmallAndLargeNumbersHaveGradients, EndsAreExact)); }

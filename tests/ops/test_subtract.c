/* SPDX-License-Identifier: BSD-3-Clause
 *
 * subtract: differences of elements; the second gradient has the other sign. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double minus(double a, double b) { return a - b; }

static double db(double d, double a, double b) {
    (void)a;
    (void)b;
    return -d;
}

static const binary_equation equation = {.y = minus, .da = oracle_passed, .db = db};

/* One rounding by at most half a unit. Gradients are dy and -dy, or sums of them. */
static const op_case any = {
    .op = HL__OP_subtract, .binary = &equation, .oracle = oracle_binary, .value = {.relative = 0.5}};

START_TEST(LongGradientSumsKeepTheirDigits) { check_binary_long(&any); }
END_TEST

START_TEST(InfinitiesAndEqualNumbers) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, 0x1p-149f, 0x1.000002p-126f, 0x1p-126f, 0x1p126f, 1};
    check_binary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_binary_tests("subtract", &any, TESTS(LongGradientSumsKeepTheirDigits, InfinitiesAndEqualNumbers));
}

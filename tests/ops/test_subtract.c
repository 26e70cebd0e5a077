/* SPDX-License-Identifier: BSD-3-Clause
 *
 * subtract: differences of elements; the second gradient has the other sign. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double minus(double a, double b) { return a - b; }

static void subtract(const op_case *c, const double *const in[], double *const out[]) {
    oracle_binary(c, in, out, minus);
}

/* One rounding by at most half a unit. Gradients are dy and -dy, or sums of them. */
static const op_case any = {.op = HL__OP_subtract, .oracle = subtract, .value = {.relative = 0.5}};

START_TEST(EveryBroadcastAndLayout) { check_binary(&any); }
END_TEST

START_TEST(LongGradientSumsKeepTheirDigits) { check_binary_long(&any); }
END_TEST

START_TEST(InfinitiesAndEqualNumbers) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, 0x1p-149f, 0x1.000002p-126f, 0x1p-126f, 0x1p126f, 1};
    check_binary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAndMisfitsAreRefused) { check_binary_refused(HL__OP_subtract); }
END_TEST

int main(void) {
    return run_tests("subtract", TESTS(EveryBroadcastAndLayout, LongGradientSumsKeepTheirDigits,
                                       InfinitiesAndEqualNumbers, IntegersAndMisfitsAreRefused));
}

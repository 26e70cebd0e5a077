/* SPDX-License-Identifier: BSD-3-Clause
 *
 * equal: 1 where an element is equal to the other, 0 elsewhere and of NaN; no gradient. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double holds(double a, double b) { return a == b; }

static void equal(const op_case *c, const double *const in[], double *const out[]) { oracle_binary(c, in, out, holds); }

static const op_case any = {.op = HL__OP_equal, .oracle = equal, .forward_only = true};

START_TEST(EveryBroadcastAndLayout) { check_binary(&any); }
END_TEST

START_TEST(EveryPairOfExtremes) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 0x1p-149f, -0x1p-149f, 0x1.fffffep127f, -3, 7};
    check_binary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAndMisfitsAreRefused) { check_binary_refused(HL__OP_equal); }
END_TEST

START_TEST(ExtremesAreAsInDouble) { check_binary_extremes(&any); }
END_TEST

int main(void) {
    return run_tests("equal", TESTS(ExtremesAreAsInDouble, EveryBroadcastAndLayout, EveryPairOfExtremes,
                                    IntegersAndMisfitsAreRefused));
}

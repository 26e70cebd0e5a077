/* SPDX-License-Identifier: BSD-3-Clause
 *
 * equal: 1 where an element is equal to the other, 0 elsewhere and of NaN; no gradient. */
#include "tests/support/elementwise_check.h"

static double holds(double a, double b) { return a == b; }

static const op_case any = {
    .op = HL__OP_equal, .binary = &(const binary_equation){.y = holds}, .oracle = oracle_binary, .forward_only = true};

START_TEST(EveryPairOfExtremes) { check_binary_order(&any); }
END_TEST

int main(void) { return run_binary_tests("equal", &any, TESTS(EveryPairOfExtremes)); }

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * less: 1 where an element is less than the other, 0 elsewhere and of NaN; no gradient. */
#include "tests/support/elementwise_check.h"

static double holds(double a, double b) { return a < b; }

static const op_case any = {
    .op = HL__OP_less, .binary = &(const binary_equation){.y = holds}, .oracle = oracle_binary, .forward_only = true};

START_TEST(EveryPairOfExtremes) { check_binary_order(&any); }
END_TEST

int main(void) { return run_binary_tests("less", &any, TESTS(EveryPairOfExtremes)); }

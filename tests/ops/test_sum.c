/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sum: over any axes, kept or dropped; every element counts once. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static double itself(double x) { return x; }

static void sum(const op_case *c, const double *const in[], double *const out[]) { oracle_sum(c, in, out, itself); }
static void sizes(const op_case *c, const double *const in[], double *const out[]) { oracle_sum(c, in, out, fabs); }

/* Nothing is rounded but the additions, for which check_sum allows, and gradients are copies. */
static const op_case any = {.op = HL__OP_sum, .oracle = sum, .magnitude = sizes};

START_TEST(AnyAxesKeptOrDropped) { check_sum(&any); }
END_TEST

START_TEST(LongSumsKeepTheirDigits) { check_sum_long(&any); }
END_TEST

START_TEST(IntegersAndAxesThatAreNoneAreRefused) { check_sum_refused(HL__OP_sum); }
END_TEST

int main(void) {
    return run_tests("sum", TESTS(AnyAxesKeptOrDropped, LongSumsKeepTheirDigits, IntegersAndAxesThatAreNoneAreRefused));
}

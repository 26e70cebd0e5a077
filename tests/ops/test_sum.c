/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sum: over any axes, kept or dropped; every element counts once. */
#include <math.h>

#include "headloom/options.h"
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

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    (void)in;
    oracle_sum_slopes(c, d_out, d_in, 1);
}

START_TEST(ExtremesAreAsInDouble) {
    const uint32_t axes[] = {0, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        hl_axes_config config = {.axes = axes[i]};
        op_case c = any;
        c.options = &config;
        c.inputs[0].shape = HL_SHAPE(5, 21);
        c.slopes = slopes;
        c.value.relative += 1.01; /* as in check_sum */
        op_extremes(&c);
    }
}
END_TEST

int main(void) {
    return run_tests("sum", TESTS(ExtremesAreAsInDouble, AnyAxesKeptOrDropped, LongSumsKeepTheirDigits,
                                  IntegersAndAxesThatAreNoneAreRefused));
}

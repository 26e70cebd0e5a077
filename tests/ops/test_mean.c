/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mean: over any axes, kept or dropped; every element counts for one in n. */
#include <math.h>

#include "headloom/options.h"
#include "tests/support/sum_check.h"

static void share_out(const op_case *c, double *y) {
    size_t n = oracle_summed(c);
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape) / n; e++) y[e] /= (double)n;
}

static double itself(double x) { return x; }

static void mean(const op_case *c, const double *const in[], double *const out[]) {
    oracle_sum(c, in, out, itself);
    share_out(c, out[0]);
}

static void sizes(const op_case *c, const double *const in[], double *const out[]) {
    oracle_sum(c, in, out, fabs);
    share_out(c, out[0]);
}

/* Beside the additions, for which run_sum_tests allows: 1 / n and the product with it are rounded by half a unit each,
 * in the value and in the gradient dy / n. */
static const op_case any = {
    .op = HL__OP_mean, .oracle = mean, .magnitude = sizes, .value = {.relative = 1}, .gradient = {.relative = 1}};

START_TEST(MeansOfHugeNumbersAreFinite) {
    hl_axes_config all = {.axes = 0};
    op_case c = any;
    c.options = &all;
    c.inputs[0] = (op_input){.shape = HL_SHAPE(9000), .low = 0x1.8p127, .high = 0x1.8p127};
    c.value.relative += 1; /* a rounding of each part, and one of the whole */
    c.forward_only = true;
    op_check(&c);
}
END_TEST

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    (void)in;
    oracle_sum_slopes(c, d_out, d_in, 1 / (double)oracle_summed(c));
}

int main(void) { return run_sum_tests("mean", &any, slopes, TESTS(MeansOfHugeNumbersAreFinite)); }

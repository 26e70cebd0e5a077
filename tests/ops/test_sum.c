/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sum: over any axes, kept or dropped; every element counts once. */
#include <math.h>

#include "headloom/options.h"
#include "tests/support/sum_check.h"

static double itself(double x) { return x; }

static void sum(const op_case *c, const double *const in[], double *const out[]) { oracle_sum(c, in, out, itself); }
static void sizes(const op_case *c, const double *const in[], double *const out[]) { oracle_sum(c, in, out, fabs); }

/* Nothing is rounded but the additions, for which run_sum_tests allows, and gradients are copies. */
static const op_case any = {.op = HL__OP_sum, .oracle = sum, .magnitude = sizes};

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    (void)in;
    oracle_sum_slopes(c, d_out, d_in, 1);
}

int main(void) { return run_sum_tests("sum", &any, slopes, NULL); }

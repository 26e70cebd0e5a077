/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log: within two units at any shape, near 0 and near 1, -infinity at 0 and no number below. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double dx(double d, double x) { return d / x; }

static const unary_equation equation = {.y = log, .dx = dx};

/* log is good to 1.5 units (tests/ops/test_vector.c); the gradient is one quotient, so half a unit. */
static const op_case any = {.op = HL__OP_log,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .value = {.relative = 1.5},
                            .gradient = {.relative = 0.5},
                            .inputs = {{.low = 0.05, .high = 8}}};

START_TEST(GradientsFollowFarAway) {
    const float values[] = {0.001f, 0.02f, 0.999999f, 1, 1.000001f, 1e6f, 1e20f, 0x1.fffffep127f};
    check_unary_alone(&any, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(NearZeroAtZeroAndBelow) {
    const float values[] = {0,           -0.0f,       0x1p-149f, 0x1.8p-140f, 0x1p-126f, 0x1.fffffcp-127f,
                            0x1.2p-127f, 0x1.7p-129f, 1e-30f,    0.999999f,   1,         0x1.000002p0f,
                            1.4142f,     3e38f,       INFINITY,  -0x1p-149f,  -1,        -INFINITY,
                            NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) { return run_unary_tests("log", &any, TESTS(GradientsFollowFarAway, NearZeroAtZeroAndBelow)); }

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SiLU: good to a few units of its own size at any shape, also where the sigmoid in it is subnormal and it is not. */
#include <math.h>

#include "tests/support/elementwise_check.h"

/* At -infinity the limit, 0. */
static double silu_of(double x) { return x < -1000 ? 0 : x / (1 + exp(-x)); }

static double dx(double d, double x) {
    double s = 1 / (1 + exp(-x));
    if (fabs(x) > 1000) return x > 0 ? d : d * 0;
    return d * (s + x * s * (1 - s));
}

static const unary_equation equation = {.y = silu_of, .dx = dx};

/* r = e^-|x|/2 is good to 1.5 units, x r r to 4, 1 + r r to 2.5 (r r counts for at most a half of it), the quotient to
 * half a one more: 7 units, and a unit of subnormals.
 *
 * Slopes s (1 + x (1 - s)) are at most 1.1 in size; s and 1 - s are good to 3.75 units, |x| s (1 - s) <= 0.224 is off
 * by twice that and the fused product by half a unit of at most s (1 + |x| (1 - s)) <= 1.23; with the products 7 units.
 */
static const op_case any = {.op = HL__OP_silu,
                            .unary = &equation,
                            .oracle = oracle_unary,
                            .value = {.absolute = 0x1p-126, .relative = 7},
                            .gradient = {.absolute = 7},
                            .inputs = {{.low = -6, .high = 6}}};

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 1, 30};
    check_unary_ranges(&any, ranges, sizeof ranges / sizeof *ranges);
}
END_TEST

START_TEST(TheTailKeepsItsDigitsDownToSubnormalNumbers) {
    float values[300];
    for (size_t i = 0; i < 300; i++) values[i] = -0.4f * (float)i;
    check_unary_values(&any, values, 300);
}
END_TEST

START_TEST(FarFromZeroItIsTheIdentityOrNothing) {
    const float values[] = {
        0.0f,   -0.0f,     40,         -250,     251,       -251, 1e10f, -1e10f, 0x1.fffffep127f, -0x1.fffffep127f,
        1e-30f, 0x1p-149f, -0x1p-149f, INFINITY, -INFINITY, NAN};
    check_unary_values(&any, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_unary_tests("silu", &any,
                           TESTS(SmallAndLargeNumbersHaveGradients, TheTailKeepsItsDigitsDownToSubnormalNumbers,
                                 FarFromZeroItIsTheIdentityOrNothing));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * multiply: products of elements; each gradient is dy times the other operand. */
#include <math.h>

#include "tests/support/elementwise_check.h"

static double times(double a, double b) { return a * b; }

static double da(double d, double a, double b) {
    (void)a;
    return d * b;
}
static double db(double d, double a, double b) {
    (void)b;
    return d * a;
}

static const binary_equation equation = {.y = times, .da = da, .db = db};

/* One rounding by at most half a unit, in the value and in each term of a gradient. */
static const op_case any = {.op = HL__OP_multiply,
                            .binary = &equation,
                            .oracle = oracle_binary,
                            .value = {.relative = 0.5},
                            .gradient = {.relative = 0.5}};

START_TEST(LongGradientSumsKeepTheirDigits) { check_binary_long(&any); }
END_TEST

/* The product of two floats is exact in double, so this is the float nearest to it: no error is allowed. */
static double times_as_float(double a, double b) { return (float)(a * b); }

START_TEST(ProductsOverflowAndUnderflow) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, 0x1p-149f, 0x1.8p-100f, -0x1.345678p-50f, 0x1.fffffep127f, -3};
    op_case special = {
        .op = HL__OP_multiply, .binary = &(binary_equation){.y = times_as_float}, .oracle = oracle_binary};
    check_binary_values(&special, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_binary_tests("multiply", &any, TESTS(LongGradientSumsKeepTheirDigits, ProductsOverflowAndUnderflow));
}

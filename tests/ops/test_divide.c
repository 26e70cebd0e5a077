/* SPDX-License-Identifier: BSD-3-Clause
 *
 * divide: quotients of elements, and what division by zero and infinity gives. */
#include <float.h>
#include <math.h>

#include "tests/support/elementwise_check.h"

static double over(double a, double b) { return a / b; }

static double da(double d, double a, double b) {
    (void)a;
    return d / b;
}
static double db(double d, double a, double b) { return -(d / b) * (a / b); }

/* Where y or da are too large, db may be so before its factors meet. */
static double db_size(double d, double a, double b) {
    bool large = fabs(a / b) > (double)FLT_MAX || fabs(d / b) > (double)FLT_MAX;
    return large ? INFINITY : fabs(db(d, a, b));
}

static const binary_equation equation = {.y = over, .da = da, .db = db, .db_size = db_size};

/* One rounding of the value by at most half a unit (a hundredth more for the oracle's own), three of a term of db: two
 * quotients and their product. */
static const op_case any = {.op = HL__OP_divide,
                            .binary = &equation,
                            .oracle = oracle_binary,
                            .value = {.relative = 0.51},
                            .gradient = {.relative = 1.51},
                            .inputs = {{.low = -2, .high = 2}, {.low = 0.5, .high = 2}}};

START_TEST(NegativeDivisors) {
    op_case c = any;
    c.inputs[1] = (op_input){.low = -2, .high = -0.5};
    check_binary(&c);
}
END_TEST

START_TEST(LongGradientSumsKeepTheirDigits) { check_binary_long(&any); }
END_TEST

/* A quotient rounded to 53 bits and then to 24 is the one rounded to 24 bits (53 >= 2 * 24 + 2) unless it is subnormal,
 * and of those here are only exact ones. */
static double over_as_float(double a, double b) { return (float)(a / b); }

START_TEST(ZerosAndInfinitiesDivideAsNumbersDo) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 0x1p-149f, 0x1p127f, -3, 7};
    op_case special = {.op = HL__OP_divide, .binary = &(binary_equation){.y = over_as_float}, .oracle = oracle_binary};
    check_binary_values(&special, values, sizeof values / sizeof *values);
}
END_TEST

int main(void) {
    return run_binary_tests(
        "divide", &any, TESTS(NegativeDivisors, LongGradientSumsKeepTheirDigits, ZerosAndInfinitiesDivideAsNumbersDo));
}

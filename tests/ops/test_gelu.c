/* SPDX-License-Identifier: BSD-3-Clause
 *
 * GELU: the tanh form, at any shape, and flat or the identity far from zero. */
#include <math.h>

#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

/* Hendrycks and Gimpel 2016, with 2 / pi from the C library; as (1 + tanh u) / 2 = 1 / (1 + e^-2u), which keeps its
 * digits where tanh u is near -1. At -infinity the limit, 0. */
static double logistic_of(double x) { return 1 / (1 + exp(-2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))); }
static double gelu_of(double x) { return x < -100 ? 0 : x * logistic_of(x); }

static void gelu(const op_case *c, const double *const in[], double *const out[]) { oracle_unary(c, in, out, gelu_of); }

/* The kernel takes y = x s, s = 1 / (1 + e^-t), with t = 2u of 7 roundings (two constants among them) of half a unit,
 * so 3.5 units of t, which are 3.5 |t| of e^-t; with exp's 1.5 and 3 more roundings, y has 3.5 |t| + 3 units of its
 * size. (Where |t| > 15 and x > 0, e^-t no longer matters; the bound is the one for x < 0.)
 *
 * The gradient s + x t' s (1 - s) has errors where s is near 1, in units of FLT_EPSILON: s itself 1 + (3.5 |t| + 1.5) s
 * (1 - s) <= 2.2, since |t| s (1 - s) <= 0.224; 1 - s the same; x t' times that; and 8 roundings of x t' s (1 - s) <= 1
 * and of the sum. |dy| <= 1. */
static op_case case_of(double range) {
    double t = 1.5958 * range * (1 + 0.044715 * range * range), slope = 1.5958 * (1 + 3 * 0.044715 * range * range);
    op_case c = {.op = HL__OP_gelu,
                 .oracle = gelu,
                 .value = {.relative = 3.5 * t + 3},
                 .gradient = {.absolute = 2.2 * range * slope + 2.2 + 4}};
    c.inputs[0] = (op_input){.low = -range, .high = range};
    return c;
}

START_TEST(EveryShapeAndLayout) {
    op_case c = case_of(3);
    check_unary(&c);
}
END_TEST

START_TEST(SmallAndLargeNumbersHaveGradients) {
    const double ranges[] = {1e-3, 0.5, 1, 5};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        op_case c = case_of(ranges[i]);
        c.inputs[0].shape = HL_SHAPE(11, 23);
        op_check(&c);
    }
}
END_TEST

/* s is 1 or 0 (or below 2^-149) exactly there, so y = x or 0, gradient 1 or 0. */
START_TEST(FarFromZeroItIsTheIdentityOrNothing) {
    const float values[] = {15, -15, 40, -40, 1e3f, -1e3f, 1e10f, -1e10f, 3e20f, -3e20f, 0x1.fffffep127f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        op_case c = {.op = HL__OP_gelu,
                     .inputs = {{.shape = HL_SCALAR, .values = &values[i]}},
                     .oracle = gelu,
                     .value = {.absolute = 1e-37},
                     .gradient = {.absolute = 1e-37}};
        op_check(&c);
    }
}
END_TEST

START_TEST(ZeroInfinityAndNoNumber) {
    const float values[] = {0, -0.0f, 0x1p-149f, -0x1p-126f, INFINITY, -INFINITY, NAN};
    op_case c = case_of(1);
    c.value.absolute = 0x1p-126; /* a unit of subnormals, 2^-149 */
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_gelu, NULL); }
END_TEST

/* Beyond 100 s (1 - s) is no double. */
static double slope(double d, double x) {
    double s = logistic_of(x), u = 2 * sqrt(2 / acos(-1)) * (1 + 3 * 0.044715 * x * x);
    return fabs(x) > 100 ? d * s : d * (s + x * s * (1 - s) * u);
}

static double size(double d, double x) { return isnan(x) ? x : d; }

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, slope);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    oracle_unary_slopes(c, in, d_out, d_in, size);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(5);
    c.inputs[0].shape = HL_SHAPE(3, 21);
    c.slopes = slopes;
    c.slope_sizes = slope_sizes;
    c.gradient = (op_bound){.relative = c.gradient.absolute};
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("gelu", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, SmallAndLargeNumbersHaveGradients,
                                   FarFromZeroItIsTheIdentityOrNothing, ZeroInfinityAndNoNumber, IntegersAreRefused));
}

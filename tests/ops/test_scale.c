/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scale: one factor for all elements, and for their gradients. */
#include <math.h>

#include "headloom/options.h"
#include "tests/support/elementwise_check.h"
#include "tests/support/suite.h"

static void scale(const op_case *c, const double *const in[], double *const out[]) {
    const hl_scale_config *config = c->options;
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++) out[0][e] = (double)config->factor * in[0][e];
}

/* One product with a float: one rounding by at most half a unit. */
static op_case case_of(const hl_scale_config *config) {
    return (op_case){.op = HL__OP_scale,
                     .options = config,
                     .oracle = scale,
                     .value = {.relative = 0.5},
                     .gradient = {.relative = 0.5}};
}

START_TEST(EveryShapeAndLayout) {
    op_case c = case_of(&(hl_scale_config){.factor = -1.7f});
    check_unary(&c);
}
END_TEST

START_TEST(AnyFactorIsTaken) {
    const float factors[] = {0, 1, -1, 0.125f, 1e-20f, -3e20f};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        hl_scale_config config = {.factor = factors[i]};
        op_case c = case_of(&config);
        c.inputs[0].shape = HL_SHAPE(9, 19);
        op_check(&c);
    }
}
END_TEST

START_TEST(InfinitiesStayAndTimesZeroAreNone) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, 1};
    op_case c = case_of(&(hl_scale_config){.factor = -2});
    check_unary_values(&c, values, sizeof values / sizeof *values);
    c = case_of(&(hl_scale_config){.factor = 0});
    check_unary_values(&c, values, sizeof values / sizeof *values);
}
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(HL__OP_scale, &(hl_scale_config){.factor = 2}); }
END_TEST

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    (void)in;
    scale(c, d_out, d_in);
}

START_TEST(ExtremesAreAsInDouble) {
    const float factors[] = {-1.7f, 0, 1e-20f, 3e20f};
    for (size_t i = 0; i < 4; i++) {
        hl_scale_config config = {.factor = factors[i]};
        op_case c = case_of(&config);
        c.inputs[0].shape = HL_SHAPE(3, 21);
        c.slopes = slopes;
        op_extremes(&c);
    }
}
END_TEST

int main(void) {
    return run_tests("scale", TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, AnyFactorIsTaken,
                                    InfinitiesStayAndTimesZeroAreNone, IntegersAreRefused));
}

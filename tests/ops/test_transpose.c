/* SPDX-License-Identifier: BSD-3-Clause
 *
 * transpose: every order of the axes, without a copy, and back. */
#include "headloom/options.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void transpose(const op_case *c, const double *const in[], double *const out[]) {
    const size_t *order = ((const hl_order_config *)c->options)->order;
    const hl_shape *x = &c->inputs[0].shape;
    for (size_t e = 0; e < hl_shape_elements(x); e++) {
        size_t at[HL_MAX_RANK] = {0}, rest = e, y = 0;
        for (size_t axis = x->rank; axis-- > 0; rest /= x->extent[axis]) at[axis] = rest % x->extent[axis];
        for (size_t i = 0; i < x->rank; i++) y = y * x->extent[order[i]] + at[order[i]];
        out[0][y] = in[0][e];
    }
}

/* Bounds are 0: nothing is computed. */
static op_case case_of(hl_shape x, const hl_order_config *config) {
    return (op_case){
        .op = HL__OP_transpose, .options = config, .inputs = {{.shape = x}}, .oracle = transpose, .samples = 40};
}

/* Goes through all orders of n axes: number's digits to the bases n, n - 1, ... choose among the axes left. False
 * behind the last. */
static bool nth_order(size_t n, size_t number, hl_order_config *config) {
    size_t left[HL_MAX_RANK], n_left = n;
    for (size_t i = 0; i < n; i++) left[i] = i;
    for (size_t i = 0; i < n; i++) {
        size_t chosen = number % n_left;
        number /= n_left--;
        config->order[i] = left[chosen];
        for (size_t k = chosen; k < n_left; k++) left[k] = left[k + 1];
    }
    return number == 0;
}

START_TEST(EveryOrderOfUpToFourAxes) {
    const hl_shape shapes[] = {HL_SCALAR, HL_SHAPE(5), HL_SHAPE(3, 17), HL_SHAPE(4, 1, 9), HL_SHAPE(2, 3, 5, 4)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        hl_order_config config = {{0}};
        for (size_t number = 0; nth_order(shapes[s].rank, number, &config); number++)
            for (hl_layout layout = HL_LAYOUT_DENSE; layout <= HL_LAYOUT_ANY; layout++) {
                op_case c = case_of(shapes[s], &config);
                c.inputs[0].layout = layout;
                c.d_output_layout = HL_LAYOUT_ANY - layout;
                op_check(&c);
            }
    }
}
END_TEST

START_TEST(SixAxes) {
    const hl_order_config orders[] = {{{5, 4, 3, 2, 1, 0}}, {{1, 2, 3, 4, 5, 0}}, {{2, 0, 5, 1, 4, 3}}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(2, 3, 4, 1, 5, 3), &orders[i]);
        op_check(&c);
    }
}
END_TEST

START_TEST(IntegersAreTransposedToo) {
    op_case c = case_of(HL_SHAPE(3, 4, 5), &(hl_order_config){{2, 0, 1}});
    c.inputs[0] = (op_input){.shape = c.inputs[0].shape, .dtype = HL_I32, .low = -2e9, .high = 2e9};
    c.forward_only = true;
    op_check(&c);
}
END_TEST

START_TEST(WhatIsNoOrderOfTheAxesIsRefused) {
    const hl_order_config repeated[] = {{{0, 0, 1}}, {{2, 1, 2}}, {{1, 1, 1}}};
    const hl_order_config beyond[] = {{{0, 1, 3}}, {{3, 1, 0}}, {{SIZE_MAX, 0, 1}}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(2, 3, 4), &repeated[i]);
        op_check_refused(&c, HL_INVALID_ARGUMENT);
        c = case_of(HL_SHAPE(2, 3, 4), &beyond[i]);
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(HL_SHAPE(3, 21), &(hl_order_config){{1, 0}});
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("transpose", TESTS(ExtremesAreAsInDouble, EveryOrderOfUpToFourAxes, SixAxes,
                                        IntegersAreTransposedToo, WhatIsNoOrderOfTheAxesIsRefused));
}

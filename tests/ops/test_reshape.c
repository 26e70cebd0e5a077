/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reshape: row-major order stays, with a copy or without. */
#include "headloom/options.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void reshape(const op_case *c, const double *const in[], double *const out[]) {
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++) out[0][e] = in[0][e];
}

/* Bounds are 0: nothing is computed. */
static op_case case_of(hl_shape x, const hl_shape_config *config) {
    return (op_case){
        .op = HL__OP_reshape, .options = config, .inputs = {{.shape = x}}, .oracle = reshape, .samples = 30};
}

static const hl_shape pairs[][2] = {{HL_SCALAR, HL_SHAPE(1, 1)},
                                    {HL_SHAPE(1), HL_SCALAR},
                                    {HL_SHAPE(60), HL_SHAPE(3, 4, 5)},
                                    {HL_SHAPE(6, 35), HL_SHAPE(5, 7, 6)},
                                    {HL_SHAPE(5, 7, 3), HL_SHAPE(5, 7, 3)},
                                    {HL_SHAPE(2, 1, 3, 5, 2, 9), HL_SHAPE(27, 20)},
                                    {HL_SHAPE(270, 2), HL_SHAPE(2, 1, 3, 5, 2, 9)}};
#define N_PAIRS (sizeof pairs / sizeof *pairs)

START_TEST(OrderStaysInAnyLayout) {
    for (size_t i = 0; i < N_PAIRS; i++)
        for (hl_layout layout = HL_LAYOUT_DENSE; layout <= HL_LAYOUT_ANY; layout++)
            for (hl_layout d_layout = HL_LAYOUT_DENSE; d_layout <= HL_LAYOUT_ANY; d_layout++) {
                hl_shape_config config = {.shape = pairs[i][1]};
                op_case c = case_of(pairs[i][0], &config);
                c.inputs[0].layout = layout;
                c.d_output_layout = d_layout;
                op_check(&c);
            }
}
END_TEST

START_TEST(CopiesOfLargeOnesAreCut) {
    hl_shape_config config = {.shape = HL_SHAPE(45001, 3)};
    op_case c = case_of(HL_SHAPE(3, 45001), &config);
    c.inputs[0].layout = c.d_output_layout = HL_LAYOUT_ANY;
    c.min_tiles = 16;
    op_check(&c);
}
END_TEST

START_TEST(IntegersAreReshapedToo) {
    for (hl_layout layout = HL_LAYOUT_DENSE; layout <= HL_LAYOUT_ANY; layout++) {
        hl_shape_config config = {.shape = HL_SHAPE(10, 6)};
        op_case c = case_of(HL_SHAPE(3, 4, 5), &config);
        c.inputs[0] =
            (op_input){.shape = c.inputs[0].shape, .dtype = HL_I32, .low = -2e9, .high = 2e9, .layout = layout};
        c.forward_only = true;
        op_check(&c);
    }
}
END_TEST

START_TEST(OtherNumbersOfElementsAreRefused) {
    const hl_shape shapes[] = {HL_SHAPE(11), HL_SHAPE(3, 5), HL_SCALAR, HL_SHAPE(12, 0), HL_SHAPE(SIZE_MAX / 2 + 7, 2)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(HL_SHAPE(3, 4), &(hl_shape_config){.shape = shapes[i]});
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    op_case c = case_of(HL_SHAPE(3, 4), &(hl_shape_config){.shape = {.rank = HL_MAX_RANK + 1}});
    op_check_refused(&c, HL_INVALID_ARGUMENT);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    hl_shape_config config = {.shape = HL_SHAPE(7, 9)};
    op_case c = case_of(HL_SHAPE(3, 21), &config);
    c.inputs[0].layout = HL_LAYOUT_ANY; /* so that it is no view */
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("reshape", TESTS(ExtremesAreAsInDouble, OrderStaysInAnyLayout, CopiesOfLargeOnesAreCut,
                                      IntegersAreReshapedToo, OtherNumbersOfElementsAreRefused));
}

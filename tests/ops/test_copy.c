/* SPDX-License-Identifier: BSD-3-Clause
 *
 * copy: the same elements, dense, whatever their type and wherever they lay. */
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void copy(const op_case *c, const double *const in[], double *const out[]) {
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++) out[0][e] = in[0][e];
}

static const hl_shape shapes[] = {HL_SCALAR,         HL_SHAPE(1),       HL_SHAPE(67),
                                  HL_SHAPE(5, 1, 3), HL_SHAPE(17, 131), HL_SHAPE(2, 1, 3, 5, 2, 9),
                                  HL_SHAPE(3, 45001)};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* Bounds are 0: nothing is computed. */
static op_case case_of(size_t shape, hl_layout layout) {
    return (op_case){.op = HL__OP_copy,
                     .inputs = {{.shape = shapes[shape], .layout = layout}},
                     .oracle = copy,
                     .min_tiles = shape < 2 ? 1 : 8,
                     .samples = 30};
}

START_TEST(AnyShapeAndLayout) {
    for (size_t s = 0; s < N_SHAPES; s++)
        for (hl_layout layout = HL_LAYOUT_DENSE; layout <= HL_LAYOUT_ANY; layout++) {
            op_case c = case_of(s, layout);
            c.d_output_layout = HL_LAYOUT_ANY - layout;
            op_check(&c);
        }
}
END_TEST

START_TEST(IntegersAreCopiedToo) {
    for (size_t s = 0; s < N_SHAPES; s++) {
        op_case c = case_of(s, HL_LAYOUT_ANY);
        c.inputs[0].dtype = HL_I32;
        c.inputs[0].low = -2e9; /* not all of them are floats */
        c.inputs[0].high = 2e9;
        c.forward_only = true;
        op_check(&c);
    }
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(0, HL_LAYOUT_DENSE);
    c.inputs[0].shape = HL_SHAPE(3, 21);
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) { return run_tests("copy", TESTS(ExtremesAreAsInDouble, AnyShapeAndLayout, IntegersAreCopiedToo)); }

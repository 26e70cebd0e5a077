/* SPDX-License-Identifier: BSD-3-Clause
 *
 * append: tensors one behind the other along any axis; each gets its own part of the gradient. */
#include "headloom/options.h"
#include "tests/support/axis_view.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void append(const op_case *c, const double *const in[], double *const out[]) {
    size_t axis = ((const hl_axis_config *)c->options)->axis, begin = 0;
    axis_view y = axis_view_of(&c->inputs[0].shape, axis);
    y.V = 0;
    for (size_t k = 0; k < c->n_inputs; k++) y.V += c->inputs[k].shape.extent[axis];
    for (size_t k = 0; k < c->n_inputs; k++) {
        axis_view x = axis_view_of(&c->inputs[k].shape, axis);
        for (size_t a = 0; a < x.A; a++)
            for (size_t v = 0; v < x.V; v++)
                for (size_t b = 0; b < x.B; b++)
                    out[0][axis_view_at(&y, a, begin + v, b)] = in[k][axis_view_at(&x, a, v, b)];
        begin += x.V;
    }
}

/* n inputs of one shape but for the axis, along which input k has extents[k]. Bounds are 0: nothing is computed. */
static op_case case_of(const hl_axis_config *config, hl_shape shape, const size_t *extents, size_t n) {
    op_case c = {.op = HL__OP_append, .options = config, .n_inputs = n, .oracle = append, .samples = 25};
    for (size_t k = 0; k < n; k++) {
        c.inputs[k].shape = shape;
        c.inputs[k].shape.extent[config->axis] = extents[k];
    }
    return c;
}

START_TEST(AnyAxisExtentsAndLayout) {
    const hl_shape shapes[] = {HL_SHAPE(1), HL_SHAPE(9, 19), HL_SHAPE(3, 1, 17), HL_SHAPE(2, 3, 2, 5, 3, 4)};
    const size_t extents[] = {3, 1, 20, 7};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t axis = 0; axis < shapes[s].rank; axis++)
            for (hl_layout layout = HL_LAYOUT_DENSE; layout <= HL_LAYOUT_ANY; layout++) {
                hl_axis_config config = {.axis = axis};
                op_case c = case_of(&config, shapes[s], extents, 4);
                for (size_t k = 0; k < 4; k++) c.inputs[k].layout = (hl_layout)((layout + k) % 3);
                c.d_output_layout = layout;
                c.min_tiles = 8;
                c.few_tiles[0] = "dx"; /* of a small input alone */
                op_check(&c);
            }
}
END_TEST

START_TEST(OneToSixteenInputs) {
    const size_t extents[HL_MAX_INPUTS] = {2, 1, 5, 3, 1, 1, 4, 2, 7, 1, 3, 2, 2, 6, 1, 9};
    for (size_t n = 1; n <= HL_MAX_INPUTS; n += 5)
        for (size_t axis = 0; axis < 2; axis++) {
            hl_axis_config config = {.axis = axis};
            op_case c = case_of(&config, HL_SHAPE(5, 7), extents, n);
            c.min_tiles = 8;
            c.few_tiles[0] = "dx";
            op_check(&c);
        }
}
END_TEST

START_TEST(LargeOnesAreCutIntoTilesOfFullSize) {
    hl_axis_config config = {.axis = 1};
    op_case c = case_of(&config, HL_SHAPE(3, 1), (const size_t[]){20011, 25013}, 2);
    c.min_tiles = 18;
    op_check(&c);
}
END_TEST

START_TEST(IntegersAreAppendedToo) {
    hl_axis_config config = {.axis = 1};
    op_case c = case_of(&config, HL_SHAPE(3, 4, 5), (const size_t[]){4, 1, 3}, 3);
    for (size_t k = 0; k < 3; k++)
        c.inputs[k] = (op_input){.shape = c.inputs[k].shape, .dtype = HL_I32, .low = -2e9, .high = 2e9};
    c.forward_only = true;
    op_check(&c);
}
END_TEST

START_TEST(MisfitsAreRefused) {
    hl_axis_config config = {.axis = 1};
    const hl_shape misfits[] = {HL_SHAPE(4, 5), HL_SHAPE(3), HL_SHAPE(3, 5, 1), HL_SCALAR};
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        op_case misfit = case_of(&config, HL_SHAPE(3, 5), (const size_t[]){5, 5}, 2);
        misfit.inputs[1].shape = misfits[i];
        op_check_refused(&misfit, HL_SHAPE_MISMATCH);
    }
    op_case mixed = case_of(&config, HL_SHAPE(3, 5), (const size_t[]){5, 5}, 2);
    mixed.inputs[1].dtype = HL_I32;
    op_check_refused(&mixed, HL_TYPE_MISMATCH);
    op_case c = case_of(&config, HL_SHAPE(3, 5), (const size_t[]){5, 5}, 2);
    config.axis = 2;
    op_check_refused(&c, HL_OUT_OF_RANGE);
    config.axis = 0;
    c.inputs[0].shape = c.inputs[1].shape = HL_SCALAR; /* nothing to append along */
    op_check_refused(&c, HL_OUT_OF_RANGE);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    hl_axis_config config = {.axis = 1};
    op_case c = case_of(&config, HL_SHAPE(3, 21), (const size_t[]){21, 4}, 2);
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("append", TESTS(ExtremesAreAsInDouble, AnyAxisExtentsAndLayout, OneToSixteenInputs,
                                     LargeOnesAreCutIntoTilesOfFullSize, IntegersAreAppendedToo, MisfitsAreRefused));
}

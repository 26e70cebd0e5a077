/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slice: a range along any axis; what lies outside has a gradient of zero. */
#include "headloom/options.h"
#include "tests/support/axis_view.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void slice(const op_case *c, const double *const in[], double *const out[]) {
    const hl_slice_config *config = c->options;
    axis_view x = axis_view_of(&c->inputs[0].shape, config->axis), y = x;
    y.V = config->end - config->begin;
    for (size_t a = 0; a < y.A; a++)
        for (size_t v = 0; v < y.V; v++)
            for (size_t b = 0; b < y.B; b++)
                out[0][axis_view_at(&y, a, v, b)] = in[0][axis_view_at(&x, a, config->begin + v, b)];
}

/* Bounds are 0: nothing is computed. The forward step is a view, without tiles. */
static op_case case_of(hl_shape shape, const hl_slice_config *config) {
    return (op_case){
        .op = HL__OP_slice, .options = config, .inputs = {{.shape = shape}}, .oracle = slice, .samples = 60};
}

START_TEST(AnyAxisRangeAndLayout) {
    const hl_shape shapes[] = {HL_SHAPE(1), HL_SHAPE(67), HL_SHAPE(9, 37), HL_SHAPE(3, 1, 17),
                               HL_SHAPE(2, 3, 2, 5, 3, 4)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t axis = 0; axis < shapes[s].rank; axis++) {
            size_t n = shapes[s].extent[axis];
            const hl_slice_config ranges[] = {
                {axis, 0, n}, {axis, 0, 1}, {axis, n - 1, n}, {axis, n / 3, n - n / 3}, {axis, n / 2, n / 2 + 1}};
            for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
                op_case c = case_of(shapes[s], &ranges[r]);
                c.inputs[0].layout = (hl_layout)(r % 3);
                c.d_output_layout = (hl_layout)((r + axis) % 3);
                c.min_tiles = s == 0 ? 1 : 8;
                op_check(&c);
            }
        }
}
END_TEST

START_TEST(LargeOnesAreCutIntoTilesOfFullSize) {
    hl_slice_config config = {.axis = 1, .begin = 10000, .end = 40002}; /* some tiles are zeros, some have both */
    op_case c = case_of(HL_SHAPE(3, 45001), &config);
    c.min_tiles = 18;
    op_check(&c);
}
END_TEST

START_TEST(IntegersAreSlicedToo) {
    hl_slice_config config = {.axis = 1, .begin = 1, .end = 3};
    op_case c = case_of(HL_SHAPE(3, 4, 5), &config);
    c.inputs[0] = (op_input){.shape = c.inputs[0].shape, .dtype = HL_I32, .low = -2e9, .high = 2e9};
    c.forward_only = true;
    op_check(&c);
}
END_TEST

START_TEST(RangesThatAreNoneAreRefused) {
    const hl_slice_config configs[] = {{.axis = 0, .begin = 1, .end = 1},       {.axis = 0, .begin = 0, .end = 0},
                                       {.axis = 0, .begin = 2, .end = 1},       {.axis = 0, .begin = 0, .end = 4},
                                       {.axis = 0, .begin = 3, .end = 4},       {.axis = 2, .begin = 0, .end = 1},
                                       {.axis = 1, .begin = 0, .end = SIZE_MAX}};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        op_case c = case_of(HL_SHAPE(3, 5), &configs[i]);
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
    op_case scalar = case_of(HL_SCALAR, &(hl_slice_config){.axis = 0, .begin = 0, .end = 1});
    op_check_refused(&scalar, HL_OUT_OF_RANGE);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    hl_slice_config config = {.axis = 1, .begin = 3, .end = 19};
    op_case c = case_of(HL_SHAPE(3, 21), &config);
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("slice", TESTS(ExtremesAreAsInDouble, AnyAxisRangeAndLayout, LargeOnesAreCutIntoTilesOfFullSize,
                                    IntegersAreSlicedToo, RangesThatAreNoneAreRefused));
}

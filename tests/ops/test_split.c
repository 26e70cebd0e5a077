/* SPDX-License-Identifier: BSD-3-Clause
 *
 * split: equal parts along any axis; a part that the loss does not depend on leaves zeros in the gradient. */
#include "headloom/options.h"
#include "tests/support/axis_view.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void split(const op_case *c, const double *const in[], double *const out[]) {
    const hl_axis_config *config = c->options;
    axis_view x = axis_view_of(&c->inputs[0].shape, config->axis), y = x;
    y.V /= config->parts;
    for (size_t part = 0; part < config->parts; part++)
        for (size_t a = 0; a < y.A; a++)
            for (size_t v = 0; v < y.V; v++)
                for (size_t b = 0; b < y.B; b++)
                    out[part][axis_view_at(&y, a, v, b)] = in[0][axis_view_at(&x, a, part * y.V + v, b)];
}

/* Bounds are 0: nothing is computed. */
static op_case case_of(hl_shape shape, const hl_axis_config *config) {
    return (op_case){
        .op = HL__OP_split, .options = config, .inputs = {{.shape = shape}}, .oracle = split, .samples = 40};
}

START_TEST(AnyAxisPartsAndLayout) {
    const hl_shape shapes[] = {HL_SHAPE(1),     HL_SHAPE(66),       HL_SHAPE(24, 7),
                               HL_SHAPE(5, 21), HL_SHAPE(3, 1, 40), HL_SHAPE(2, 3, 2, 8, 3, 4)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t axis = 0; axis < shapes[s].rank; axis++)
            for (size_t parts = 1; parts <= HL_MAX_OUTPUTS; parts++) {
                if (shapes[s].extent[axis] % parts != 0) continue;
                hl_axis_config config = {.axis = axis, .parts = parts};
                op_case c = case_of(shapes[s], &config);
                c.inputs[0].layout = (hl_layout)((parts + axis) % 3);
                c.d_output_layout = (hl_layout)(parts % 3);
                c.min_tiles = s == 0 ? 1 : 8;
                op_check(&c);
            }
}
END_TEST

START_TEST(PartsWithoutGradientLeaveZeros) {
    for (uint32_t absent = 1; absent < 15; absent++)
        for (size_t axis = 0; axis < 2; axis++) {
            hl_axis_config config = {.axis = axis, .parts = 4};
            op_case c = case_of(HL_SHAPE(8, 12), &config);
            c.absent_d_outputs = absent;
            c.d_output_layout = HL_LAYOUT_ROWS;
            op_check(&c);
        }
}
END_TEST

START_TEST(LargeOnesAreCutIntoTilesOfFullSize) {
    hl_axis_config config = {.axis = 1, .parts = 3};
    op_case c = case_of(HL_SHAPE(3, 45003), &config);
    c.min_tiles = 18;
    op_check(&c);
}
END_TEST

START_TEST(IntegersAreSplitToo) {
    hl_axis_config config = {.axis = 1, .parts = 2};
    op_case c = case_of(HL_SHAPE(3, 4, 5), &config);
    c.inputs[0] = (op_input){.shape = c.inputs[0].shape, .dtype = HL_I32, .low = -2e9, .high = 2e9};
    c.forward_only = true;
    op_check(&c);
}
END_TEST

START_TEST(UnequalPartsAndAxesThatAreNoneAreRefused) {
    const size_t parts[] = {0, 5, 7, 9, 12, 24, SIZE_MAX};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        op_case c = case_of(HL_SHAPE(3, 12), &(hl_axis_config){.axis = 1, .parts = parts[i]});
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    op_case c = case_of(HL_SHAPE(3, 12), &(hl_axis_config){.axis = 2, .parts = 1});
    op_check_refused(&c, HL_OUT_OF_RANGE);
    c = case_of(HL_SCALAR, &(hl_axis_config){.parts = 1});
    op_check_refused(&c, HL_OUT_OF_RANGE);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    hl_axis_config config = {.axis = 1, .parts = 3};
    op_case c = case_of(HL_SHAPE(3, 21), &config);
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("split", TESTS(ExtremesAreAsInDouble, AnyAxisPartsAndLayout, PartsWithoutGradientLeaveZeros,
                                    LargeOnesAreCutIntoTilesOfFullSize, IntegersAreSplitToo,
                                    UnequalPartsAndAxesThatAreNoneAreRefused));
}

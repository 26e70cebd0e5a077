/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gather: entries along any axis, in any order, as often as asked for; gradients of repeated ones add up. */
#include "headloom/options.h"
#include "tests/support/axis_view.h"
#include "tests/support/long_sums.h"
#include "tests/support/suite.h"

static void gather(const op_case *c, const double *const in[], double *const out[]) {
    axis_view x = axis_view_of(&c->inputs[0].shape, ((const hl_axis_config *)c->options)->axis), y = x;
    y.V = hl_shape_elements(&c->inputs[1].shape);
    for (size_t a = 0; a < y.A; a++)
        for (size_t i = 0; i < y.V; i++)
            for (size_t b = 0; b < y.B; b++)
                out[0][axis_view_at(&y, a, i, b)] = in[0][axis_view_at(&x, a, (size_t)in[1][i], b)];
}

/* Values are copies. The gradient of an entry is a sum of at most 4096 terms in double precision, rounded once, by half
 * a unit at most. */
static op_case case_of(hl_shape x, hl_shape index, const hl_axis_config *config) {
    return (op_case){.op = HL__OP_gather,
                     .options = config,
                     .inputs = {{.shape = x}, {.shape = index, .dtype = HL_I32}},
                     .oracle = gather,
                     .gradient = {.relative = 0.51},
                     .samples = 40};
}

START_TEST(AnyAxisAndIndex) {
    const hl_shape shapes[] = {HL_SHAPE(40), HL_SHAPE(23, 19), HL_SHAPE(5, 17, 3), HL_SHAPE(2, 3, 4, 5)};
    const hl_shape indices[] = {HL_SCALAR, HL_SHAPE(1), HL_SHAPE(31), HL_SHAPE(3, 1, 5)};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t i = 0; i < sizeof indices / sizeof *indices; i++)
            for (size_t axis = 0; axis < shapes[s].rank; axis++) {
                hl_axis_config config = {.axis = axis};
                op_case c = case_of(shapes[s], indices[i], &config);
                c.inputs[0].layout = (hl_layout)((s + axis) % 3);
                c.inputs[1].layout = (hl_layout)(i % 3);
                c.d_output_layout = (hl_layout)((s + i) % 3);
                op_check(&c);
            }
}
END_TEST

/* Entries are never cut, so that tiles are runs of indices; those of the gradient are runs of entries. */
START_TEST(TilesAreCutAlongIndicesAndEntries) {
    hl_axis_config configs[] = {{.axis = 0}, {.axis = 1}, {.axis = 2}};
    for (size_t k = 0; k < 3; k++) {
        op_case c = case_of(HL_SHAPE(21, 34, 27), HL_SHAPE(5, 11), &configs[k]);
        c.min_tiles = 8;
        op_check(&c);
    }
    op_case large = case_of(HL_SHAPE(300, 130), HL_SHAPE(1100), &configs[0]);
    large.min_tiles = 16;
    large.samples = 15;
    op_check(&large);
}
END_TEST

START_TEST(RepeatedIndicesAddUpAndOthersHaveNoGradient) {
    const int32_t index[12] = {3, 3, 0, 3, 6, 0, 3, 3, 6, 3, 3, 3}; /* 1, 2, 4 and 5 never */
    for (size_t axis = 0; axis < 2; axis++) {
        hl_axis_config config = {.axis = axis};
        op_case c = case_of(HL_SHAPE(7, 7), HL_SHAPE(12), &config);
        c.inputs[1].values = index;
        op_check(&c);
        c.inputs[1].values = (const int32_t[12]){6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6};
        op_check(&c);
    }
}
END_TEST

START_TEST(GradientsOfFrequentEntriesKeepTheirDigits) {
    hl_axis_config config = {.axis = 1};
    for (size_t i = 0; i < LONG_SUM_TERMS; i++) {
        op_case c = case_of(HL_SHAPE(2, 1, 2), HL_SHAPE(LONG_SUM / 4), &config);
        long_sum_check(&c, LONG_SUM / 4, i);
    }
}
END_TEST

START_TEST(MisfitsAreRefused) {
    hl_axis_config config = {.axis = 1};
    op_case c = case_of(HL_SHAPE(3, 5), HL_SHAPE(4), &config);
    c.inputs[0].dtype = HL_I32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
    c = case_of(HL_SHAPE(3, 5), HL_SHAPE(4), &config);
    c.inputs[1].dtype = HL_F32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
    c = case_of(HL_SHAPE(3, 5, 2, 2), HL_SHAPE(4, 1, 1, 1), &config); /* seven axes */
    op_check_refused(&c, HL_SHAPE_MISMATCH);
    c = case_of(HL_SHAPE(3), HL_SHAPE(4), &config);
    op_check_refused(&c, HL_OUT_OF_RANGE);
    config.axis = 0;
    c = case_of(HL_SCALAR, HL_SHAPE(4), &config);
    op_check_refused(&c, HL_OUT_OF_RANGE);
    c = case_of(HL_SHAPE((size_t)INT32_MAX + 1), HL_SHAPE(4), &config); /* more than indices can name */
    op_check_refused(&c, HL_OUT_OF_RANGE);
}
END_TEST

START_TEST(IndicesMayNameEveryEntryAndNoOther) {
    hl_view inputs[2] = {{.dtype = HL_F32, .shape = HL_SHAPE(3, 5)}, {.dtype = HL_I32, .shape = HL_SHAPE(4)}};
    hl_axis_config config = {.axis = 1};
    hl_inference rule = {.options = &config, .n_inputs = 2, .input = inputs, .n_outputs = 1};
    ck_assert_int_eq(hl__operator_for(HL__OP_gather, HL__ISA_BASELINE)->infer(&rule), HL_OK);
    ck_assert_int_eq(rule.index_min[1], 0);
    ck_assert_int_eq(rule.index_max[1], 4);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    hl_axis_config config = {.axis = 0};
    op_case c = case_of(HL_SHAPE(5, 21), HL_SHAPE(9), &config);
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("gather",
                     TESTS(ExtremesAreAsInDouble, AnyAxisAndIndex, TilesAreCutAlongIndicesAndEntries,
                           RepeatedIndicesAddUpAndOthersHaveNoGradient, GradientsOfFrequentEntriesKeepTheirDigits,
                           MisfitsAreRefused, IndicesMayNameEveryEntryAndNoOther));
}

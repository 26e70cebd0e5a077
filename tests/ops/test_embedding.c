/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Embedding: rows of the table, bit by bit, and gradients of rows that are looked up any number of times. */
#include <stdint.h>

#include "tests/support/long_sums.h"
#include "tests/support/suite.h"

enum { TABLE, INDEX };

static void embedding(const op_case *c, const double *const in[], double *const out[]) {
    size_t D = c->inputs[TABLE].shape.extent[1];
    for (size_t i = 0; i < hl_shape_elements(&c->inputs[INDEX].shape); i++)
        for (size_t d = 0; d < D; d++) out[0][i * D + d] = in[TABLE][(size_t)in[INDEX][i] * D + d];
}

/* Values are copied: no error at all. A gradient of up to 4096 numbers is their sum in double precision, rounded once,
 * by half a unit of FLT_EPSILON at most; where a row is not looked up it is exactly 0. */
static op_case case_of(size_t V, size_t D, hl_shape index) {
    return (op_case){.op = HL__OP_embedding,
                     .inputs = {{.shape = HL_SHAPE(V, D)}, {.shape = index, .dtype = HL_I32}},
                     .oracle = embedding,
                     .gradient = {.relative = 0.51},
                     .samples = 60};
}

START_TEST(AnyTableAndAnyIndex) {
    struct {
        size_t V, D;
        hl_shape index;
    } shapes[] = {{1, 1, HL_SHAPE(1)},        {1, 5, HL_SHAPE(7)},
                  {9, 4, HL_SCALAR},          {130, 17, HL_SHAPE(5, 13)},
                  {64, 1, HL_SHAPE(3, 4, 5)}, {65, 33, HL_SHAPE(2, 9)},
                  {1000, 3, HL_SHAPE(40)},    {7, 64, HL_SHAPE(2, 1, 3, 1, 5)}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i].V, shapes[i].D, shapes[i].index);
        c.seed = i;
        op_check(&c);
    }
}
END_TEST

START_TEST(RepeatedIndicesAddUp) {
    int32_t index[60];
    for (size_t i = 0; i < 60; i++) index[i] = i % 7 == 3 ? 11 : i % 2 ? 0 : 18;
    op_case c = case_of(19, 6, HL_SHAPE(4, 15));
    c.inputs[INDEX].values = index;
    c.samples = 19 * 6; /* all: the rows that nobody looks up, too */
    op_check(&c);
}
END_TEST

/* Chunks of 4096 indices: one less, and one more; and a row that stands between many others. */
START_TEST(GradientsOfFrequentRowsKeepTheirDigits) {
    size_t lengths[] = {4095, 4096, 4097, 70000, LONG_SUM};
    for (size_t i = 0; i < LONG_SUM_TERMS * sizeof lengths / sizeof *lengths; i++) {
        op_case c = case_of(1 + i % 3, 1, HL_SHAPE(lengths[i / LONG_SUM_TERMS]));
        long_sum_check(&c, lengths[i / LONG_SUM_TERMS], i % LONG_SUM_TERMS);
    }
}
END_TEST

START_TEST(RowsOfSeveralChunksAreAddedUp) {
    op_case c = case_of(3, 70, HL_SHAPE(2, 4100));
    c.gradient.relative = 0.51 * 4; /* three chunks, and two additions to earlier ones */
    c.unwatched = true;
    c.samples = 8;
    op_check(&c);
}
END_TEST

START_TEST(EightTilesAtLeast) {
    op_case c = case_of(300, 70, HL_SHAPE(3, 50));
    c.min_tiles = 8;
    op_check(&c);
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(23, 7, HL_SHAPE(3, 4));
        c.inputs[TABLE].layout = c.inputs[INDEX].layout = c.d_output_layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    hl_shape tables[] = {HL_SCALAR, HL_SHAPE(5), HL_SHAPE(5, 3, 1), HL_SHAPE((size_t)INT32_MAX + 1, 1)};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        op_case c = case_of(5, 3, HL_SHAPE(4));
        c.inputs[TABLE].shape = tables[i];
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    op_case c = case_of(5, 3, HL_SHAPE(1, 1, 1, 1, 1, 4));
    op_check_refused(&c, HL_SHAPE_MISMATCH);
    c = case_of(5, 3, HL_SHAPE(4));
    c.inputs[TABLE].dtype = HL_I32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
    c = case_of(5, 3, HL_SHAPE(4));
    c.inputs[INDEX].dtype = HL_F32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
}
END_TEST

/* What is written to an index later is checked against the range that the shape rule gives. */
START_TEST(IndicesAreKeptWithinTheTable) {
    hl_view views[] = {{.dtype = HL_F32, .shape = HL_SHAPE(5, 3)}, {.dtype = HL_I32, .shape = HL_SHAPE(4)}};
    hl_inference rule = {.n_inputs = 2, .input = views, .n_outputs = 1};
    ck_assert_int_eq(hl__operator(HL__OP_embedding)->infer(&rule), HL_OK);
    ck_assert_int_eq(rule.index_min[INDEX], 0);
    ck_assert_int_eq(rule.index_max[INDEX], 4);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(5, 21, HL_SHAPE(9));
    c.seed = 3;
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("embedding",
                     TESTS(ExtremesAreAsInDouble, AnyTableAndAnyIndex, RepeatedIndicesAddUp,
                           GradientsOfFrequentRowsKeepTheirDigits, RowsOfSeveralChunksAreAddedUp, EightTilesAtLeast,
                           StridedOperandsAreRead, WhatDoesNotFitIsRefused, IndicesAreKeptWithinTheTable));
}

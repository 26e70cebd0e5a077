/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The weights of a fused attention, from what it saves of each row: exp(S - m) / l, before dropout, zeros where nothing
 * is seen. */
#include <math.h>
#include <stdlib.h>

#include "tests/support/attention_oracle.h"
#include "tests/support/suite.h"

enum { Q, K, BIAS, LENGTHS, ROWS };

/* ROWS holds m / ln 2 - 1/2, l, and what the bias is relative to. */
static void weights(const op_case *c, const double *const in[], double *const out[]) {
    const hl_attention_config *config = c->options;
    const size_t *q = c->inputs[Q].shape.extent;
    size_t planes = q[0] * q[1], Tq = q[2], Tk = c->inputs[K].shape.extent[2], numbers = in[BIAS] ? 3 : 2;
    oracle_scores(c, &config->score, BIAS, LENGTHS, in, out[0]);
    for (size_t e = 0; e < planes * Tq * Tk; e++) {
        const double *row = in[ROWS] + e / Tk / Tq * numbers * Tq + e / Tk % Tq;
        double base = in[BIAS] ? row[2 * Tq] : 0;
        out[0][e] = exp(out[0][e] - base - (row[0] + 0.5) * log(2)) / row[Tq];
    }
}

/* exp(S - m) / l is off by the absolute error of S - m and by 3 units of FLT_EPSILON of its own. |q||k| <= 1, so S is
 * off by (D + 4) / 2 of scale D (+ 2 with a bias, relative to its base; Higham 2002, section 3.1), and S - m by half a
 * unit of itself, where |m| <= 3. */
static op_case case_of(size_t B, size_t H, size_t Tq, size_t Tk, size_t D, const hl_attention_config *config) {
    double scale = config->score.scale != 0 ? fabs((double)config->score.scale) : 1 / sqrt((double)D);
    double most = scale * (double)D + 2;
    return (op_case){.op = HL__OP_attention_weights,
                     .options = config,
                     .inputs = {{.shape = HL_SHAPE(B, H, Tq, D)},
                                {.shape = HL_SHAPE(B, H, Tk, D)},
                                {.shape = HL_SHAPE(B, H, Tq, Tk), .absent = true},
                                {.shape = HL_SHAPE(B), .dtype = HL_I32, .absent = true},
                                {.shape = HL_SHAPE(B, H, 2, Tq), .low = 1, .high = 3}},
                     .oracle = weights,
                     .value = {.relative = ((double)D + 4) / 2 * most + (most + 3) / 2 + 3}};
}

/* With a bias of this shape. */
static void add_bias(op_case *c, hl_shape shape) {
    c->inputs[BIAS].absent = false;
    c->inputs[BIAS].shape = shape;
    c->inputs[ROWS].shape.extent[2] = 3;
}

static const hl_attention_config plain = {.score = {.mask = HL_MASK_NONE}};

START_TEST(AnyExtents) {
    size_t extents[][5] = {{1, 1, 1, 1, 1},     {1, 1, 1, 67, 5},    {2, 1, 67, 1, 16},   {1, 3, 5, 3, 40},
                           {2, 2, 33, 31, 64},  {1, 1, 127, 129, 3}, {1, 1, 128, 128, 4}, {1, 1, 129, 257, 5},
                           {1, 1, 300, 40, 80}, {1, 8, 130, 50, 3},  {1, 2, 3, 513, 6}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4], &plain);
        op_check(&c);
    }
}
END_TEST

START_TEST(EightTilesAtLeast) {
    size_t extents[][5] = {{2, 4, 70, 130, 8}, {4, 6, 17, 17, 8}, {1, 1, 256, 256, 4}, {8, 1, 5, 6, 16}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4], &plain);
        add_bias(&c, c.inputs[BIAS].shape);
        c.min_tiles = 8;
        op_check(&c);
    }
}
END_TEST

START_TEST(MasksAndBiasAreThoseOfScores) {
    hl_score_config masks[] = {{.mask = HL_MASK_CAUSAL},
                               {.mask = HL_MASK_WINDOW, .window = 12},
                               {.mask = HL_MASK_CAUSAL_WINDOW, .window = 33},
                               {.mask = HL_MASK_NONE, .scale = 0.7f}};
    hl_shape biases[] = {HL_SHAPE(2, 1, 50, 270), HL_SHAPE(1, 3, 1, 270), HL_SHAPE(1, 1, 50, 270),
                         HL_SHAPE(2, 3, 1, 270)};
    for (size_t i = 0; i < 8; i++) {
        hl_attention_config config = {.score = masks[i / 2]};
        op_case c = case_of(2, 3, 50, 270, 7, &config);
        if (i % 2 == 0) add_bias(&c, biases[i / 2]);
        c.inputs[LENGTHS].absent = i % 4 == 0;
        c.inputs[LENGTHS].values = (int32_t[]){233, 0};
        op_check(&c);
    }
}
END_TEST

START_TEST(QueryHeadsShareKeys) {
    size_t extents[][6] = {{2, 4, 1, 37, 70, 5}, {1, 4, 2, 130, 50, 3}, {2, 9, 3, 20, 33, 4}, {4, 12, 4, 5, 6, 8}};
    for (size_t i = 0; i < 8; i++) {
        const size_t *e = extents[i / 2];
        hl_attention_config config = {.score = {.mask = i % 2 ? HL_MASK_CAUSAL : HL_MASK_NONE}};
        op_case c = case_of(e[0], e[1], e[3], e[4], e[5], &config);
        c.inputs[K].shape.extent[1] = e[2];
        if (i % 2 == 0) add_bias(&c, c.inputs[BIAS].shape);
        c.inputs[LENGTHS].absent = i % 4 < 2;
        c.inputs[LENGTHS].values = (int32_t[]){(int32_t)e[4] - 1, 0, 5, 1};
        op_check(&c);
    }
}
END_TEST

/* Rows as attention saves them: weights sum to 1, or are zeros where a query sees no key. They are those before
 * dropout. */
START_TEST(RowsOfAnAttentionSumToOne) {
    enum { B = 2, H = 2, Tq = 40, Tk = 33, D = 6, N = B * H * Tq };
    hl_attention_config config = {.score = {.mask = HL_MASK_CAUSAL}, .dropout = {.rate = 0.5f, .seed = 4}};
    static float q[N * D], k[B * H * Tk * D], rows[2 * N];
    static double in_q[N * D], in_k[B * H * Tk * D], s[N * Tk];
    for (size_t i = 0; i < N * D; i++) in_q[i] = (double)(q[i] = sinf(3 * (float)i));
    for (size_t i = 0; i < B * H * Tk * D; i++) in_k[i] = (double)(k[i] = cosf(5 * (float)i));
    op_case c = case_of(B, H, Tq, Tk, D, &config);
    oracle_scores(&c, &config.score, 0, 0, (const double *[]){in_q, in_k}, s);
    for (size_t i = 0; i < N; i++) {
        double max = -INFINITY, sum = 0;
        for (size_t j = 0; j < Tk; j++) max = fmax(max, s[i * Tk + j]);
        for (size_t j = 0; j < Tk; j++) sum += max == -INFINITY ? 0 : exp(s[i * Tk + j] - max);
        ck_assert_int_eq(max == -INFINITY, i % Tq < Tq - Tk);
        rows[i / Tq * 2 * Tq + i % Tq] = max == -INFINITY ? INFINITY : (float)(max / log(2) - 0.5);
        rows[(i / Tq * 2 + 1) * Tq + i % Tq] = sum > 0 ? (float)sum : 1;
    }
    c.inputs[Q].values = q;
    c.inputs[K].values = k;
    c.inputs[ROWS].values = rows;
    op_check(&c);
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(2, 2, 19, 35, 5, &plain);
        add_bias(&c, c.inputs[BIAS].shape);
        c.inputs[LENGTHS].absent = false;
        for (size_t input = Q; input <= ROWS; input++) c.inputs[input].layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    struct {
        size_t input;
        hl_shape shape;
    } wrong[] = {{Q, HL_SHAPE(2, 3, 5, 3)},    {K, HL_SHAPE(1, 3, 7, 4)},    {K, HL_SHAPE(2, 2, 7, 4)},
                 {BIAS, HL_SHAPE(2, 3, 5, 1)}, {LENGTHS, HL_SHAPE(3)},       {ROWS, HL_SHAPE(2, 3, 5)},
                 {ROWS, HL_SHAPE(2, 3, 2, 7)}, {ROWS, HL_SHAPE(2, 3, 3, 5)}, {ROWS, HL_SCALAR}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = case_of(2, 3, 5, 7, 4, &plain);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        c.inputs[wrong[i].input].absent = false;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = Q; input <= LENGTHS; input++) {
        op_case c = case_of(2, 3, 5, 7, 4, &plain);
        c.inputs[input].dtype = input == LENGTHS ? HL_F32 : HL_I32;
        c.inputs[input].absent = false;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
    hl_attention_config config = {.score = {.mask = HL_MASK_WINDOW}};
    op_case c = case_of(2, 3, 5, 7, 4, &config);
    op_check_refused(&c, HL_INVALID_ARGUMENT);
    c = case_of(2, 3, 5, 7, 4, &plain);
    c.inputs[ROWS].dtype = HL_I32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
}
END_TEST

int main(void) {
    return run_tests("attention_weights",
                     TESTS(AnyExtents, EightTilesAtLeast, MasksAndBiasAreThoseOfScores, QueryHeadsShareKeys,
                           RowsOfAnAttentionSumToOne, StridedOperandsAreRead, WhatDoesNotFitIsRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cross-entropy: the mean over labels that count, zeros where none does, at any number of classes and any size of
 * logits. */
#include <math.h>

#include "headloom/options.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

enum { X, LABELS };

static void cross_entropy(const op_case *c, const double *const in[], double *const out[]) {
    const hl_shape *x = &c->inputs[X].shape;
    size_t C = x->extent[x->rank - 1], rows = hl_shape_elements(x) / C;
    double total = 0, count = 0;
    for (size_t i = 0; i < rows; i++) {
        const double *x_i = in[X] + i * C;
        double max = -INFINITY, sum = 0;
        if (in[LABELS][i] == HL_IGNORED) continue;
        for (size_t j = 0; j < C; j++) max = fmax(max, x_i[j]);
        for (size_t j = 0; j < C; j++) sum += exp(x_i[j] - max);
        total += log(sum) + (max - x_i[(size_t)in[LABELS][i]]);
        count++;
    }
    out[0][0] = count > 0 ? total / count : 0;
}

/* exp(x_j - max) / sum, for the label less all others over sum; nothing where it is ignored. of_sizes: what its error
 * grows with, itself, but the exponential, where it is subnormal, is rounded as 2^-126 is. */
static void slopes_of(const op_case *c, const double *const in[], const double *const d_out[], double *dx,
                      bool of_sizes) {
    const hl_shape *x = &c->inputs[X].shape;
    size_t C = x->extent[x->rank - 1], rows = hl_shape_elements(x) / C;
    double count = 0;
    for (size_t i = 0; i < rows; i++) count += in[LABELS][i] != HL_IGNORED;
    for (size_t i = 0; i < rows; i++) {
        const double *x_i = in[X] + i * C;
        double *dx_i = dx + i * C, max = -INFINITY, others = 0;
        if (in[LABELS][i] == HL_IGNORED) continue;
        size_t label = (size_t)in[LABELS][i];
        for (size_t j = 0; j < C; j++) max = fmax(max, x_i[j]);
        for (size_t j = 0; j < C; j++) dx_i[j] = exp(x_i[j] - max);
        for (size_t j = 0; j < C; j++) others += j == label ? 0 : dx_i[j];
        double share = d_out[0][0] / count / (others + dx_i[label]);
        for (size_t j = 0; j < C; j++) dx_i[j] = share * (j == label ? -others : dx_i[j]);
        for (size_t j = 0; of_sizes && j < C; j++) dx_i[j] = fabs(dx_i[j]) + 0x1p-126 * fabs(share);
    }
}

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out, d_in[X], false);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out, d_in[X], true);
}

/* In units of FLT_EPSILON. exp(x - max) rounds its argument d by |d| / 2; over the sum, that is the mean of |d| / 2
 * under the softmax, which is below log(C) / 2 (its entropy is mean |d| + log sum). exp is good to 1.5, and roundings
 * of the sum in eight strands or more, at random, stay below sqrt(C / 8) + 3 (six standard deviations): the logarithm
 * is off by what they make together, and by 2 of itself; x_label - max and the sum of both round by half of what they
 * are, the mean in double by half of the loss.
 *
 * exp(x - max) is off by half of |d|, which is at most 2 range, and 104 where it is not 0 yet, and by 1.5; its share
 * dloss / n / sum by what the sum is and by 1.5; their product by a half. The label has a sum of these. */
static op_case case_of(hl_shape x, double range) {
    double C = (double)x.extent[x.rank - 1], strands = sqrt(C / 8) + 3, sum = log(C) / 2 + strands + 2;
    op_case c = {.op = HL__OP_cross_entropy,
                 .inputs = {{.shape = x, .low = -range, .high = range}, {.shape = x, .dtype = HL_I32}},
                 .oracle = cross_entropy,
                 .value = {.absolute = sum, .relative = 4},
                 .gradient = {.relative = fmin(2 * range, 104) / 2 + 3.5 + sum + strands},
                 .slopes = slopes,
                 .slope_sizes = slope_sizes,
                 .samples = 60};
    c.inputs[LABELS].shape.extent[--c.inputs[LABELS].shape.rank] = 0;
    return c;
}

/* Random labels are among 0 .. C - 1 and, where the shape holds many, the ignored one. */
START_TEST(AnyRankAndNumberOfClasses) {
    hl_shape shapes[] = {HL_SHAPE(1, 1),      HL_SHAPE(7, 2),     HL_SHAPE(5, 17),      HL_SHAPE(64, 9),
                         HL_SHAPE(3, 13, 33), HL_SHAPE(130, 31),  HL_SHAPE(2, 3, 5, 4), HL_SHAPE(2, 1, 2, 3, 2, 16),
                         HL_SHAPE(4, 5, 1),   HL_SHAPE(19, 1000), HL_SHAPE(3, 8193)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i], 3);
        c.seed = i;
        op_check(&c);
    }
}
END_TEST

START_TEST(OneRowHasAScalarLabel) {
    for (int32_t label = HL_IGNORED; label < 5; label++) {
        op_case c = case_of(HL_SHAPE(5), 3);
        c.inputs[LABELS].values = &label;
        op_check(&c);
    }
}
END_TEST

START_TEST(EightTilesAtLeast) {
    hl_shape shapes[] = {HL_SHAPE(19, 1000), HL_SHAPE(2, 40, 9)};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(shapes[i], 3);
        c.min_tiles = 8;
        c.few_tiles[0] = "mean";
        op_check(&c);
    }
}
END_TEST

START_TEST(IgnoredLabelsCountNeitherInTheSumNorInTheMean) {
    int32_t labels[40];
    for (size_t i = 0; i < 40; i++) labels[i] = i % 3 == 1 ? (int32_t)(i % 9) : HL_IGNORED;
    op_case c = case_of(HL_SHAPE(4, 10, 9), 3);
    c.inputs[LABELS].values = labels;
    op_check(&c);
}
END_TEST

/* Bounds of 0: loss and gradient are zero, not NaN, and not small. */
START_TEST(WhereAllLabelsAreIgnoredLossAndGradientAreZero) {
    int32_t labels[12];
    for (size_t i = 0; i < 12; i++) labels[i] = HL_IGNORED;
    op_case c = case_of(HL_SHAPE(3, 4, 19), 3);
    c.inputs[LABELS].values = labels;
    c.value = c.gradient = (op_bound){0, 0};
    op_check(&c);
}
END_TEST

/* exp(100) is infinite in float. */
START_TEST(LargeLogitsDoNotOverflow) {
    double ranges[] = {100, 1000};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(HL_SHAPE(30, 21), ranges[i]);
        op_check(&c);
    }
}
END_TEST

/* One class far above the others: the loss of its label is nearly 0 and keeps its digits, for the maximum is taken
 * off before anything is added to it. */
START_TEST(TheLossOfACertainLabelKeepsItsDigits) {
    enum { ROWS = 10, C = 7 };
    float x[ROWS][C];
    int32_t labels[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < C; j++) x[i][j] = j == i % C ? 1000.0f : 1000.0f - 2 - (float)j;
        labels[i] = (int32_t)(i % C);
    }
    op_case c = case_of(HL_SHAPE(ROWS, C), 1000);
    c.inputs[X].values = x;
    c.inputs[LABELS].values = labels;
    c.value = (op_bound){.absolute = 1, .relative = 4}; /* differences are exact here, and the sum is below 2 */
    op_check(&c);
}
END_TEST

START_TEST(StridedRowsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(HL_SHAPE(3, 4, 19), 3);
        c.inputs[X].layout = c.inputs[LABELS].layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    hl_shape labels[] = {HL_SHAPE(3), HL_SHAPE(3, 4, 19), HL_SHAPE(3, 4, 1), HL_SHAPE(4, 3), HL_SCALAR};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        op_case c = case_of(HL_SHAPE(3, 4, 19), 3);
        c.inputs[LABELS].shape = labels[i];
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    op_case scalar = {.op = HL__OP_cross_entropy, .inputs = {{.shape = HL_SCALAR}, {.dtype = HL_I32}}};
    op_check_refused(&scalar, HL_SHAPE_MISMATCH);
    op_case c = case_of(HL_SHAPE(3, (size_t)INT32_MAX + 1), 3);
    op_check_refused(&c, HL_OUT_OF_RANGE);
    c = case_of(HL_SHAPE(3, 4), 3);
    c.inputs[X].dtype = HL_I32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
    c = case_of(HL_SHAPE(3, 4), 3);
    c.inputs[LABELS].dtype = HL_F32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    const int32_t labels[5] = {1, 0, 4, HL_IGNORED, 20}, none[5] = {0, 1, HL_IGNORED, 2, 3};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(5, 21), 30);
        if (i < 2) c.inputs[LABELS].values = i ? none : labels; /* the middle row counts, or does not */
        else c.inputs[X].shape.extent[1] = 1;
        op_extremes(&c);
    }
}
END_TEST

int main(void) {
    return run_tests("cross_entropy",
                     TESTS(ExtremesAreAsInDouble, AnyRankAndNumberOfClasses, OneRowHasAScalarLabel, EightTilesAtLeast,
                           IgnoredLabelsCountNeitherInTheSumNorInTheMean,
                           WhereAllLabelsAreIgnoredLossAndGradientAreZero, LargeLogitsDoNotOverflow,
                           TheLossOfACertainLabelKeepsItsDigits, StridedRowsAreRead, WhatDoesNotFitIsRefused));
}

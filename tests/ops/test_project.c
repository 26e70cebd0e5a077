/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Projection: each head's matrix times each token, in head-major layout, with or without bias, at any extents, for one
 * set of matrices or several. */
#include <math.h>

#include "tests/support/long_sums.h"
#include "tests/support/suite.h"

enum { X, W, BIAS, SETS = 3 }; /* set p: W + 2 p, BIAS + 2 p */

static void products(const op_case *c, const double *x, const double *w, const double *bias, double *y, bool of_sizes) {
    const size_t *of_x = c->inputs[X].shape.extent, *of_w = c->inputs[W].shape.extent;
    size_t B = of_x[0], T = of_x[1], K = of_x[2], H = of_w[1], D = of_w[2];
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < H; h++)
            for (size_t t = 0; t < T; t++)
                for (size_t d = 0; d < D; d++) {
                    double sum = bias ? bias[h * D + d] : 0;
                    if (of_sizes) sum = fabs(sum);
                    for (size_t k = 0; k < K; k++) {
                        double product = x[(b * T + t) * K + k] * w[(k * H + h) * D + d];
                        sum += of_sizes ? fabs(product) : product;
                    }
                    y[((b * H + h) * T + t) * D + d] = sum;
                }
}

static void all_sets(const op_case *c, const double *const in[], double *const out[], bool of_sizes) {
    for (size_t p = 0; p < SETS; p++)
        if (in[W + 2 * p]) products(c, in[X], in[W + 2 * p], in[BIAS + 2 * p], out[p], of_sizes);
}

static void project(const op_case *c, const double *const in[], double *const out[]) { all_sets(c, in, out, false); }

static void sizes(const op_case *c, const double *const in[], double *const out[]) { all_sets(c, in, out, true); }

/* n products and n additions, each rounded by half a unit of FLT_EPSILON at most, whatever their order: (n + 1) / 2 of
 * the sum of sizes (Higham 2002, section 3.1); 1 % for terms in the square. n is K forward (and 1 for the bias), H D
 * of each set for dx, B T for dw and dbias. */
static op_case sets_of(size_t sets, size_t B, size_t T, size_t K, size_t H, size_t D) {
    op_case c = {.op = HL__OP_project,
                 .inputs = {{.shape = HL_SHAPE(B, T, K)}},
                 .oracle = project,
                 .magnitude = sizes,
                 .value = {.relative = 1.01 * ((double)K + 2) / 2},
                 .gradient = {.relative = 1.01 * (fmax((double)(sets * H * D), (double)(B * T)) + 1) / 2},
                 .samples = 40};
    for (size_t p = 0; p < SETS; p++) {
        c.inputs[W + 2 * p].shape = HL_SHAPE(K, H, D);
        c.inputs[BIAS + 2 * p].shape = HL_SHAPE(H, D);
        c.inputs[W + 2 * p].absent = c.inputs[BIAS + 2 * p].absent = p >= sets;
    }
    return c;
}

static op_case case_of(size_t B, size_t T, size_t K, size_t H, size_t D) { return sets_of(1, B, T, K, H, D); }

START_TEST(AnyExtents) {
    size_t extents[][5] = {{1, 1, 1, 1, 1},    {1, 1, 5, 1, 3},    {2, 3, 7, 3, 5},     {3, 1, 19, 2, 1},
                           {1, 67, 33, 1, 65}, {2, 65, 17, 3, 16}, {5, 13, 64, 2, 64},  {9, 7, 3, 4, 5},
                           {1, 64, 65, 2, 66}, {3, 129, 1, 1, 40}, {1, 600, 11, 1, 19}, {70, 9, 5, 1, 7}};
    for (size_t i = 0; i < 2 * sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i / 2];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4]);
        c.inputs[BIAS].absent = i % 2;
        c.samples = 12;
        op_check(&c);
    }
}
END_TEST

/* Heads that share a tile and the one left over, sums in chunks of 384, tiles of 128 and 256 columns and of 128 tokens:
 * none of them changes what is computed. */
START_TEST(BlocksOfEverySize) {
    size_t extents[][5] = {{2, 67, 9, 5, 20},  {1, 70, 5, 7, 30},  {1, 33, 400, 2, 40}, {2, 9, 770, 1, 3},
                           {1, 20, 5, 2, 400}, {1, 450, 4, 5, 60}, {1, 450, 2, 1, 260}, {1, 8200, 3, 2, 3},
                           {130, 70, 3, 2, 2}, {600, 20, 2, 3, 2}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4]);
        c.samples = 3;
        op_check(&c);
    }
}
END_TEST

START_TEST(LargerShapesMakeEightTiles) {
    op_case c = case_of(2, 70, 130, 4, 48);
    c.min_tiles = 8;
    c.samples = 4;
    op_check(&c);
}
END_TEST

/* Weight gradients of more than 512 tokens are added block after block. */
START_TEST(ManyTokensAreAddedInOrder) {
    size_t extents[][2] = {{1, 1100}, {3, 515}, {40, 30}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(extents[i][0], extents[i][1], 6, 2, 3);
        c.samples = 9;
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(2, 5, 7, 3, 4);
        for (size_t input = X; input <= BIAS; input++) c.inputs[input].layout = layouts[i];
        c.d_output_layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

START_TEST(SeveralSetsProjectOneInput) {
    size_t extents[][5] = {{2, 3, 7, 3, 5}, {2, 65, 17, 3, 16}, {3, 129, 40, 1, 40}, {5, 13, 64, 2, 64}};
    for (size_t i = 0; i < 4 * sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i / 4];
        op_case c = sets_of(2 + i % 2, e[0], e[1], e[2], e[3], e[4]);
        c.inputs[BIAS + 2].absent = i % 4 == 2;
        c.samples = 6;
        op_check(&c);
    }
}
END_TEST

/* Gradients of matrices that a loss does not depend on are zeros. */
START_TEST(SomeResultsMayHaveNoGradient) {
    for (uint32_t absent = 1; absent < 7; absent++) {
        op_case c = sets_of(3, 2, 65, 17, 3, 16);
        c.absent_d_outputs = absent;
        c.samples = 6;
        op_check(&c);
    }
}
END_TEST

START_TEST(SetsThatDoNotMatchAreRefused) {
    op_case wider = sets_of(3, 2, 3, 8, 4, 5), missing = wider, alone = sets_of(2, 2, 3, 8, 4, 5);
    wider.inputs[W + 4].shape = HL_SHAPE(8, 4, 6);
    wider.inputs[BIAS + 4].shape = HL_SHAPE(4, 6);
    op_check_refused(&wider, HL_SHAPE_MISMATCH);
    missing.inputs[W + 2].absent = missing.inputs[BIAS + 2].absent = true;
    op_check_refused(&missing, HL_INVALID_ARGUMENT);
    alone.inputs[BIAS + 4].absent = false;
    op_check_refused(&alone, HL_INVALID_ARGUMENT);
}
END_TEST

/* Sequences of any length: they fill blocks of 512 tokens, or are cut into them. */
START_TEST(GradientsOfManyTokensKeepTheirDigits) {
    size_t lengths[] = {1, 300, 513, 64 * 512 + 1, LONG_SUM};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t T = lengths[i], B = T < 50000 ? 50000 / T : 1;
        op_case c = case_of(B, T, 1, 1, 1);
        c.inputs[X].low = c.inputs[X].high = 1;
        long_sum_check(&c, B * T, 0);
    }
}
END_TEST

/* More than 64 blocks: each tile takes several. */
START_TEST(TilesOfSeveralBlocksTouchWhatTheyDeclare) {
    op_case c = sets_of(2, 66, 257, 1, 2, 1);
    c.samples = 12;
    op_check(&c);
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    struct {
        size_t input;
        hl_shape shape;
    } wrong[] = {{X, HL_SHAPE(3, 8)},       {X, HL_SHAPE(2, 3, 7)}, {X, HL_SHAPE(1, 2, 3, 8)}, {W, HL_SHAPE(7, 4, 5)},
                 {W, HL_SHAPE(8, 20)},      {W, HL_SCALAR},         {BIAS, HL_SHAPE(20)},      {BIAS, HL_SHAPE(5, 4)},
                 {BIAS, HL_SHAPE(1, 4, 5)}, {BIAS, HL_SHAPE(4, 6)}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = case_of(2, 3, 8, 4, 5);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = X; input <= BIAS; input++) {
        op_case c = case_of(2, 3, 8, 4, 5);
        c.inputs[input].dtype = HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
}
END_TEST

/* dx = dy w^T, dw = x^T dy, dbias the sum of dy, of one set. */
static void slopes_of(const op_case *c, const double *const in[], const double *dy, double *const d_in[],
                      bool of_sizes) {
    const size_t *of_x = c->inputs[X].shape.extent, *of_w = c->inputs[W].shape.extent;
    size_t T = of_x[1], K = of_x[2], H = of_w[1], D = of_w[2];
    for (size_t e = 0; e < of_x[0] * H * T * D; e++) {
        size_t b = e / D / T / H, h = e / D / T % H, t = e / D % T, d = e % D;
        for (size_t k = 0; k < K; k++) {
            size_t at_x = (b * T + t) * K + k, at_w = (k * H + h) * D + d;
            double dx = dy[e] * in[W][at_w], dw = dy[e] * in[X][at_x];
            d_in[X][at_x] += of_sizes ? fabs(dx) : dx;
            d_in[W][at_w] += of_sizes ? fabs(dw) : dw;
        }
        d_in[BIAS][h * D + d] += of_sizes ? fabs(dy[e]) : dy[e];
    }
}

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, false);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, true);
}

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(1, 3, 9, 2, 9);
    c.slopes = slopes;
    c.slope_sizes = slope_sizes;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("project",
                     TESTS(ExtremesAreAsInDouble, AnyExtents, BlocksOfEverySize, LargerShapesMakeEightTiles,
                           ManyTokensAreAddedInOrder, GradientsOfManyTokensKeepTheirDigits,
                           TilesOfSeveralBlocksTouchWhatTheyDeclare, StridedOperandsAreRead, SeveralSetsProjectOneInput,
                           SomeResultsMayHaveNoGradient, SetsThatDoNotMatchAreRefused, WhatDoesNotFitIsRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Weighted sums of values, head by head, whose values may be shared, at any extents; the weights are any numbers. */
#include <math.h>

#include "tests/support/attention_oracle.h"
#include "tests/support/suite.h"

enum { P, V };

static void products(const op_case *c, const double *const in[], double *y, bool of_sizes) {
    const size_t *p = c->inputs[P].shape.extent, *v = c->inputs[V].shape.extent;
    size_t rows = p[0] * p[1] * p[2], Tq = p[2], Tk = p[3], Dv = v[3];
    for (size_t row = 0; row < rows; row++) {
        size_t shared = oracle_shared_plane(row / Tq, p[1], v[1]);
        for (size_t j = 0; j < Tk; j++)
            for (size_t d = 0; d < Dv; d++) {
                double product = in[P][row * Tk + j] * in[V][(shared * Tk + j) * Dv + d];
                y[row * Dv + d] += of_sizes ? fabs(product) : product;
            }
    }
}

static void weight(const op_case *c, const double *const in[], double *const out[]) { products(c, in, out[0], false); }
static void sizes(const op_case *c, const double *const in[], double *const out[]) { products(c, in, out[0], true); }

/* n products and n sums are off by (n + 1) / 2 units of FLT_EPSILON of the sum of sizes (Higham 2002, section 3.1; 1 %
 * for terms in the square); n is Tk forward, Dv for dp, Tq for dv. */
static op_case case_of(size_t B, size_t H, size_t Tq, size_t Tk, size_t Dv) {
    return (op_case){.op = HL__OP_weight,
                     .inputs = {{.shape = HL_SHAPE(B, H, Tq, Tk)}, {.shape = HL_SHAPE(B, H, Tk, Dv)}},
                     .oracle = weight,
                     .magnitude = sizes,
                     .value = {.relative = 1.01 * ((double)Tk + 1) / 2},
                     .gradient = {.relative = 1.01 * (fmax((double)Tq, (double)Dv) + 1) / 2},
                     .samples = 20};
}

START_TEST(AnyExtents) {
    size_t extents[][5] = {{1, 1, 1, 1, 1},     {1, 1, 1, 67, 5},    {2, 1, 67, 1, 16},   {1, 3, 5, 3, 40},
                           {2, 2, 33, 31, 64},  {1, 1, 127, 129, 3}, {1, 1, 128, 128, 4}, {1, 1, 129, 257, 5},
                           {1, 1, 40, 300, 80}, {1, 8, 130, 50, 3},  {1, 2, 3, 513, 130}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4]);
        op_check(&c);
    }
}
END_TEST

START_TEST(EightTilesAtLeast) {
    size_t extents[][5] = {{2, 4, 70, 130, 8}, {4, 6, 17, 17, 8}, {1, 1, 256, 256, 4}, {8, 1, 5, 6, 16}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4]);
        c.min_tiles = 8;
        op_check(&c);
    }
}
END_TEST

/* Value heads for one, some or all heads; groups that are odd; several value heads to a tile; more rows than a tile
 * takes. dv adds up Tq products of each head of a group. */
START_TEST(HeadsShareValues) {
    size_t extents[][6] = {{2, 4, 1, 37, 70, 5},  {1, 4, 2, 130, 50, 3}, {2, 9, 3, 20, 33, 4},  {4, 12, 4, 5, 6, 8},
                           {1, 5, 1, 40, 290, 3}, {1, 10, 2, 1, 7, 1},   {1, 6, 3, 300, 17, 2}, {8, 8, 4, 3, 3, 2}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[3], e[4], e[5]);
        c.inputs[V].shape.extent[1] = e[2];
        c.gradient.relative = 1.01 * (fmax((double)(e[1] / e[2] * e[3]), (double)e[5]) + 1) / 2;
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(2, 3, 19, 35, 5);
        c.inputs[P].layout = c.inputs[V].layout = c.d_output_layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    struct {
        size_t input;
        hl_shape shape;
    } wrong[] = {{P, HL_SHAPE(2, 3, 5, 6)},
                 {P, HL_SHAPE(1, 3, 5, 7)},
                 {P, HL_SHAPE(2, 1, 5, 7)},
                 {P, HL_SHAPE(6, 5, 7)},
                 {V, HL_SHAPE(2, 3, 1, 4)},
                 {V, HL_SHAPE(7, 4)},
                 {V, HL_SCALAR},
                 {V, HL_SHAPE(2, 3, 4, 7)},
                 {V, HL_SHAPE(2, 2, 7, 4)},
                 {V, HL_SHAPE(2, 6, 7, 4)}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = case_of(2, 3, 5, 7, 4);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = P; input <= V; input++) {
        op_case c = case_of(2, 3, 5, 7, 4);
        c.inputs[input].dtype = HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
}
END_TEST

int main(void) {
    return run_tests("weight", TESTS(AnyExtents, EightTilesAtLeast, HeadsShareValues, StridedOperandsAreRead,
                                     WhatDoesNotFitIsRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * select: elements of one of two tensors, and gradients to these alone; what is not chosen reaches nothing. */
#include <limits.h>
#include <math.h>

#include "tests/support/op_check.h"
#include "tests/support/suite.h"

enum { MASK, A, B };

static size_t extent_from_end(const hl_shape *shape, size_t k) {
    return k < shape->rank ? shape->extent[shape->rank - 1 - k] : 1;
}

/* All three broadcast, by division and remainder. */
static void choose(const op_case *c, const double *const in[], double *const out[]) {
    size_t n = 1, extent[HL_MAX_RANK];
    for (size_t k = 0; k < HL_MAX_RANK; k++) {
        extent[k] = 1;
        for (size_t i = MASK; i <= B; i++) {
            size_t own = extent_from_end(&c->inputs[i].shape, k);
            if (own > extent[k]) extent[k] = own;
        }
        n *= extent[k];
    }
    for (size_t e = 0; e < n; e++) {
        size_t at[3] = {0}, step[3] = {1, 1, 1}, rest = e;
        for (size_t k = 0; k < HL_MAX_RANK; rest /= extent[k++])
            for (size_t i = MASK; i <= B; i++) {
                size_t own = extent_from_end(&c->inputs[i].shape, k);
                if (own > 1) at[i] += rest % extent[k] * step[i];
                step[i] *= own;
            }
        out[0][e] = in[MASK][at[MASK]] != 0 ? in[A][at[A]] : in[B][at[B]];
    }
}

/* Nothing is rounded but the sums over broadcast axes, which are made in double precision, in parts: half a unit for
 * each part, half for the whole. */
static op_case case_of(hl_shape mask, hl_shape a, hl_shape b) {
    return (op_case){.op = HL__OP_select,
                     .oracle = choose,
                     .gradient = {.relative = 1.01},
                     .inputs = {{.shape = mask, .dtype = HL_I32, .low = -1, .high = 1}, {.shape = a}, {.shape = b}},
                     .samples = 20};
}

START_TEST(EveryBroadcastAndLayout) {
    const struct {
        hl_shape mask, a, b;
    } shapes[] = {{HL_SCALAR, HL_SCALAR, HL_SCALAR},
                  {HL_SHAPE(7, 33, 5), HL_SHAPE(7, 33, 5), HL_SHAPE(7, 33, 5)},
                  {HL_SHAPE(17, 131), HL_SHAPE(131), HL_SCALAR},
                  {HL_SHAPE(21, 1), HL_SHAPE(21, 37), HL_SHAPE(37)},
                  {HL_SHAPE(37), HL_SHAPE(5, 1), HL_SHAPE(3, 1, 1)},
                  {HL_SCALAR, HL_SHAPE(3, 20, 17), HL_SHAPE(20, 1)},
                  {HL_SHAPE(2, 1, 3, 1, 5, 3), HL_SHAPE(4, 3, 2, 1, 3), HL_SHAPE(2, 1, 1, 2, 5, 1)}};
    const hl_layout layouts[] = {HL_LAYOUT_DENSE, HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t k = 0; k < 3; k++) {
            op_case c = case_of(shapes[i].mask, shapes[i].a, shapes[i].b);
            for (size_t input = MASK; input <= B; input++) c.inputs[input].layout = layouts[(k + input) % 3];
            c.d_output_layout = layouts[k];
            op_check(&c);
        }
}
END_TEST

START_TEST(LargeTensorsAreCutIntoTiles) {
    op_case c = case_of(HL_SHAPE(45001), HL_SHAPE(3, 45001), HL_SHAPE(3, 1));
    c.min_tiles = 8;
    c.few_tiles[0] = "combine";
    op_check(&c);
}
END_TEST

/* Every bit of a mask counts: also of those that would be NaN, infinity, subnormal or a negative zero as floats. */
START_TEST(AnyNumberButZeroChooses) {
    int32_t masks[37];
    for (size_t i = 0; i < 37; i++)
        masks[i] = (const int32_t[]){0, 1, INT32_MIN, 0x7f800001, 0x7f800000, -1, 0, INT32_MAX, 0x00400000}[i % 9];
    op_case c = case_of(HL_SHAPE(37), HL_SHAPE(37), HL_SHAPE(37));
    c.inputs[MASK].values = masks;
    op_check(&c);
    c = case_of(HL_SHAPE(37, 1), HL_SHAPE(37, 3), HL_SHAPE(37, 3));
    c.inputs[MASK].values = masks;
    op_check(&c);
}
END_TEST

/* In the gradients, too: differences of what is not chosen are 0, and so is its gradient. */
START_TEST(WhatIsNotChosenReachesNothing) {
    const float odd[] = {NAN, INFINITY, -INFINITY, 0x1.fffffep127f};
    int32_t masks[6 * 23];
    float a[6 * 23], b[6 * 23];
    for (size_t i = 0; i < 6 * 23; i++) {
        masks[i] = i % 5 < 2;
        a[i] = masks[i] ? (float)i / 64 : odd[i % 4];
        b[i] = masks[i] ? odd[i % 4] : -(float)i / 64;
    }
    op_case c = case_of(HL_SHAPE(6, 23), HL_SHAPE(6, 23), HL_SHAPE(6, 23));
    c.inputs[MASK].values = masks;
    c.inputs[A].values = a;
    c.inputs[B].values = b;
    c.samples = 6 * 23;
    op_check(&c);
}
END_TEST

START_TEST(WhatIsChosenPassesAsItIs) {
    const float odd[] = {NAN, INFINITY, -INFINITY, 0x1p-149f, 0x1.fffffep127f};
    int32_t masks[5] = {1, 1, 1, 1, 1};
    for (int side = 0; side < 2; side++) {
        op_case c = case_of(HL_SHAPE(5), HL_SHAPE(5), HL_SHAPE(5));
        c.inputs[MASK].values = masks;
        c.inputs[A + side].values = odd;
        c.forward_only = true;
        op_check(&c);
        for (size_t i = 0; i < 5; i++) masks[i] = 0;
    }
}
END_TEST

START_TEST(WrongTypesAndMisfitsAreRefused) {
    for (size_t i = MASK; i <= B; i++) {
        op_case c = case_of(HL_SHAPE(3), HL_SHAPE(3), HL_SHAPE(3));
        c.inputs[i].dtype = i == MASK ? HL_F32 : HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
        c = case_of(HL_SHAPE(3, 4), HL_SHAPE(3, 4), HL_SHAPE(3, 4));
        c.inputs[i].shape = HL_SHAPE(3, 2);
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    op_case c = case_of(HL_SHAPE(3, 21), HL_SHAPE(3, 21), HL_SHAPE(3, 1));
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("select", TESTS(ExtremesAreAsInDouble, EveryBroadcastAndLayout, LargeTensorsAreCutIntoTiles,
                                     AnyNumberButZeroChooses, WhatIsNotChosenReachesNothing, WhatIsChosenPassesAsItIs,
                                     WrongTypesAndMisfitsAreRefused));
}

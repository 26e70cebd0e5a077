/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Concat: every number arrives, and comes back. */
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void concat(const op_case *c, const double *const in[], double *const out[]) {
    const size_t *x = c->inputs[0].shape.extent;
    size_t B = x[0], H = x[1], T = x[2], D = x[3];
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < H; h++)
            for (size_t t = 0; t < T; t++)
                for (size_t d = 0; d < D; d++)
                    out[0][((b * T + t) * H + h) * D + d] = in[0][((b * H + h) * T + t) * D + d];
}

START_TEST(HeadsLieSideBySide) { /* a copy: no error is allowed */
    hl_shape shapes[] = {HL_SHAPE(1, 1, 1, 1), HL_SHAPE(2, 3, 17, 5), HL_SHAPE(1, 4, 67, 8), HL_SHAPE(3, 2, 130, 40)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        op_check(&(op_case){.op = HL__OP_concat,
                            .inputs = {{.shape = shapes[i]}},
                            .oracle = concat,
                            .samples = 40,
                            .min_tiles = i > 0 ? 8 : 1});
}
END_TEST

START_TEST(StridedHeadsAreRead) {
    op_check(&(op_case){.op = HL__OP_concat,
                        .inputs = {{.shape = HL_SHAPE(2, 3, 5, 4), .layout = HL_LAYOUT_ROWS}},
                        .d_output_layout = HL_LAYOUT_ROWS,
                        .oracle = concat});
}
END_TEST

START_TEST(OtherRanksAreRefused) {
    op_case flat = {.op = HL__OP_concat, .inputs = {{.shape = HL_SHAPE(2, 3, 5)}}};
    op_check_refused(&flat, HL_SHAPE_MISMATCH);
    op_case integer = {.op = HL__OP_concat, .inputs = {{.shape = HL_SHAPE(2, 3, 5, 4), .dtype = HL_I32}}};
    op_check_refused(&integer, HL_TYPE_MISMATCH);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    op_case c = {.op = HL__OP_concat, .inputs = {{.shape = HL_SHAPE(1, 2, 3, 9)}}, .oracle = concat};
    c.linear = true;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("concat",
                     TESTS(ExtremesAreAsInDouble, HeadsLieSideBySide, StridedHeadsAreRead, OtherRanksAreRefused));
}

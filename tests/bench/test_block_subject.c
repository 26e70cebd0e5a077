/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The attention block as a subject: its shapes, its operations, and that it is right. */
#include "bench/subjects/block_subject.h"

#include "tests/bench/subject_kit.h"

START_TEST(OperationsAreCountedByWhatTheMaskLeaves) {
    block_shape shape = {.batch = 3, .tokens = 4, .width = 10, .heads = 5};
    /* 12 rows through four 10 x 10 matrices; scores and weighted sums of 16 pairs, over all heads 10 long */
    double weights = 4.0 * 2 * 12 * 10 * 10, pair = 2.0 * 2 * 3 * 10;
    bench_subject subject = block_subject(&shape);
    ck_assert_double_eq(subject.forward_flops, weights + pair * 16);
    ck_assert_double_eq(subject.backward_flops, 2 * (weights + pair * 16));
    shape.mask.kind = HL_MASK_CAUSAL;
    ck_assert_double_eq(block_subject(&shape).forward_flops, weights + pair * 10);
    shape.mask = (bench_mask){HL_MASK_WINDOW, 2};
    ck_assert_double_eq(block_subject(&shape).forward_flops, weights + pair * 10);
    shape.mask.window = 1;
    ck_assert_double_eq(block_subject(&shape).forward_flops, weights + pair * 4);
}
END_TEST

START_TEST(PartsHaveTheLayersShapes) {
    block_shape shape = {.batch = 3, .tokens = 4, .width = 10, .heads = 5};
    bench_subject subject = block_subject(&shape);
    static const size_t elements[BLOCK_N_PARTS] = {120, 100, 100, 100, 100, 10, 10, 10, 10};
    ck_assert(subject.n_parts == BLOCK_N_PARTS && subject.rows == 12 && subject.row_elements == 10);
    for (size_t i = 0; i < BLOCK_N_PARTS; i++) {
        ck_assert_uint_eq(bench_part_elements(&subject, i), elements[i]);
        ck_assert_int_eq(subject.part[i].input, i == BLOCK_X);
    }
    ck_assert_str_eq(subject.part[BLOCK_WO].name, "mha.wo");
}
END_TEST

START_TEST(TheProgramAgreesWithTheOracle) {
    static const block_shape shapes[] = {{1, 1, 1, 1, {0}},
                                         {2, 7, 12, 3, {0}},
                                         {2, 7, 12, 3, {HL_MASK_CAUSAL, 0}},
                                         {1, 33, 32, 4, {HL_MASK_WINDOW, 5}},
                                         {3, 20, 24, 2, {HL_MASK_CAUSAL_WINDOW, 4}}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) check_agreement(block_subject(&shapes[i]), 2);
}
END_TEST

int main(void) {
    return run_tests("block_subject", TESTS(OperationsAreCountedByWhatTheMaskLeaves, PartsHaveTheLayersShapes,
                                            TheProgramAgreesWithTheOracle));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention alone as a subject: its operations, and that the fused program is right under each mask, with dropout and
 * with shared keys and values. */
#include "bench/subjects/attention_subject.h"

#include "tests/bench/subject_kit.h"

START_TEST(TwoProductsForwardAndFiveBackward) {
    attention_shape shape = {.batch = 3, .heads = 5, .tokens = 4, .head_size = 7};
    double product = 2.0 * 7 * 3 * 5;
    bench_subject subject = attention_subject(&shape);
    ck_assert_double_eq(subject.forward_flops, 2 * product * 16);
    ck_assert_double_eq(subject.backward_flops, 5 * product * 16);
    shape.mask.kind = HL_MASK_CAUSAL;
    ck_assert_double_eq(attention_subject(&shape).forward_flops, 2 * product * 10);
    shape.mask = (bench_mask){HL_MASK_CAUSAL_WINDOW, 2};
    ck_assert_double_eq(attention_subject(&shape).backward_flops, 5 * product * 7);
    ck_assert(subject.rows == 60 && subject.row_elements == 7 && subject.n_parts == 3);
    for (size_t i = 0; i < 3; i++) ck_assert(bench_part_elements(&subject, i) == 420 && subject.part[i].input);
    shape = (attention_shape){.batch = 3, .heads = 4, .tokens = 4, .head_size = 7, .kv_heads = 2};
    subject = attention_subject(&shape);
    ck_assert_double_eq(subject.forward_flops, 2 * (2.0 * 7 * 3 * 4) * 16); /* shared keys save no product */
    ck_assert_uint_eq(bench_part_elements(&subject, ATTENTION_Q), 3 * 4 * 4 * 7);
    ck_assert_uint_eq(bench_part_elements(&subject, ATTENTION_K), 3 * 2 * 4 * 7);
    ck_assert_uint_eq(bench_part_elements(&subject, ATTENTION_V), 3 * 2 * 4 * 7);
}
END_TEST

START_TEST(TheProgramAgreesWithTheOracle) {
    static const attention_shape shapes[] = {{1, 1, 1, 1, {0}, 0, 0},
                                             {1, 1, 2, 1, {0}, 0, 0},
                                             {2, 3, 40, 8, {0}, 0.25, 0},
                                             {2, 3, 37, 5, {HL_MASK_CAUSAL, 0}, 0, 3},
                                             {1, 2, 150, 16, {HL_MASK_CAUSAL, 0}, 0.5, 0},
                                             {1, 2, 90, 16, {HL_MASK_WINDOW, 7}, 0.1, 0},
                                             {2, 1, 90, 64, {HL_MASK_CAUSAL_WINDOW, 20}, 0.9, 0},
                                             {2, 4, 40, 8, {0}, 0.25, 1},
                                             {2, 6, 150, 16, {HL_MASK_CAUSAL, 0}, 0, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_agreement(attention_subject(&shapes[i]), 1 + i % 3);
}
END_TEST

/* The oracle of another mask, of no dropout or of other groups: the check must not take it for the same. */
START_TEST(AnotherMaskOrGroupIsFound) {
    attention_shape shape = {.batch = 1, .heads = 2, .tokens = 12, .head_size = 8};
    attention_shape others[] = {shape, shape, shape, shape};
    others[0].mask.kind = HL_MASK_CAUSAL;
    others[1].mask = (bench_mask){HL_MASK_WINDOW, 11};
    others[2].dropout = 0.1;
    others[3].kv_heads = 1;
    for (size_t i = 0; i < 4; i++) {
        bench_errors errors = errors_beside(attention_subject(&shape), &others[i], 1);
        ck_assert(errors.forward > 1 && errors.gradient > 1);
    }
}
END_TEST

int main(void) {
    return run_tests("attention_subject", TESTS(TwoProductsForwardAndFiveBackward, TheProgramAgreesWithTheOracle,
                                                AnotherMaskOrGroupIsFound));
}

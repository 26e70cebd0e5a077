/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Masks: which keys a query sees, and how many pairs are left. */
#include "bench/subjects/mask.h"

#include "tests/bench/kit.h"

/* What options.h says of each mask where queries and keys are equally many. */
static bool sees(hl_mask kind, int window, int t, int j) {
    bool before = j <= t, near = abs(t - j) < window;
    return kind == HL_MASK_NONE     ? true
           : kind == HL_MASK_CAUSAL ? before
           : kind == HL_MASK_WINDOW ? near
                                    : before && near;
}

START_TEST(EachKindHidesItsKeysAndCountsItsPairs) {
    for (int kind = HL_MASK_NONE; kind <= HL_MASK_CAUSAL_WINDOW; kind++)
        for (int tokens = 1; tokens <= 9; tokens++)
            for (int window = 1; window <= 11; window++) {
                bench_mask mask = {.kind = (hl_mask)kind, .window = (size_t)window};
                double pairs = 0;
                for (int t = 0; t < tokens; t++)
                    for (int j = 0; j < tokens; j++) {
                        bool expected = sees((hl_mask)kind, window, t, j);
                        ck_assert_int_eq(bench_mask_sees(&mask, (size_t)t, (size_t)j), expected);
                        pairs += expected;
                    }
                ck_assert_double_eq(bench_mask_pairs(&mask, (size_t)tokens), pairs);
            }
}
END_TEST

START_TEST(AWindowAndItsMaskBelongTogether) {
    char words[80] = "";
    for (int kind = HL_MASK_NONE; kind <= HL_MASK_CAUSAL_WINDOW; kind++) {
        bool windowed = kind >= HL_MASK_WINDOW;
        bench_mask with = {.kind = (hl_mask)kind, .window = 3}, without = {.kind = (hl_mask)kind};
        ck_assert_int_eq(bench_mask_agrees(&with, words, sizeof words), windowed);
        ck_assert_int_eq(bench_mask_agrees(&without, words, sizeof words), !windowed);
    }
    ck_assert_str_eq(words, "a mask with a window needs --window");
    check_refused(WORDS("attention", "--window", "3"), "--window needs --mask window or causal-window");
    check_refused(WORDS("block", "--mask", "causal-window"), "a mask with a window needs --window");
}
END_TEST

int main(void) {
    return run_tests("mask", TESTS(EachKindHidesItsKeysAndCountsItsPairs, AWindowAndItsMaskBelongTogether));
}

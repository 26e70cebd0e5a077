/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench attention from outside, on sizes that take no time. */
#include "tests/bench/kit.h"

START_TEST(EveryOptionIsMeasuredAndWrittenDown) {
    json_t *report = run_report(WORDS("attention", "--batch", "2", "--heads", "3", "--kv-heads", "1", "--tokens", "17",
                                      "--head-size", "8", "--mask", "window", "--window", "4", "--dropout", "0.25",
                                      "--threads", "2", "--policy", "levels", "--repetitions", "2"));
    const json_t *options = key_of(report, "options");
    ck_assert(number_of(options, "batch") == 2 && number_of(options, "heads") == 3);
    ck_assert(number_of(options, "kv_heads") == 1);
    ck_assert(number_of(options, "tokens") == 17 && number_of(options, "head_size") == 8);
    ck_assert(number_of(options, "window") == 4 && number_of(options, "dropout") == 0.25);
    ck_assert(number_of(options, "threads") == 2 && number_of(options, "repetitions") == 2);
    ck_assert_str_eq(json_string_value(key_of(options, "mask")), "window");
    ck_assert_str_eq(json_string_value(key_of(options, "policy")), "levels");
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 6);
    /* 2 * 3 planes of 17 + 2 (16 + 15 + 14) = 107 pairs, 16 operations each, two products forward and seven in all */
    const json_t *forward = result_of(report, "forward"), *both = result_of(report, "forward_backward");
    double pairs = 6 * 107 * 16;
    ck_assert_double_eq_tol(number_of(forward, "gflops") * number_of(forward, "ms_median") * 1e6, 2 * pairs,
                            2 * WRITTEN * 2 * pairs);
    ck_assert_double_eq_tol(number_of(both, "gflops") * number_of(both, "ms_median") * 1e6, 7 * pairs,
                            2 * WRITTEN * 7 * pairs);
    ck_assert_double_gt(number_of(both, "arena_bytes"), 0);
    json_decref(report);
}
END_TEST

START_TEST(MasksWithoutAWindowAreMeasured) {
    static const char *const masks[] = {"none", "causal"};
    for (size_t i = 0; i < 2; i++) {
        json_t *report = run_report(WORDS("attention", "--batch", "1", "--heads", "2", "--tokens", "65", "--head-size",
                                          "4", "--mask", masks[i], "--repetitions", "1", "--no-scaling"));
        ck_assert(number_of(key_of(report, "options"), "kv_heads") == 2); /* as many as heads */
        json_decref(report);
    }
}
END_TEST

START_TEST(WhatCannotBeBuiltIsAFailureInWords) {
    bench_run run = run_bench(WORDS("attention", "--tokens", "4000000000"));
    ck_assert_int_eq(run.code, EXIT_FAILURE);
    ck_assert_msg(strstr(run.err, "score") != NULL, "%s", run.err);
    free_run(&run);
}
END_TEST

START_TEST(HeadsThatDoNotFallIntoGroupsAreRefused) {
    bench_run run = run_bench(WORDS("attention", "--heads", "4", "--kv-heads", "3"));
    ck_assert_int_ne(run.code, EXIT_SUCCESS);
    ck_assert_msg(strstr(run.err, "3 key and value heads do not divide the 4 heads") != NULL, "%s", run.err);
    free_run(&run);
}
END_TEST

int main(void) {
    return run_tests("attention", TESTS(EveryOptionIsMeasuredAndWrittenDown, MasksWithoutAWindowAreMeasured,
                                        WhatCannotBeBuiltIsAFailureInWords, HeadsThatDoNotFallIntoGroupsAreRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench block from outside, on blocks that take no time: under each policy and mask. */
#include "bench/commands/options.h"
#include "tests/bench/kit.h"

START_TEST(EachPolicyIsMeasured) {
    for (const bench_word *w = bench_policies; w->word; w++) {
        json_t *report = run_report(WORDS("block", "--batch", "2", "--tokens", "9", "--width", "12", "--heads", "3",
                                          "--repetitions", "2", "--threads", "2", "--policy", w->word));
        const json_t *options = key_of(report, "options");
        ck_assert_str_eq(json_string_value(key_of(options, "policy")), w->word);
        ck_assert(number_of(options, "batch") == 2 && number_of(options, "tokens") == 9);
        ck_assert(number_of(options, "width") == 12 && number_of(options, "heads") == 3);
        ck_assert_double_gt(number_of(result_of(report, "forward"), "gflops"), 0);
        ck_assert_double_gt(number_of(result_of(report, "forward_backward"), "gflops"), 0);
        result_of(report, "backward");
        json_decref(report);
    }
}
END_TEST

START_TEST(EachMaskIsMeasured) {
    json_decref(run_report(WORDS("block", "--tokens", "20", "--width", "8", "--heads", "2", "--mask", "causal",
                                 "--repetitions", "1", "--no-scaling")));
    json_decref(run_report(WORDS("block", "--tokens", "20", "--width", "8", "--heads", "2", "--mask", "causal-window",
                                 "--window", "3", "--repetitions", "1", "--no-scaling")));
}
END_TEST

START_TEST(WhatCannotBeBuiltIsAFailureInWords) {
    bench_run run = run_bench(WORDS("block", "--batch", "4000000000", "--tokens", "4000000000"));
    ck_assert_int_eq(run.code, EXIT_FAILURE);
    ck_assert_msg(strncmp(run.err, "hl-bench: ", 10) == 0, "%s", run.err);
    free_run(&run);
}
END_TEST

int main(void) {
    return run_tests("block", TESTS(EachPolicyIsMeasured, EachMaskIsMeasured, WhatCannotBeBuiltIsAFailureInWords));
}

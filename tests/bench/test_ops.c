/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench ops from outside: a line for each pass, slowest first, none left out. */
#include "tests/bench/kit.h"

START_TEST(EveryPassOfTheBlockHasItsTime) {
    json_t *report = run_report(WORDS("ops", "--batch", "1", "--tokens", "8", "--width", "8", "--heads", "2",
                                      "--repetitions", "3", "--threads", "2"));
    const json_t *results = key_of(report, "results");
    ck_assert_double_gt(number_of(result_of(report, "forward_backward"), "fraction_of_peak"), 0);
    double last = INFINITY;
    size_t forward = 0, weights = 0;
    for (size_t i = 1; i < json_array_size(results); i++) {
        const json_t *entry = json_array_get(results, i);
        const char *what = json_string_value(key_of(entry, "what")), *pass = strrchr(what, '.');
        ck_assert_msg(pass != NULL, "%s", what);
        forward +=
            strcmp(pass, ".forward") == 0 && (strncmp(what, "project", 7) == 0 || strncmp(what, "dense", 5) == 0);
        weights += strncmp(pass, ".dw", 3) == 0;
        ck_assert_double_le(number_of(entry, "ms_median"), last);
        ck_assert_double_le(number_of(entry, "ms_min"), number_of(entry, "ms_median"));
        last = number_of(entry, "ms_median");
    }
    ck_assert(forward == 2 && weights == 4); /* three projections, forwards at once, and the dense */
    json_decref(report);
}
END_TEST

START_TEST(NoFileIsLeftBehind) {
    bench_run run = run_bench(WORDS("ops", "--tokens", "4", "--width", "4", "--heads", "1", "--repetitions", "1"));
    ck_assert_int_eq(run.code, 0);
    ck_assert_ptr_nonnull(strstr(run.out, "passes: milliseconds of all workers together"));
    ck_assert_int_ne(access(P_tmpdir "/hl-bench trace", F_OK), 0);
    free_run(&run);
}
END_TEST

int main(void) { return run_tests("ops", TESTS(EveryPassOfTheBlockHasItsTime, NoFileIsLeftBehind)); }

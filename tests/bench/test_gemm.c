/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench gemm from outside: both kernels on one core and on all, whatever the shape. */
#include "tests/bench/kit.h"

/* alone: there may be no generated kernel for the shape. */
static void check_shape(const char *m, const char *n, const char *k, bool alone) {
    json_t *report = run_report(WORDS("gemm", "--m", m, "--n", n, "--k", k, "--repetitions", "2"));
    const json_t *options = key_of(report, "options");
    ck_assert(number_of(options, "m") == atof(m) && number_of(options, "n") == atof(n) &&
              number_of(options, "k") == atof(k));
    size_t n_results = json_array_size(key_of(report, "results"));
    bool generated = strcmp(json_string_value(key_of(key_of(report, "machine"), "gemm")), "libxsmm") == 0;
    ck_assert_uint_eq(n_results, generated && !(alone && n_results == 2) ? 4 : 2);
    static const char *const results[] = {"portable_one_core", "portable_all_cores", "libxsmm_one_core",
                                          "libxsmm_all_cores"};
    for (size_t i = 0; i < n_results; i++) ck_assert_double_gt(number_of(result_of(report, results[i]), "gflops"), 0);
    json_decref(report);
}

START_TEST(AnyShapeIsMeasured) {
    check_shape("64", "256", "256", false);
    check_shape("1", "1", "1", true);
    check_shape("13", "47", "5", false);
}
END_TEST

START_TEST(OperandsBeyondMemoryAreRefused) {
    check_refused(WORDS("gemm", "--m", "4000000000", "--n", "4000000000"),
                  "has operands of more than 268435456 elements");
    check_refused(WORDS("gemm", "--k", "0"), "--k: '0' is no whole number");
    check_refused(WORDS("gemm", "--policy", "levels"), "unrecognized option '--policy'");
}
END_TEST

int main(void) { return run_tests("gemm", TESTS(AnyShapeIsMeasured, OperandsBeyondMemoryAreRefused)); }

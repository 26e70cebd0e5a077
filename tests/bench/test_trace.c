/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench trace from outside: what an event takes follows from the times that are reported beside it. */
#include "tests/bench/kit.h"

#define TINY "trace", "--width", "5", "--steps", "4", "--repetitions", "3"

static void check_case(const json_t *report, const char *prefix, double workers) {
    const json_t *plain = result_of(report, prefix);
    ck_assert_ptr_null(json_object_get(plain, "ns_per_event"));
    static const char *const kinds[] = {"traced", "profiled"};
    for (size_t i = 0; i < 2; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s_%s", prefix, kinds[i]);
        const json_t *entry = result_of(report, what);
        ck_assert(number_of(entry, "workers") == workers && number_of(entry, "tasks") == 20);
        double more = number_of(entry, "ms_median") - number_of(plain, "ms_median");
        double larger = fmax(number_of(entry, "ms_median"), number_of(plain, "ms_median"));
        ck_assert_double_eq_tol(number_of(entry, "ns_per_event") * 20, more * 1e6 * workers,
                                3 * WRITTEN * larger * 1e6 * workers);
    }
}

START_TEST(ChainsAndStencilsAtOneWorkerAndAtAll) {
    json_t *report = run_report(WORDS(TINY, "--threads", "2"));
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 12);
    check_case(report, "chains_1", 1);
    check_case(report, "stencil_1", 1);
    check_case(report, "chains", 2);
    check_case(report, "stencil", 2);
    json_decref(report);
}
END_TEST

START_TEST(OneWorkerIsMeasuredOnce) {
    json_t *report = run_report(WORDS(TINY, "--threads", "1", "--policy", "serial"));
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 6);
    check_case(report, "chains_1", 1);
    check_case(report, "stencil_1", 1);
    json_decref(report);
}
END_TEST

START_TEST(TheLinesSayWhatWasMeasured) {
    bench_run run = run_bench(WORDS(TINY, "--threads", "2"));
    ck_assert_int_eq(run.code, 0);
    static const char *const lines[] = {"ns for a trace, in chains at 1 worker\n", "ns for a profile, in chains at 1 ",
                                        "ns for a trace, in a stencil at 2 workers\n",
                                        "ns for a profile, in a stencil at 2 workers\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(strstr(run.out, lines[i]) != NULL, "%s is not in: %s", lines[i], run.out);
    free_run(&run);
}
END_TEST

START_TEST(OnlySoManyTasksAreTaken) {
    check_refused(WORDS("trace", "--width", "4096", "--steps", "1025"), "1025 steps of 4096 tasks are more than");
}
END_TEST

int main(void) {
    return run_tests("trace", TESTS(ChainsAndStencilsAtOneWorkerAndAtAll, OneWorkerIsMeasuredOnce,
                                    TheLinesSayWhatWasMeasured, OnlySoManyTasksAreTaken));
}

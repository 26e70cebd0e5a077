/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The peak is the larger of two kernels, on one core and on all; hl-bench peak prints and writes both. */
#include "bench/instruments/peak.h"

#include "tests/bench/kit.h"

START_TEST(TheLargerOneCounts) {
    bench_measurement m[BENCH_N_PEAKS] = {[BENCH_PEAK_ONE_FMA] = {.flops = 1e6, .ms_median = 1},
                                          [BENCH_PEAK_ONE_PRODUCT] = {.flops = 3e6, .ms_median = 1},
                                          [BENCH_PEAK_ALL_FMA] = {.flops = 5e6, .ms_median = 1},
                                          [BENCH_PEAK_ALL_PRODUCT] = {.flops = 4e6, .ms_median = 1}};
    ck_assert_double_eq_tol(bench_peak_one(m), 3, 1e-12);
    ck_assert_double_eq_tol(bench_peak_all(m), 5, 1e-12);
}
END_TEST

START_TEST(OneCoreAndAllDoTheSameRoundsEach) {
    bench_machine machine;
    ck_assert(bench_machine_create(&machine));
    bench_peak_teams peak;
    bench_measurement m[BENCH_N_PEAKS];
    ck_assert(bench_peak_prepare(&machine, 3, &peak, m));
    ck_assert_double_eq(peak.team[BENCH_PEAK_ONE_PRODUCT].kernel.flops, 2.0 * 64 * 64 * 256);
    for (size_t i = 0; i < BENCH_PEAK_ALL_FMA; i++) {
        ck_assert(peak.team[i].threads == 1 && peak.team[i + BENCH_PEAK_ALL_FMA].threads == 3);
        ck_assert_double_eq(m[i + BENCH_PEAK_ALL_FMA].flops, 3 * m[i].flops);
        ck_assert_double_ge(m[i].run(m[i].context), 0);
    }
    bench_machine_destroy(&machine);
}
END_TEST

START_TEST(TheCommandReportsBothKernels) {
    json_t *report = run_report(WORDS("peak", "--repetitions", "2", "--threads", "1"));
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 4);
    double peak = number_of(report, "peak_gflops");
    double fma = number_of(result_of(report, "fma_all_cores"), "gflops");
    double product = number_of(result_of(report, "product_all_cores"), "gflops");
    ck_assert_double_eq_tol(peak, fmax(fma, product), 2 * WRITTEN * peak);
    double one_fma = number_of(result_of(report, "fma_one_core"), "fraction_of_peak");
    double one_product = number_of(result_of(report, "product_one_core"), "fraction_of_peak");
    ck_assert_double_eq_tol(fmax(one_fma, one_product), 1, WRITTEN);
    ck_assert(number_of(key_of(report, "options"), "threads") == 1);
    ck_assert(number_of(key_of(report, "options"), "repetitions") == 2);
    json_decref(report);
}
END_TEST

START_TEST(ThePrintedPeaksAreOfOneCoreAndOfAll) {
    bench_run run = run_bench(WORDS("peak", "--repetitions", "1"));
    ck_assert_int_eq(run.code, 0);
    ck_assert_ptr_nonnull(strstr(run.out, "\nfp32 peak of one core: "));
    ck_assert_ptr_nonnull(strstr(run.out, " cores:  "));
    free_run(&run);
}
END_TEST

START_TEST(TheRuntimeIsDescribedWhereThatIsAskedFor) {
    bench_run run = run_bench(WORDS("peak", "--repetitions", "1", "--threads", "2", "--describe"));
    ck_assert_int_eq(run.code, 0);
    ck_assert_int_eq(strncmp(run.out, "headloom ", 9), 0);
    ck_assert_ptr_nonnull(strstr(run.out, "\nworkers: 2, as the options ask"));
    ck_assert_ptr_nonnull(strstr(run.out, "\nfp32 peak of one core: "));
    free_run(&run);
    run = run_bench(WORDS("peak", "--repetitions", "1"));
    ck_assert_ptr_null(strstr(run.out, "workers: "));
    free_run(&run);
}
END_TEST

int main(void) {
    return run_tests("peak", TESTS(TheLargerOneCounts, OneCoreAndAllDoTheSameRoundsEach, TheCommandReportsBothKernels,
                                   ThePrintedPeaksAreOfOneCoreAndOfAll, TheRuntimeIsDescribedWhereThatIsAskedFor));
}

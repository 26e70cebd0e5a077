/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The JSON file: every key that a script reads, with the numbers that were measured. */
#include "bench/report.h"

#include "tests/bench/kit.h"

static const bench_machine machine = {
    .cpu = "a \"cpu\"", .cores = 3, .threads = 6, .numa_nodes = 2, .isa = "avx2", .gemm = "portable", .commit = "abc"};

static void make(bench_report *report) {
    ck_assert(bench_report_create(report, "some", &machine, json_pack("{s:i}", "tokens", 8)));
    report->peak_gflops = 200;
    bench_measurement forward = {.what = "forward", .flops = 1e9, .ms_min = 8, .ms_median = 10};
    bench_measurement plain = {.what = "pass", .ms_min = 1, .ms_median = 2};
    json_t *entry = bench_report_add(report, &forward, report->peak_gflops);
    json_object_set_new(entry, "ns_per_task", json_real(125));
    json_object_set_new(entry, "metg_ns", json_real(2500));
    bench_report_add(report, &plain, 0);
}

START_TEST(TheFileHoldsWhatWasMeasured) {
    bench_report report;
    make(&report);
    const char *path = json_path();
    ck_assert(bench_report_write(&report, path));
    bench_report_destroy(&report);
    json_t *read = load_report(path, "some");
    unlink(path);
    const json_t *where = key_of(read, "machine"), *forward = result_of(read, "forward"),
                 *pass = result_of(read, "pass");
    ck_assert_str_eq(json_string_value(key_of(where, "cpu")), machine.cpu);
    ck_assert_str_eq(json_string_value(key_of(where, "isa")), "avx2");
    ck_assert_str_eq(json_string_value(key_of(where, "gemm")), "portable");
    ck_assert_str_eq(json_string_value(key_of(read, "commit")), "abc");
    ck_assert(number_of(where, "cores") == 3 && number_of(where, "threads") == 6 &&
              number_of(where, "numa_nodes") == 2);
    ck_assert(number_of(read, "peak_gflops") == 200 && number_of(key_of(read, "options"), "tokens") == 8);
    ck_assert(number_of(forward, "ms_min") == 8 && number_of(forward, "ms_median") == 10);
    ck_assert_double_eq_tol(number_of(forward, "gflops"), 100, 1e-6); /* 1e9 in 10 ms */
    ck_assert_double_eq_tol(number_of(forward, "fraction_of_peak"), 0.5, 1e-8);
    ck_assert(number_of(forward, "ns_per_task") == 125 && number_of(forward, "metg_ns") == 2500);
    ck_assert(number_of(pass, "gflops") == 0 && number_of(pass, "fraction_of_peak") == 0);
    json_decref(read);
}
END_TEST

START_TEST(AFileThatCannotBeWrittenIsAFailure) {
    bench_report report;
    make(&report);
    ck_assert(!bench_report_write(&report, "/nonexistent/report.json"));
    ck_assert(bench_report_write(&report, NULL));
    bench_report_destroy(&report);
}
END_TEST

START_TEST(OptionsThatCouldNotBeMadeAreAFailure) {
    bench_report report;
    ck_assert(!bench_report_create(&report, "some", &machine, NULL));
    bench_report_destroy(&report); /* again: harmless */
}
END_TEST

int main(void) {
    return run_tests("report", TESTS(TheFileHoldsWhatWasMeasured, AFileThatCannotBeWrittenIsAFailure,
                                     OptionsThatCouldNotBeMadeAreAFailure));
}

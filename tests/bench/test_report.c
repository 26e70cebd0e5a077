/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The JSON file: every key that a script reads, with the numbers that were measured. */
#include "bench/instruments/report.h"

#include "tests/bench/kit.h"

static const bench_machine machine = {.date = "2024-02-29T12:34:56Z",
                                      .host = "somewhere",
                                      .cpu = "a \"cpu\"",
                                      .cores = 3,
                                      .threads = 6,
                                      .numa_nodes = 2,
                                      .isa = "avx2",
                                      .gemm = "portable",
                                      .commit = "abc",
                                      .version = "1.2.3",
                                      .compiler = "CC 4.5",
                                      .flags = "-O3 -g",
                                      .build = "Release"};

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
    ck_assert_str_eq(json_string_value(key_of(read, "date")), machine.date);
    ck_assert_str_eq(json_string_value(key_of(where, "host")), "somewhere");
    const json_t *build = key_of(read, "build");
    ck_assert_str_eq(json_string_value(key_of(build, "compiler")), "CC 4.5");
    ck_assert_str_eq(json_string_value(key_of(build, "flags")), "-O3 -g");
    ck_assert_str_eq(json_string_value(key_of(build, "type")), "Release");
    ck_assert_str_eq(json_string_value(key_of(build, "version")), "1.2.3");
    ck_assert(json_is_false(key_of(read, "crowded")));
    ck_assert(number_of(where, "cores") == 3 && number_of(where, "threads") == 6 &&
              number_of(where, "numa_nodes") == 2);
    ck_assert(number_of(read, "peak_gflops") == 200 && number_of(key_of(read, "options"), "tokens") == 8);
    ck_assert(number_of(forward, "ms_min") == 8 && number_of(forward, "ms_median") == 10);
    ck_assert_double_eq_tol(number_of(forward, "gflops"), 100, WRITTEN * 100); /* 1e9 in 10 ms */
    ck_assert_double_eq_tol(number_of(forward, "fraction_of_peak"), 0.5, WRITTEN * 0.5);
    ck_assert(number_of(forward, "ns_per_task") == 125 && number_of(forward, "metg_ns") == 2500);
    ck_assert(number_of(pass, "gflops") == 0 && number_of(pass, "fraction_of_peak") == 0);
    json_decref(read);
}
END_TEST

/* What a report of two entries, the first of which is twice as fast as with one worker, prints. */
static char *printed(json_t *options) {
    bench_report report;
    ck_assert(bench_report_create(&report, "some", &machine, options));
    bench_measurement forward = {.what = "forward", .ms_min = 8, .ms_median = 10},
                      one = {.what = "forward_1_worker", .ms_min = 19, .ms_median = 20};
    json_t *entry = bench_report_add(&report, &forward, 0);
    bench_report_add(&report, &one, 0);
    bench_report_add_speedup(entry, 20);
    ck_assert_double_eq_tol(number_of(entry, "speedup"), 2, 1e-12);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    bench_report_print(&report);
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    bench_report_destroy(&report);
    return text_of(file);
}

static void check_print(json_t *options, const char *const expected[], const char *const absent[]) {
    char *text = printed(options);
    for (size_t i = 0; expected[i]; i++)
        ck_assert_msg(strstr(text, expected[i]) != NULL, "'%s' is not in: %s", expected[i], text);
    for (size_t i = 0; absent[i]; i++)
        ck_assert_msg(strstr(text, absent[i]) == NULL, "'%s' is in: %s", absent[i], text);
    free(text);
}

START_TEST(ScalingIsSaidWhereThereIsSome) {
    check_print(json_pack("{s:i,s:s}", "threads", 4, "policy", "levels"),
                WORDS("\nscaling, 4 workers against 1 (medians): forward 2.00 times as fast\n",
                      "2024-02-29T12:34:56Z, host somewhere, Release build by CC 4.5, Headloom 1.2.3\n"),
                WORDS("take turns", "no scaling"));
    check_print(json_pack("{s:i,s:s}", "threads", 1, "policy", "serial"),
                WORDS("policy serial: one worker runs all tasks, so there is no scaling\n"),
                WORDS("take turns", "times as fast"));
}
END_TEST

START_TEST(MoreThreadsThanCpusAreSaid) {
    check_print(json_pack("{s:i}", "threads", 6), WORDS("scaling, 6 workers"), WORDS("take turns"));
    check_print(json_pack("{s:i}", "threads", 7),
                WORDS("7 threads are more than the 6 CPUs that this process may use: they take turns\n",
                      "7 workers on 6 CPUs against 1 worker, which is no scaling (medians): forward 2.00 times"),
                WORDS("\nscaling"));
    bench_report report;
    ck_assert(bench_report_create(&report, "some", &machine, json_pack("{s:i}", "threads", 7)));
    bench_report_add(&report, &(bench_measurement){.what = "x"}, 0);
    report.peak_gflops = 1;
    ck_assert(bench_report_write(&report, json_path()));
    bench_report_destroy(&report);
    json_t *read = load_report(json_path(), "some");
    unlink(json_path());
    ck_assert(json_is_true(key_of(read, "crowded")));
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
    return run_tests("report",
                     TESTS(TheFileHoldsWhatWasMeasured, ScalingIsSaidWhereThereIsSome, MoreThreadsThanCpusAreSaid,
                           AFileThatCannotBeWrittenIsAFailure, OptionsThatCouldNotBeMadeAreAFailure));
}

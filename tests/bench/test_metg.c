/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench metg, from outside and within, on graphs that take no time: the curve has every size once, and its METG
 * follows from it. */
#include <sys/stat.h>

#include "bench/bench.h"
#include "bench/instruments/granularity.h"
#include "bench/subjects/grid_graph.h"
#include "tests/bench/kit.h"

#define TINY "metg", "--width", "4", "--steps", "9", "--rounds", "40", "--repetitions", "2"
#define N_SIZES 6 /* 1, 2, 5, 10, 20 and 40 rounds */

static const size_t rounds[N_SIZES] = {1, 2, 5, 10, 20, 40};

/* ---- bench_metg in this process, with runs that are left out ---- */

static bool idle_hands;

hl_status __real_hl_program_run(hl_program *program);
hl_status __wrap_hl_program_run(hl_program *program);

hl_status __wrap_hl_program_run(hl_program *program) { return idle_hands ? HL_OK : __real_hl_program_run(program); }

/* The exit code. The file of results, opened before anything is measured, stays empty where nothing is. */
static int metg_here(void) {
    char *words[] = {"hl-bench metg", "--width=3", "--steps=3",         "--rounds=4", "--repetitions=1",
                     "--threads=1",   "--json",    (char *)json_path(), NULL};
    int code = bench_metg(sizeof words / sizeof words[0] - 1, words);
    struct stat file;
    ck_assert_int_eq(stat(json_path(), &file), 0);
    ck_assert_int_eq(file.st_size > 0, code == EXIT_SUCCESS);
    unlink(json_path());
    return code;
}

START_TEST(TasksThatDoNotRunAreNotTimed) {
    ck_assert_int_eq(metg_here(), EXIT_SUCCESS);
    idle_hands = true;
    ck_assert_int_eq(metg_here(), EXIT_FAILURE);
    idle_hands = false;
}
END_TEST

/* ---- from outside ---- */

static void check_curve(const json_t *report, const grid_shape *shape, const char *suffix, double workers) {
    granularity curve[N_SIZES];
    char what[48];
    double tasks = (double)grid_tasks(shape), best = 0, efficiency[N_SIZES];
    for (size_t i = 0; i < N_SIZES; i++) {
        snprintf(what, sizeof what, "rounds_%zu%s", rounds[i], suffix);
        const json_t *entry = result_of(report, what);
        double ms = number_of(entry, "ms_median"), flops = number_of(entry, "gflops") * ms * 1e6;
        double expected = grid_graph_flops_of_round() * (double)rounds[i] * tasks;
        ck_assert_double_eq_tol(flops, expected, 2 * WRITTEN * expected);
        curve[i] = (granularity){.ns = number_of(entry, "ns_per_task"), .rate = number_of(entry, "gflops")};
        ck_assert_double_eq_tol(curve[i].ns * tasks, ms * 1e6 * workers, 2 * WRITTEN * ms * 1e6 * workers);
        efficiency[i] = number_of(entry, "efficiency");
        best = fmax(best, curve[i].rate);
    }
    for (size_t i = 0; i < N_SIZES; i++) ck_assert_double_eq_tol(efficiency[i], curve[i].rate / best, 3 * WRITTEN);
    snprintf(what, sizeof what, "metg%s", suffix);
    double metg = number_of(result_of(report, what), "metg_ns"), from_curve = granularity_least(curve, N_SIZES, 0.5);
    ck_assert_double_eq_tol(metg, from_curve, 1e-5 * from_curve);
}

START_TEST(EveryPatternHasItsCurve) {
    static const char *const names[] = {"stencil", "nearest5", "tree"};
    for (size_t p = 0; p < 3; p++) {
        grid_shape shape = {.pattern = (grid_pattern)p, .width = 4, .rows = 9};
        json_t *report = run_report(WORDS(TINY, "--threads", "2", "--pattern", names[p]));
        const json_t *options = key_of(report, "options");
        ck_assert_str_eq(json_string_value(key_of(options, "pattern")), names[p]);
        ck_assert(number_of(options, "rounds") == 40 && number_of(options, "threads") == 2);
        ck_assert_uint_eq(json_array_size(key_of(report, "results")), 2 * (N_SIZES + 1));
        check_curve(report, &shape, "", 2);
        check_curve(report, &shape, "_1_worker", 1);
        json_decref(report);
    }
}
END_TEST

START_TEST(OneWorkerIsLeftOutWhereItIsAloneOrNotWished) {
    grid_shape shape = {.pattern = GRID_STENCIL, .width = 4, .rows = 9};
    const char *const *const lines[] = {WORDS(TINY, "--threads", "1"),
                                        WORDS(TINY, "--threads", "2", "--policy", "levels", "--no-scaling")};
    for (size_t i = 0; i < 2; i++) {
        json_t *report = run_report(lines[i]);
        ck_assert_uint_eq(json_array_size(key_of(report, "results")), N_SIZES + 1);
        check_curve(report, &shape, "", 1 + (double)i);
        json_decref(report);
    }
}
END_TEST

START_TEST(WhatIsReportedIsAlsoSaid) {
    bench_run run = run_bench(WORDS(TINY, "--threads", "2", "--pattern", "tree"));
    ck_assert_int_eq(run.code, 0);
    static const char *const words[] = {
        "behind those that it waits for: 19 tasks, 24 edges", /* rows of 1 2 4 2 1 2 4 2 1 */
        "1 worker: ns a task", "2 workers: ns a task", "METG(50%): "};
    for (size_t i = 0; i < 4; i++) ck_assert_msg(strstr(run.out, words[i]) != NULL, "'%s': %s", words[i], run.out);
    free_run(&run);
}
END_TEST

START_TEST(WordsThatAreWrongAreRefused) {
    check_refused(WORDS("metg", "--pattern", "star"), "--pattern: 'star' is none of stencil, nearest5, tree");
    check_refused(WORDS("metg", "--rounds", "0"), "--rounds: '0' is no whole number");
    check_refused(WORDS("metg", "--steps", "0"), "--steps: '0' is no whole number");
    check_refused(WORDS("metg", "--steps", "4194304"), "4194304 steps of 64 tasks are more than 4194304 tasks");
    check_refused(WORDS("metg", "--idle"), "unrecognized option '--idle'");
}
END_TEST

int main(void) {
    return run_tests("metg", TESTS(TasksThatDoNotRunAreNotTimed, EveryPatternHasItsCurve,
                                   OneWorkerIsLeftOutWhereItIsAloneOrNotWished, WhatIsReportedIsAlsoSaid,
                                   WordsThatAreWrongAreRefused));
}

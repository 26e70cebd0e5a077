/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench tasks, from outside and within, on graphs that take no time: what a task takes follows from the time that is
 * reported beside it, and a runtime that does not run what it is given is not timed. */
#include <sys/stat.h>

#include "bench/bench.h"
#include "headloom/headloom.h"
#include "tests/bench/kit.h"

#define TINY "tasks", "--width", "5", "--steps", "4", "--repetitions", "2"
#define N_EDGES 39 /* 3 rows of 3 * 5 - 2 */

/* ---- bench_tasks in this process, with runs that are left out ---- */

static bool idle_hands;

hl_status __real_hl_program_run(hl_program *program);
hl_status __wrap_hl_program_run(hl_program *program);

hl_status __wrap_hl_program_run(hl_program *program) { return idle_hands ? HL_OK : __real_hl_program_run(program); }

/* The exit code. The file of results, opened before anything is measured, stays empty where nothing is. */
static int tasks_here(void) {
    char *words[] = {"hl-bench tasks", "--width=3", "--steps=3",         "--repetitions=1",
                     "--threads=1",    "--json",    (char *)json_path(), NULL};
    int code = bench_tasks(sizeof words / sizeof words[0] - 1, words);
    struct stat file;
    ck_assert_int_eq(stat(json_path(), &file), 0);
    ck_assert_int_eq(file.st_size > 0, code == EXIT_SUCCESS);
    unlink(json_path());
    return code;
}

START_TEST(TasksThatDoNotRunAreNotTimed) {
    ck_assert_int_eq(tasks_here(), EXIT_SUCCESS);
    idle_hands = true;
    ck_assert_int_eq(tasks_here(), EXIT_FAILURE);
    idle_hands = false;
}
END_TEST

/* ---- from outside ---- */

static void check_tasks(const json_t *report, const char *what, double workers, double tasks, double edges,
                        double levels) {
    const json_t *entry = result_of(report, what);
    double ns = number_of(entry, "ms_median") * 1e6;
    ck_assert(number_of(entry, "workers") == workers && number_of(entry, "tasks") == tasks);
    ck_assert_double_eq(number_of(entry, "edges"), edges);
    ck_assert_double_gt(ns, 0);
    ck_assert_double_eq_tol(number_of(entry, "ns_per_task") * tasks, ns * workers, 2 * WRITTEN * ns * workers);
    ck_assert_double_eq_tol(number_of(entry, "ns_per_level") * levels, ns, 2 * WRITTEN * ns);
}

START_TEST(ATaskIsMeasuredAtOneWorkerAndAtAll) {
    json_t *report = run_report(WORDS(TINY, "--threads", "2"));
    const json_t *options = key_of(report, "options");
    ck_assert(number_of(options, "width") == 5 && number_of(options, "steps") == 4);
    ck_assert_str_eq(json_string_value(key_of(options, "policy")), "dataflow");
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 2);
    check_tasks(report, "tasks", 2, 20, N_EDGES, 4);
    check_tasks(report, "tasks_1_worker", 1, 20, N_EDGES, 4);
    json_decref(report);
}
END_TEST

START_TEST(OneWorkerIsLeftOutWhereItIsAloneOrNotWished) {
    const char *const *const lines[] = {WORDS(TINY, "--threads", "1"), WORDS(TINY, "--threads", "2", "--no-scaling"),
                                        WORDS(TINY, "--threads", "2", "--policy", "serial")};
    static const double workers[] = {1, 2, 1};
    for (size_t i = 0; i < 3; i++) {
        json_t *report = run_report(lines[i]);
        ck_assert_uint_eq(json_array_size(key_of(report, "results")), 1);
        check_tasks(report, "tasks", workers[i], 20, N_EDGES, 4);
        json_decref(report);
    }
}
END_TEST

/* A level of as many tasks as workers: rows of 2 wait for both tasks of the row before. */
START_TEST(LevelsAlsoHaveTheirBarrierMeasured) {
    json_t *report = run_report(WORDS(TINY, "--threads", "2", "--policy", "levels"));
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 3);
    check_tasks(report, "tasks", 2, 20, N_EDGES, 4);
    check_tasks(report, "levels", 2, 8, 12, 4);
    json_decref(report);
}
END_TEST

START_TEST(IdleTimeAndWakesAreReported) {
    json_t *report = run_report(WORDS(TINY, "--threads", "2", "--no-scaling", "--idle", "--wakes", "3"));
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 3);
    const json_t *wake = result_of(report, "wake"), *idle = result_of(report, "idle");
    double p50 = number_of(wake, "p50_us");
    ck_assert_double_eq_tol(number_of(wake, "ms_median") * 1e3, p50, 2 * WRITTEN * p50);
    ck_assert_double_ge(number_of(wake, "p99_us"), p50);
    double percent = number_of(idle, "percent_of_wall"); /* of a second or a little more */
    ck_assert(percent > 0 && percent <= number_of(idle, "ms_median") / 10 * (1 + 2 * WRITTEN));
    json_decref(report);
}
END_TEST

START_TEST(WhatIsReportedIsAlsoSaid) {
    bench_run run = run_bench(WORDS(TINY, "--threads", "2", "--policy", "levels"));
    ck_assert_int_eq(run.code, 0);
    static const char *const words[] = {"every task ran once a run, behind those that it waits for: 20 tasks, 39 edges",
                                        "ns at 1 worker (wall", "ns at 2 workers (wall",
                                        "a level of 2 empty tasks and its barrier take"};
    for (size_t i = 0; i < 4; i++) ck_assert_msg(strstr(run.out, words[i]) != NULL, "'%s': %s", words[i], run.out);
    free_run(&run);
}
END_TEST

START_TEST(WordsThatAreWrongAreRefused) {
    check_refused(WORDS("tasks", "--width", "0"), "--width: '0' is no whole number");
    check_refused(WORDS("tasks", "--steps", "-1"), "--steps: '-1' is no whole number");
    check_refused(WORDS("tasks", "--wakes", "0"), "--wakes: '0' is no whole number");
    check_refused(WORDS("tasks", "--pattern", "tree"), "unrecognized option '--pattern'");
    check_refused(WORDS("tasks", "--width", "4000000000", "--steps", "4000000000"), "are more than 4194304 tasks");
    check_refused(WORDS("tasks", "now"), "Too many arguments");
}
END_TEST

int main(void) {
    return run_tests("tasks",
                     TESTS(TasksThatDoNotRunAreNotTimed, ATaskIsMeasuredAtOneWorkerAndAtAll,
                           OneWorkerIsLeftOutWhereItIsAloneOrNotWished, LevelsAlsoHaveTheirBarrierMeasured,
                           IdleTimeAndWakesAreReported, WhatIsReportedIsAlsoSaid, WordsThatAreWrongAreRefused));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The OpenMP peers of `hl-bench tasks`, those that were built: they run the graph that hl-bench runs, and say so. */
#include "bench/subjects/grid_graph.h"
#include "tests/bench/kit.h"

static const char *const programs[] = {
#ifdef HL_OMP_TASKS_gomp
    HL_OMP_TASKS_gomp,
#endif
#ifdef HL_OMP_TASKS_lomp
    HL_OMP_TASKS_lomp,
#endif
    NULL};

/* Ended by json_decref. */
static json_t *run_peer(const char *program, const char *const words[]) {
    bench_run run = run_program(program, words);
    ck_assert_msg(run.code == 0, "%s: exit code %d: %s%s", program, run.code, run.out, run.err);
    ck_assert_str_eq(run.err, "");
    json_error_t error;
    json_t *made = json_loads(run.out, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(made != NULL, "%s: %s", error.text, run.out);
    free_run(&run);
    return made;
}

static void check_peer(const char *program, size_t width, size_t rows, size_t threads) {
    char words[3][32];
    snprintf(words[0], sizeof words[0], "--width=%zu", width);
    snprintf(words[1], sizeof words[1], "--steps=%zu", rows);
    snprintf(words[2], sizeof words[2], "--threads=%zu", threads);
    json_t *made = run_peer(program, WORDS(words[0], words[1], words[2], "--repetitions=3"));
    grid_shape shape = {.pattern = GRID_STENCIL, .width = width, .rows = rows};
    double tasks = number_of(made, "tasks"), ns = number_of(made, "ms_median") * 1e6;
    ck_assert_double_eq(tasks, (double)grid_tasks(&shape));
    ck_assert_double_eq(number_of(made, "edges"), (double)grid_edges(&shape));
    ck_assert_double_eq(number_of(made, "threads"), (double)threads);
    ck_assert(number_of(made, "ms_min") > 0 && number_of(made, "ms_min") * 1e6 <= ns);
    /* milliseconds are written to 1e-6, and what a task takes to 1e-3 ns */
    ck_assert_double_eq_tol(number_of(made, "ns_per_task") * tasks, ns * (double)threads, 1e-3 * tasks + 2);
    json_decref(made);
}

START_TEST(EachRuntimeRunsTheSameGraph) {
    ck_assert_ptr_nonnull(programs[0]);
    for (size_t i = 0; programs[i]; i++) {
        check_peer(programs[i], 1, 1, 1);
        check_peer(programs[i], 1, 5, 2);
        check_peer(programs[i], 2, 4, 2);
        check_peer(programs[i], 9, 30, 2);
    }
}
END_TEST

START_TEST(WordsThatAreWrongAreRefused) {
    static const char *const wrong[] = {"--width=0",        "--steps=",        "--threads=two",
                                        "--repetitions=-1", "--policy=levels", "--width=999999999"};
    for (size_t i = 0; programs[i]; i++) {
        for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
            bench_run run = run_program(programs[i], WORDS(wrong[w]));
            ck_assert_int_eq(run.code, 2);
            ck_assert_str_eq(run.out, "");
            ck_assert_ptr_nonnull(strstr(run.err, wrong[w]));
            free_run(&run);
        }
    }
}
END_TEST

int main(void) { return run_tests("omp_tasks", TESTS(EachRuntimeRunsTheSameGraph, WordsThatAreWrongAreRefused)); }

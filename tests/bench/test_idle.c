/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Idle figures: the window is as long as it was asked to be, wakes are sorted before they are told, and what cannot be
 * run is no figure. */
#include "bench/subjects/idle.h"

#include "tests/bench/kit.h"

static size_t runs, failing_run; /* 0: none */

hl_status __real_hl_program_run(hl_program *program);
hl_status __wrap_hl_program_run(hl_program *program);

hl_status __wrap_hl_program_run(hl_program *program) {
    return ++runs == failing_run ? HL_BUSY : __real_hl_program_run(program);
}

static hl_runtime *open_runtime(void) {
    hl_runtime *runtime;
    ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 2}, &runtime), HL_OK);
    return runtime;
}

START_TEST(APercentileIsOneOfTheValues) {
    double values[200];
    for (size_t i = 0; i < 200; i++) values[i] = (double)(i + 1);
    ck_assert_double_eq(idle_percentile(values, 200, 50), 100);
    ck_assert_double_eq(idle_percentile(values, 200, 99), 198);
    ck_assert_double_eq(idle_percentile(values, 200, 100), 200);
    ck_assert_double_eq(idle_percentile(values, 200, 0), 1);
    ck_assert_double_eq(idle_percentile(values, 3, 50), 2);
    ck_assert_double_eq(idle_percentile(values, 3, 99), 3);
    ck_assert_double_eq(idle_percentile(values, 1, 50), 1);
}
END_TEST

START_TEST(CpuTimeIsAShareOfTheWallTime) {
    ck_assert_double_eq(idle_cpu_percent(&(idle_figures){.wall_ms = 400, .cpu_ms = 1}), 0.25);
    ck_assert_double_eq(idle_cpu_percent(&(idle_figures){.cpu_ms = 1}), 0);
}
END_TEST

START_TEST(TheWindowAndTheWakesAreThoseAskedFor) {
    hl_runtime *runtime = open_runtime();
    idle_figures figures;
    runs = 0;
    ck_assert(idle_measure(runtime, 30, 4, &figures));
    ck_assert_uint_eq(runs, 1 + 4); /* one that warms up */
    ck_assert_uint_eq(figures.n_wakes, 4);
    ck_assert_double_ge(figures.wall_ms, 30); /* a sleep is never shorter */
    ck_assert(figures.cpu_ms > 0 && isfinite(figures.cpu_ms));
    ck_assert(figures.wake_min_us > 0 && figures.wake_min_us <= figures.wake_p50_us); /* a task comes after its call */
    ck_assert(figures.wake_p50_us <= figures.wake_p99_us && isfinite(figures.wake_p99_us));
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(AWakeThatFailsIsNoFigure) {
    hl_runtime *runtime = open_runtime();
    idle_figures figures;
    for (failing_run = 1; failing_run <= 3; failing_run++) {
        runs = 0;
        ck_assert(!idle_measure(runtime, 1, 2, &figures));
        ck_assert_uint_eq(runs, failing_run);
    }
    failing_run = 0;
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("idle", TESTS(APercentileIsOneOfTheValues, CpuTimeIsAShareOfTheWallTime,
                                   TheWindowAndTheWakesAreThoseAskedFor, AWakeThatFailsIsNoFigure));
}

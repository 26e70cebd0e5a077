/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Minimum and median of interleaved repetitions, from works that say themselves how long they took. */
#include "bench/instruments/measure.h"

#include "tests/bench/kit.h"

typedef struct script { /* the times that a work reports; the first is that of the unmeasured run */
    const double *ms;
    size_t n, *clock; /* counts the runs of all works */
    size_t last;      /* the clock at the latest run */
} script;

static double play(void *context) {
    script *s = context;
    s->last = ++*s->clock;
    return s->ms[s->n++];
}

START_TEST(MinimumAndMedianLeaveTheFirstRunOut) {
    const double odd[] = {0.125, 9, 3, 7, 5, 1}, even[] = {100, 4, 2, 8, 16, 32};
    size_t clock = 0;
    script a = {.ms = odd, .clock = &clock}, b = {.ms = even, .clock = &clock};
    bench_measurement m[] = {{.what = "a", .run = play, .context = &a, .flops = 5e6},
                             {.what = "b", .run = play, .context = &b}};
    ck_assert(bench_measure(m, 2, 5));
    ck_assert(m[0].ms_min == 1 && m[0].ms_median == 5);
    ck_assert(m[1].ms_min == 2 && m[1].ms_median == 8);
    ck_assert_double_eq_tol(bench_gflops(&m[0]), 1, 1e-12); /* 5e6 in 5 ms */
    ck_assert_double_eq(bench_gflops(&m[1]), 0);
}
END_TEST

START_TEST(WorksAreRunInTurn) {
    const double ms[] = {1, 1, 1};
    size_t clock = 0;
    script s[] = {{.ms = ms, .clock = &clock}, {.ms = ms, .clock = &clock}, {.ms = ms, .clock = &clock}};
    bench_measurement m[3];
    for (size_t i = 0; i < 3; i++) m[i] = (bench_measurement){.run = play, .context = &s[i]};
    ck_assert(bench_measure(m, 3, 2));
    for (size_t i = 0; i < 3; i++) ck_assert(s[i].n == 3 && s[i].last == 7 + i);
}
END_TEST

START_TEST(AFailedRunEndsTheMeasurement) {
    const double ms[] = {1, 2, -1, 4};
    for (size_t first = 0; first < 3; first++) {
        size_t clock = 0;
        script s = {.ms = ms + first, .clock = &clock};
        bench_measurement m = {.run = play, .context = &s};
        ck_assert(!bench_measure(&m, 1, 3));
        ck_assert_uint_eq(s.n, 3 - first);
        ck_assert_double_eq(m.ms_median, 0);
    }
}
END_TEST

START_TEST(MoreRepetitionsThanFitAreNoMeasurement) {
    bench_measurement m[16] = {{0}};
    ck_assert(!bench_measure(m, 16, SIZE_MAX / 8));
    ck_assert(!bench_measure(m, 0, 1));
}
END_TEST

START_TEST(MedianOfAnyNumber) {
    double one[] = {3}, two[] = {5, 1}, four[] = {8, 1, 2, 4}, equal[] = {2, 2, 2};
    ck_assert_double_eq(bench_median(one, 1), 3);
    ck_assert_double_eq(bench_median(two, 2), 3);
    ck_assert_double_eq(bench_median(four, 4), 3);
    ck_assert_double_eq(bench_median(equal, 3), 2);
}
END_TEST

START_TEST(ADifferenceIsThatOfMinimaAndOfMedians) {
    bench_measurement whole = {.flops = 30, .ms_min = 7, .ms_median = 10},
                      part = {.flops = 10, .ms_min = 2, .ms_median = 4};
    bench_measurement rest = bench_difference("rest", &whole, &part);
    ck_assert_str_eq(rest.what, "rest");
    ck_assert(rest.flops == 20 && rest.ms_min == 5 && rest.ms_median == 6);
}
END_TEST

START_TEST(NoiseDoesNotTurnADifferenceAround) {
    bench_measurement whole = {.flops = 3e6, .ms_min = 9, .ms_median = 10}, part = {.flops = 1e6, .ms_min = 2};
    part.ms_median = 4;
    bench_measurement rest = bench_difference("rest", &whole, &part);
    ck_assert(rest.ms_min == 6 && rest.ms_median == 6);
    part.ms_min = 9.5;
    rest = bench_difference("rest", &whole, &part);
    ck_assert(rest.ms_min == 0 && rest.ms_median == 6);
    part.ms_median = 11;
    rest = bench_difference("rest", &whole, &part);
    ck_assert(rest.ms_min == 0 && rest.ms_median == 0);
    ck_assert_double_eq(bench_gflops(&rest), 0);
}
END_TEST

START_TEST(TheClockDoesNotGoBack) {
    double last = bench_now_ms();
    for (int i = 0; i < 1000; i++) {
        double now = bench_now_ms();
        ck_assert_double_ge(now, last);
        last = now;
    }
}
END_TEST

int main(void) {
    return run_tests("measure", TESTS(MinimumAndMedianLeaveTheFirstRunOut, WorksAreRunInTurn,
                                      AFailedRunEndsTheMeasurement, MoreRepetitionsThanFitAreNoMeasurement,
                                      MedianOfAnyNumber, ADifferenceIsThatOfMinimaAndOfMedians,
                                      NoiseDoesNotTurnADifferenceAround, TheClockDoesNotGoBack));
}

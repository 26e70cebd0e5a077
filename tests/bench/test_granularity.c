/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The point where a curve of efficiency passes a share of its best rate. */
#include "bench/instruments/granularity.h"

#include "tests/bench/kit.h"

/* Tasks of `work` ns with `cost` ns each around it: half of the rate is left at 2 cost. The curve over the logarithm of
 * the time is bent, so that a straight line between times a factor f apart misses by less than f. */
START_TEST(HalfOfTheRateIsLeftWhereWorkEqualsCost) {
    static const double costs[] = {10, 80, 300};
    for (size_t c = 0; c < 3; c++) {
        granularity curve[14];
        for (size_t i = 0; i < 14; i++) {
            double work = 10 * (double)(1 << i);
            curve[i] = (granularity){.ns = work + costs[c], .rate = work / (work + costs[c])};
        }
        double best = granularity_best(curve, 14), least = granularity_least(curve, 14, 0.5);
        ck_assert_double_eq(best, curve[13].rate);
        /* beside best, a little below 1: half of it is at cost / (1 / (best / 2) - 1) + cost. A share is 1 - cost / ns;
         * between the sizes around it, whose ns have a ratio of at most 620 / 460, a line over ln ns is off by at most
         * ln(620 / 460)^2 / 8 * 300 / 460 = 0.0073, and a share grows by 1/2 of ln ns: 1.5% of ns. */
        double exact = costs[c] / (2 / best - 1) + costs[c];
        ck_assert_double_eq_tol(least, exact, 0.015 * exact);
    }
}
END_TEST

START_TEST(BetweenTwoSizesTheShareIsALineOverTheLogarithm) {
    const granularity curve[] = {{100, 0.25}, {400, 0.75}, {800, 1}};
    ck_assert_double_eq_tol(granularity_least(curve, 3, 0.5), 200, 1e-9);  /* half of the way from 100 to 400 */
    ck_assert_double_eq_tol(granularity_least(curve, 3, 0.75), 400, 1e-9); /* measured itself */
    ck_assert_double_eq_tol(granularity_least(curve, 3, 0.875), 400 * sqrt(2), 1e-9);
}
END_TEST

START_TEST(WhatIsEfficientAgainBelowIsNoise) {
    const granularity curve[] = {{100, 0.9}, {200, 0.25}, {400, 0.75}, {800, 1}};
    ck_assert_double_eq_tol(granularity_least(curve, 4, 0.5), 200 * sqrt(2), 1e-9);
}
END_TEST

START_TEST(TheBestRateCountsWhereverItIs) {
    const granularity curve[] = {{100, 0.4}, {200, 0.8}, {400, 2}, {800, 1.9}};
    ck_assert_double_eq(granularity_best(curve, 4), 2);
    ck_assert_double_eq_tol(granularity_least(curve, 4, 0.4), 200, 1e-9);
}
END_TEST

START_TEST(ACurveThatNeverFallsEndsAtItsSmallestTasks) {
    const granularity curve[] = {{100, 0.8}, {200, 0.9}, {400, 1}};
    ck_assert_double_eq(granularity_least(curve, 3, 0.5), 100);
    ck_assert_double_eq(granularity_least(curve + 2, 1, 0.5), 400);
    const granularity falling[] = {{100, 1}, {200, 0.3}}; /* even the largest are inefficient */
    ck_assert_double_eq(granularity_least(falling, 2, 0.5), 200);
}
END_TEST

int main(void) {
    return run_tests("granularity",
                     TESTS(HalfOfTheRateIsLeftWhereWorkEqualsCost, BetweenTwoSizesTheShareIsALineOverTheLogarithm,
                           WhatIsEfficientAgainBelowIsNoise, TheBestRateCountsWhereverItIs,
                           ACurveThatNeverFallsEndsAtItsSmallestTasks));
}

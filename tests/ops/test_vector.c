/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vector maths on every instruction set that build and processor have, against the C library in double.
 *
 * Errors are measured in units in the last place of the exact result. The bounds come from the last steps of each
 * function: in exp, 0.5 for the last addition, 0.5 for a subnormal result's rounding and some 0.5 for the remainder r
 * and its polynomial; exp2_half has the same but for the remainder, whose subtraction rounds by 2^-25 at most; in log,
 * 0.5 for the last addition and what f - f^2/2 loses where it nearly cancels n ln 2; in tanh, 0.5 for the last
 * subtraction and at most the same again for exp, 1 + exp and the quotient, each weighted by 2 / (1 + e^2x) <= 0.45 of
 * 1 - that >= 0.55; in the normal tail, 1.5 for the exponential, at most 1.5 for each of two polynomials of positive
 * terms, 0.5 each for their quotient and the last product, and 0.2 for the fit. Without a fused multiply-add each step
 * of Horner's rule rounds twice. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/kernels/portable.h"
#include "tests/support/suite.h"

/* Distance in units in the last place (of subnormals: 2^-149); 0 where both are NaN or equal. */
static double ulp_error(float got, double want) {
    if ((isnan(got) && isnan(want)) || (double)got == want) return 0;
    if (isnan(got) || isnan(want)) return INFINITY;
    if (isinf(got)) return fabs(want) >= (double)FLT_MAX + 0x1p102 ? 0 : INFINITY; /* rounds to infinity */
    if (fabs(want) > (double)FLT_MAX) return fabs(got) == FLT_MAX && fabs(want) < 0x1.000002p128 ? 1 : INFINITY;
    int exponent = want == 0 ? -149 : ilogb(want) - 23;
    return fabs((double)got - want) / ldexp(1, exponent < -149 ? -149 : exponent);
}

/* Every 4093rd of all 2^32 floats. */
static void sweep(void (*rows)(float *, const float *, size_t), double (*exact)(double), double bound,
                  const char *name) {
    enum { N = 1024, STEP = 4093 };
    float x[N], y[N], worst_x = 0, worst_y = 0;
    double worst = 0;
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += STEP * N) {
        for (size_t i = 0; i < N; i++) {
            uint32_t word = (uint32_t)(bits + STEP * i);
            memcpy(&x[i], &word, 4);
        }
        rows(y, x, N);
        for (size_t i = 0; i < N; i++) {
            double error = ulp_error(y[i], exact(x[i]));
            if (error <= worst) continue;
            worst = error;
            worst_x = x[i];
            worst_y = y[i];
        }
    }
    ck_assert_msg(worst <= bound, "%s(%a) is %a instead of %a: %.3f units", name, (double)worst_x, (double)worst_y,
                  exact(worst_x), worst);
    ck_assert_double_gt(worst, 0.5); /* else the sweep compared nothing */
}

static const hl__rows *rows_of(int isa) {
    const hl__kernels *kernels = hl__kernels_for((hl__isa)isa);
    return kernels ? kernels->rows : NULL;
}

START_TEST(ExpIsGoodToTwoUnitsEverywhere) {
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (rows_of(isa)) sweep(rows_of(isa)->exp, exp, 1.5, "exp");
}
END_TEST

static double exp2_half(double x) { return exp2(x - 0.5); }

START_TEST(Exp2LessAHalfIsGoodToTwoUnitsEverywhere) {
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (rows_of(isa)) sweep(rows_of(isa)->exp2_half, exp2_half, 1.5, "exp2_half");
}
END_TEST

START_TEST(LogIsGoodToTwoUnitsEverywhere) {
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (rows_of(isa)) sweep(rows_of(isa)->log, log, 1.5, "log");
}
END_TEST

START_TEST(TanhIsGoodToTwoUnitsEverywhere) {
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (rows_of(isa)) sweep(rows_of(isa)->tanh, tanh, 2, "tanh");
}
END_TEST

/* The C library's erfc of x / sqrt 2, whose rounding to 53 bits moves the result by up to x^2 / 2 units of 2^-53: 100
 * of them at the end. */
static double normal_tail(double x) { return erfc(x * sqrt(0.5)) / 2; }

START_TEST(TheNormalTailIsGoodToSixUnitsEverywhere) {
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (rows_of(isa)) sweep(rows_of(isa)->normal_tail, normal_tail, 6, "normal_tail");
}
END_TEST

START_TEST(SpecialNumbersGiveSpecialResults) {
    const float x[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -1, FLT_MAX, -FLT_MAX, 0x1p-149f};
    enum { N = sizeof x / sizeof x[0] };
    const float e[N] = {1, 1, INFINITY, 0, NAN, 0.36787944f, INFINITY, 0, 1};
    const float h[N] = {0.70710678f, 0.70710678f, INFINITY, 0, NAN, 0.35355339f, INFINITY, 0, 0.70710678f};
    const float l[N] = {-INFINITY, -INFINITY, INFINITY, NAN, NAN, NAN, 88.722839f, NAN, -103.27893f};
    const float t[N] = {0.0f, -0.0f, 1, -1, NAN, -0.76159416f, 1, -1, 0x1p-149f};
    const float q[N] = {0.5f, 0.5f, 0, 1, NAN, 0.84134475f, 0, 1, 0.5f};
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        if (!rows_of(isa)) continue;
        float y[5][N];
        rows_of(isa)->exp(y[0], x, N);
        rows_of(isa)->log(y[1], x, N);
        rows_of(isa)->tanh(y[2], x, N);
        rows_of(isa)->exp2_half(y[3], x, N);
        rows_of(isa)->normal_tail(y[4], x, N);
        const float *want[5] = {e, l, t, h, q};
        for (size_t f = 0; f < 5; f++)
            for (size_t i = 0; i < N; i++) {
                if (isnan(want[f][i])) ck_assert(isnan(y[f][i]));
                else ck_assert_int_eq(!signbit(y[f][i]), !signbit(want[f][i]));
                ck_assert_double_le(ulp_error(y[f][i], want[f][i]), 2);
            }
    }
}
END_TEST

/* What lies behind a row's end is neither read into the result nor written; a row may be written over itself. */
START_TEST(RowsOfEveryLengthKeepToThemselves) {
    enum { MOST = 70 };
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        const hl__rows *rows = rows_of(isa);
        for (size_t n = 0; rows && n < MOST; n++) {
            float x[MOST], y[MOST], one[1], sum = 0, most = -INFINITY;
            for (size_t i = 0; i < MOST; i++) x[i] = y[i] = i < n ? (float)((i * 37) % 64) / 64 : NAN;
            for (size_t i = 0; i < n; i++) {
                sum += x[i]; /* exact: multiples of 1/64 */
                most = x[i] > most ? x[i] : most;
            }
            ck_assert(rows->sum(x, n) == sum);
            ck_assert(rows->max(x, n) == most);
            rows->exp(y, y, n);
            for (size_t i = 0; i < n; i++) {
                rows->exp(one, &x[i], 1);
                ck_assert_int_eq(memcmp(one, &y[i], sizeof one), 0);
            }
            for (size_t i = n; i < MOST; i++) ck_assert(isnan(y[i]));
        }
    }
}
END_TEST

/* n numbers in (0, 1] lose at most n halves of FLT_EPSILON of their sum in additions, and two units each in exp and the
 * subtraction before it. */
START_TEST(ExponentialsAreShiftedAndSummed) {
    enum { N = 301 };
    float x[N], y[N + 1];
    double want = 0;
    for (size_t i = 0; i < N; i++) x[i] = 20 * sinf((float)i);
    for (size_t i = 0; i < N; i++) want += exp((double)(x[i] - 20.0f));
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        if (!rows_of(isa)) continue;
        y[N] = 7;
        float sum = rows_of(isa)->exp_sum(y, x, N, 20);
        ck_assert_double_eq_tol(sum, want, want * FLT_EPSILON * (N / 2 + 2));
        for (size_t i = 0; i < N; i++) ck_assert_double_le(ulp_error(y[i], exp((double)(x[i] - 20.0f))), 1.5);
        ck_assert(y[N] == 7);
        x[3] = -INFINITY;
        rows_of(isa)->exp_sum(y, x, N, 20);
        ck_assert(y[3] == 0);
        x[3] = 20 * sinf(3);
    }
}
END_TEST

START_TEST(MaximaOfNothingAndOfInfinities) {
    const float low[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        if (!rows_of(isa)) continue;
        ck_assert(rows_of(isa)->max(low, 0) == -INFINITY);
        ck_assert(rows_of(isa)->max(low, 3) == -INFINITY);
        ck_assert(rows_of(isa)->sum(low, 0) == 0);
    }
}
END_TEST

START_TEST(LanesAreThoseOfTheSet) {
    const size_t lanes[HL__N_ISAS] = {[HL__ISA_BASELINE] = 4, [HL__ISA_AVX2] = 8, [HL__ISA_AVX512] = 16};
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (rows_of(isa)) ck_assert_uint_eq(rows_of(isa)->lanes, lanes[isa]);
}
END_TEST

int main(void) {
    return run_tests("vector", TESTS(ExpIsGoodToTwoUnitsEverywhere, Exp2LessAHalfIsGoodToTwoUnitsEverywhere,
                                     LogIsGoodToTwoUnitsEverywhere, TanhIsGoodToTwoUnitsEverywhere,
                                     TheNormalTailIsGoodToSixUnitsEverywhere, SpecialNumbersGiveSpecialResults,
                                     RowsOfEveryLengthKeepToThemselves, ExponentialsAreShiftedAndSummed,
                                     MaximaOfNothingAndOfInfinities, LanesAreThoseOfTheSet));
}

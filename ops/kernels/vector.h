/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vector maths, written once on GCC's vector extensions and compiled for each instruction set. HL__LANES is the width
 * of that set's registers: a fixed width of 16 costs 7.6 times as much with gcc 12 on AVX2, which keeps wider vectors
 * in memory. Lanes are added up in a fixed order, so a sum has the same bits wherever the same instruction set runs.
 *
 * exp, exp2_half, log, tanh and the normal tail are good over the whole range of float, signed zeros, subnormals,
 * infinities and NaN included (errors in tests/ops/test_vector.c). Polynomials: minimax fits of our own, rounded to
 * float. */
#ifndef HL_OPS_VECTOR_H
#define HL_OPS_VECTOR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define HL__LANES 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define HL__LANES 8
#else
#define HL__LANES 4
#endif

typedef float hl__floats __attribute__((vector_size(4 * HL__LANES)));
typedef int32_t hl__ints __attribute__((vector_size(4 * HL__LANES))); /* also masks: each lane all ones or zero */
typedef uint32_t hl__bits __attribute__((vector_size(4 * HL__LANES)));
typedef uint64_t hl__wides __attribute__((vector_size(4 * HL__LANES)));

/* ---- memory ---- */

static inline hl__floats hl__splat(float x) { return x - (hl__floats){0}; }

static inline hl__floats hl__load(const float *p) {
    hl__floats v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void hl__store(float *p, hl__floats v) { memcpy(p, &v, sizeof v); }

#if defined(__AVX512F__)
#define HL__FIRST_LANES(n) ((__mmask16)((1u << (n)) - 1))
#elif defined(__AVX2__)
static inline __m256i hl__first_lanes(size_t n) {
    return (__m256i)((hl__ints){0, 1, 2, 3, 4, 5, 6, 7} < ((hl__ints){0} + (int32_t)n));
}
#endif

/* The first n <= HL__LANES lanes from p, rest in the others. Touches only those n numbers. */
static inline hl__floats hl__load_some(const float *p, size_t n, float rest) {
#if defined(__AVX512F__)
    return (hl__floats)_mm512_mask_loadu_ps((__m512)hl__splat(rest), HL__FIRST_LANES(n), p);
#elif defined(__AVX2__)
    __m256i mask = hl__first_lanes(n);
    return (hl__floats)_mm256_blendv_ps((__m256)hl__splat(rest), _mm256_maskload_ps(p, mask), (__m256)mask);
#else
    hl__floats v = hl__splat(rest);
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

static inline void hl__store_some(float *p, hl__floats v, size_t n) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, HL__FIRST_LANES(n), (__m512)v);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, hl__first_lanes(n), (__m256)v);
#else
    for (size_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

/* ---- arithmetic ---- */

/* a * b + c: one rounding where the instruction set has it, else two. */
static inline hl__floats hl__fma(hl__floats a, hl__floats b, hl__floats c) {
#if defined(__AVX512F__)
    return (hl__floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (hl__floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__FP_FAST_FMAF)
    for (size_t i = 0; i < HL__LANES; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}

/* Lanes of a where the mask is set, of b elsewhere. */
static inline hl__floats hl__select(hl__ints mask, hl__floats a, hl__floats b) {
    return (hl__floats)((mask & (hl__ints)a) | (~mask & (hl__ints)b));
}

static inline hl__floats hl__abs(hl__floats x) { return (hl__floats)((hl__ints)x & INT32_MAX); }

/* a > b ? a : b, and a < b ? a : b: b where either is NaN. */
static inline hl__floats hl__larger(hl__floats a, hl__floats b) {
#if defined(__AVX512F__)
    return (hl__floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (hl__floats)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return hl__select(a > b, a, b);
#endif
}

static inline hl__floats hl__smaller(hl__floats a, hl__floats b) {
#if defined(__AVX512F__)
    return (hl__floats)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (hl__floats)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return hl__select(a < b, a, b);
#endif
}

/* Products of the lower halves of the lanes, whole. */
static inline hl__wides hl__multiply_lower(hl__wides a, hl__wides b) {
#if defined(__AVX512F__)
    return (hl__wides)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (hl__wides)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
    return (a & UINT32_MAX) * (b & UINT32_MAX);
#endif
}

/* Lane i becomes lane i + HL__LANES/2, HL__LANES/4, ... (cyclic in the part that still counts). */
#if HL__LANES == 16
#define HL__UPPER_HALF(v) __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)
#define HL__UPPER_QUARTER(v) __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7)
#define HL__LANES_23(v) __builtin_shufflevector(v, v, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3)
#elif HL__LANES == 8
#define HL__UPPER_QUARTER(v) __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7)
#define HL__LANES_23(v) __builtin_shufflevector(v, v, 2, 3, 2, 3, 2, 3, 2, 3)
#else
#define HL__LANES_23(v) __builtin_shufflevector(v, v, 2, 3, 2, 3)
#endif

/* Sum and maximum of the lanes, by halves. The maximum may pass over NaN. */
static inline float hl__sum_lanes(hl__floats v) {
#if HL__LANES >= 16
    v += HL__UPPER_HALF(v);
#endif
#if HL__LANES >= 8
    v += HL__UPPER_QUARTER(v);
#endif
    v += HL__LANES_23(v);
    return v[0] + v[1];
}

static inline float hl__max_lanes(hl__floats v) {
#if HL__LANES >= 16
    v = hl__larger(v, HL__UPPER_HALF(v));
#endif
#if HL__LANES >= 8
    v = hl__larger(v, HL__UPPER_QUARTER(v));
#endif
    v = hl__larger(v, HL__LANES_23(v));
    return v[0] > v[1] ? v[0] : v[1];
}

/* ---- double precision, for sums of many terms ---- */

typedef double hl__doubles __attribute__((vector_size(4 * HL__LANES))); /* half as many lanes */

/* The lower and the upper half of the lanes. */
static inline hl__doubles hl__lower_doubles(hl__floats v) {
#if defined(__AVX512F__)
    return (hl__doubles)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v));
#elif defined(__AVX2__)
    return (hl__doubles)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v));
#else
    return (hl__doubles){(double)v[0], (double)v[1]};
#endif
}

static inline hl__doubles hl__upper_doubles(hl__floats v) {
#if defined(__AVX512F__)
    return (hl__doubles)_mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd((__m512d)v, 1)));
#elif defined(__AVX2__)
    return (hl__doubles)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)v, 1));
#else
    return (hl__doubles){(double)v[2], (double)v[3]};
#endif
}

/* Sum of the lanes, in their order. */
static inline double hl__sum_doubles(hl__doubles v) {
    double sum = 0;
    for (size_t i = 0; i < HL__LANES / 2; i++) sum += v[i];
    return sum;
}

/* sum += v for the first n lanes. */
static inline void hl__add_doubles(double *sum, hl__floats v, size_t n) {
    if (n < HL__LANES) {
        for (size_t i = 0; i < n; i++) sum[i] += (double)v[i];
        return;
    }
    hl__doubles half[2];
    memcpy(half, sum, sizeof half);
    half[0] += hl__lower_doubles(v);
    half[1] += hl__upper_doubles(v);
    memcpy(sum, half, sizeof half);
}

/* ---- functions ---- */

/* x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, of which the first times n is exact. */
static inline hl__floats hl__exp_reduce(hl__floats x, hl__floats *n, hl__floats *shifted) {
    const hl__floats round = hl__splat(0x1.8p23f); /* adding it leaves the nearest integer in the low bits */
    *shifted = hl__fma(x, hl__splat(0x1.715476p+0f), round);
    *n = *shifted - round;
    return hl__fma(*n, hl__splat(0x1.bd0106p-13f), hl__fma(*n, hl__splat(-0x1.63p-1f), x));
}

/* exp r = 1 + r + r^2 q(r) */
static inline hl__floats hl__exp_reduced(hl__floats r) {
    hl__floats q = hl__splat(0x1.6d117cp-10f);
    q = hl__fma(q, r, hl__splat(0x1.120be2p-7f));
    q = hl__fma(q, r, hl__splat(0x1.555518p-5f));
    q = hl__fma(q, r, hl__splat(0x1.5554dcp-3f));
    q = hl__fma(q, r, hl__splat(0.5f));
    return hl__fma(q * r, r, r) + 1.0f;
}

#if defined(__AVX512F__)
/* e^(x - less) for a sum that no float holds: |less| <= 0.03. One instruction multiplies by 2^n, for any n, with one
 * rounding. Clamped, so that infinities have a remainder: both ends lie beyond what rounds to 0 and to infinity. NaN
 * passes: the second operand is taken then. */
static inline hl__floats hl__exp_less(hl__floats x, hl__floats less) {
    hl__floats n, shifted, y = hl__smaller(hl__splat(100.0f), hl__larger(hl__splat(-110.0f), x));
    hl__floats e = hl__exp_reduced(hl__exp_reduce(y, &n, &shifted) - less);
    return (hl__floats)_mm512_scalef_ps((__m512)e, (__m512)n);
}
#else
/* e^(x - less) for a sum that no float holds: |less| <= 0.03. 2^n in two factors, since 2^128 and 2^-150 are no floats.
 * Below -104 everything rounds to zero; those lanes (masked scores, mostly) are kept away from the subnormal products,
 * which some processors take 100 cycles for. */
static inline hl__floats hl__exp_less(hl__floats x, hl__floats less) {
    hl__ints zero = x < -104.0f;
    hl__floats n, shifted, y = hl__select(x > 89.0f, hl__splat(89.0f), (hl__floats)(~zero & (hl__ints)x));
    hl__floats e = hl__exp_reduced(hl__exp_reduce(y, &n, &shifted) - less);
    hl__ints whole = (hl__ints)shifted - (hl__ints)hl__splat(0x1.8p23f), half = whole >> 1;
    e = e * (hl__floats)((half + 127) << 23) * (hl__floats)((whole - half + 127) << 23);
    return (hl__floats)(~zero & (hl__ints)e);
}
#endif

static inline hl__floats hl__exp(hl__floats x) { return hl__exp_less(x, hl__splat(0)); }

#define HL__LN_2 0x1.62e430p-1f
#define HL__LOG2_E 0x1.715476p+0f

/* 2^(t - 1/2) for t from 0 to 1 */
static inline hl__floats hl__exp2_reduced(hl__floats t) {
    hl__floats p = hl__splat(0x1.41d32ep-13f);
    p = hl__fma(p, t, hl__splat(0x1.cd2c78p-11f));
    p = hl__fma(p, t, hl__splat(0x1.c086d0p-8f));
    p = hl__fma(p, t, hl__splat(0x1.4164cep-5f));
    p = hl__fma(p, t, hl__splat(0x1.5be3d4p-3f));
    p = hl__fma(p, t, hl__splat(0x1.f5e45ep-2f));
    return hl__fma(p, t, hl__splat(0x1.6a09e6p-1f));
}

/* 2^(y - 1/2), the cheapest exponential that there is here: for those who subtract a shift anyway, which then is less
 * by a half. With y = n + t, n the integer below y, two instructions do on AVX-512 what is not the polynomial. */
#if defined(__AVX512F__)
static inline hl__floats hl__exp2_half(hl__floats y) {
    hl__floats t = (hl__floats)_mm512_reduce_ps((__m512)y, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    return (hl__floats)_mm512_scalef_ps((__m512)hl__exp2_reduced(t), (__m512)y); /* by 2 to the integer below y */
}
#else
static inline hl__floats hl__exp2_half(hl__floats y) {
    hl__ints zero = y < -150.0f;
    y = hl__select(y > 130.0f, hl__splat(130.0f), (hl__floats)(~zero & (hl__ints)y));
    hl__floats round = hl__splat(0x1.8p23f), n = (y + round) - round;
    n -= (hl__floats)((n > y) & (hl__ints)hl__splat(1.0f));
    hl__floats e = hl__exp2_reduced(y - n);
    hl__ints whole = (hl__ints)(n + round) - (hl__ints)round, half = whole >> 1;
    e = e * (hl__floats)((half + 127) << 23) * (hl__floats)((whole - half + 127) << 23);
    return (hl__floats)(~zero & (hl__ints)e);
}
#endif

/* x = 2^n (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); log(1 + f) = f - f^2 / 2 + f^3 q(f). */
static inline hl__floats hl__log(hl__floats x) {
    hl__ints small = x < 0x1p-126f;
    hl__floats y = hl__select(small, x * 0x1p23f, x);
    hl__ints bits = (hl__ints)((hl__bits)y - 0x3f3504f3u); /* of sqrt(1/2); negative numbers wrap, and give NaN below */
    hl__floats n = __builtin_convertvector((bits >> 23) - (small & 23), hl__floats);
    hl__floats f = (hl__floats)((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
    hl__floats q = hl__splat(0x1.1d8ea6p-4f);
    q = hl__fma(q, f, hl__splat(-0x1.d635bcp-4f));
    q = hl__fma(q, f, hl__splat(0x1.dea282p-4f));
    q = hl__fma(q, f, hl__splat(-0x1.fcf4c6p-4f));
    q = hl__fma(q, f, hl__splat(0x1.23d21ap-3f));
    q = hl__fma(q, f, hl__splat(-0x1.555b4ap-3f));
    q = hl__fma(q, f, hl__splat(0x1.999d5ap-3f));
    q = hl__fma(q, f, hl__splat(-0x1.fffffcp-3f));
    q = hl__fma(q, f, hl__splat(0x1.555554p-2f));
    hl__floats square = f * f, rest = hl__fma(q * f, square, n * -0x1.bd0106p-13f);
    rest = hl__fma(square, hl__splat(-0.5f), rest);
    hl__floats result = hl__fma(n, hl__splat(0x1.63p-1f), f + rest);
    result = hl__select(x == INFINITY, x, result);
    result = hl__select(x == 0.0f, hl__splat(-INFINITY), result);
    return hl__select(x >= 0.0f, result, hl__splat(NAN));
}

/* |x| < 0.625: x + x^3 q(x^2); else 1 - 2 / (exp(2 |x|) + 1), with the sign of x. */
static inline hl__floats hl__tanh(hl__floats x) {
    hl__ints sign = (hl__ints)x & INT32_MIN;
    hl__floats a = (hl__floats)((hl__ints)x ^ sign), z = a * a;
    hl__floats q = hl__splat(0x1.2c630ep-9f);
    q = hl__fma(q, z, hl__splat(-0x1.1162e0p-7f));
    q = hl__fma(q, z, hl__splat(0x1.64a85cp-6f));
    q = hl__fma(q, z, hl__splat(-0x1.ba08b4p-5f));
    q = hl__fma(q, z, hl__splat(0x1.1110e8p-3f));
    q = hl__fma(q, z, hl__splat(-0x1.555556p-2f));
    hl__floats small = hl__fma(q * z, a, a), large = 1.0f - 2.0f / (hl__exp(a + a) + 1.0f);
    return (hl__floats)((hl__ints)hl__select(a < 0.625f, small, large) | sign);
}

#define HL__TAIL_END 16.0f /* no tail of the normal distribution is left in float there */

/* The upper tail of the normal distribution, 1/2 erfc(a / sqrt 2) for a from 0 to HL__TAIL_END, is what is returned
 * times *bell = e^(-a^2 / 2): two factors, since the tail alone would lose the digits of what it is multiplied by.
 * The first is smooth, and the quotient of two polynomials all of whose coefficients are positive (a minimax fit up to
 * 14.5), so that nothing cancels. For the second, a = h + l, where h has 12 bits and its square is exact:
 * a^2 = h^2 + (a - h) (a + h). */
static inline hl__floats hl__normal_tail(hl__floats a, hl__floats *bell) {
    hl__floats above = hl__splat(0x1.0dc42ep-8f), below = hl__splat(0x1.521918p-7f);
    above = hl__fma(above, a, hl__splat(0x1.4cddfcp-5f));
    above = hl__fma(above, a, hl__splat(0x1.7743f2p-3f));
    above = hl__fma(above, a, hl__splat(0x1.c0d060p-2f));
    above = hl__fma(above, a, hl__splat(0.5f));
    below = hl__fma(below, a, hl__splat(0x1.a136a8p-4f));
    below = hl__fma(below, a, hl__splat(0x1.e0bcdap-2f));
    below = hl__fma(below, a, hl__splat(0x1.33d73cp+0f));
    below = hl__fma(below, a, hl__splat(0x1.acaa60p+0f));
    below = hl__fma(below, a, hl__splat(1.0f));
    hl__floats h = (hl__floats)(((hl__bits)a + 0x800u) & ~0xfffu); /* unsigned: the bits of a NaN may wrap */
    *bell = hl__exp_less(-0.5f * h * h, 0.5f * (a - h) * (a + h));
    return above / below;
}

/* ---- rows of n numbers; y may be x ---- */

/* A function of one vector for rows; filler stands in the lanes behind the row's end. */
#define HL__ROW_FUNCTION(name, function, filler)                                                \
    static inline void name(float *y, const float *x, size_t n) {                               \
        size_t i = 0;                                                                           \
        for (; i + HL__LANES <= n; i += HL__LANES) hl__store(y + i, function(hl__load(x + i))); \
        if (i < n) hl__store_some(y + i, function(hl__load_some(x + i, n - i, filler)), n - i); \
    }
HL__ROW_FUNCTION(hl__row_exp, hl__exp, 0)
HL__ROW_FUNCTION(hl__row_exp2_half, hl__exp2_half, 0)
HL__ROW_FUNCTION(hl__row_log, hl__log, 1)
HL__ROW_FUNCTION(hl__row_tanh, hl__tanh, 0)
#undef HL__ROW_FUNCTION

/* The normal distribution above x. */
static inline void hl__row_normal_tail(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += HL__LANES) {
        size_t some = n - i < HL__LANES ? n - i : HL__LANES;
        hl__floats v = hl__load_some(x + i, some, 0), bell;
        hl__floats tail = hl__normal_tail(hl__smaller(hl__splat(HL__TAIL_END), hl__abs(v)), &bell) * bell;
        hl__store_some(y + i, hl__select(v < 0.0f, 1.0f - tail, tail), some);
    }
}

/* Numbers of a row that are added up before their sum is added to those before: the error of a long row's sum grows
 * with n / (HL__ROW_BLOCK * HL__LANES), not with n / HL__LANES. */
#define HL__ROW_BLOCK 4096

/* Sum, in four strands so that additions need not wait for each other. */
static inline float hl__row_sum(const float *x, size_t n) {
    hl__floats total = hl__splat(0);
    size_t i = 0;
    for (size_t end = HL__ROW_BLOCK; i + 4 * HL__LANES <= n; end += HL__ROW_BLOCK) {
        hl__floats sum[4] = {{0}, {0}, {0}, {0}};
        for (; i + 4 * HL__LANES <= n && i < end; i += 4 * HL__LANES)
            for (size_t s = 0; s < 4; s++) sum[s] += hl__load(x + i + s * HL__LANES);
        total += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    hl__floats rest = hl__splat(0);
    for (; i + HL__LANES <= n; i += HL__LANES) rest += hl__load(x + i);
    if (i < n) rest += hl__load_some(x + i, n - i, 0);
    return hl__sum_lanes(total + rest);
}

/* Largest number, -infinity where n is 0, NaN where there is one. */
static inline float hl__row_max(const float *x, size_t n) {
    hl__floats max = hl__splat(-INFINITY);
    hl__ints none = {0};
    size_t i = 0;
    for (; i < n; i += HL__LANES) {
        size_t some = n - i < HL__LANES ? n - i : HL__LANES;
        hl__floats v = some == HL__LANES ? hl__load(x + i) : hl__load_some(x + i, some, -INFINITY);
        none |= v != v;
        max = hl__larger(max, v);
    }
    hl__floats found = (hl__floats)(none & (hl__ints)hl__splat(1.0f));
    return hl__max_lanes(found) > 0 ? NAN : hl__max_lanes(max);
}

/* exp(x - shift) of a row: in y, unless that is NULL, and as the sum that is returned. */
static inline float hl__row_exp_sum(float *y, const float *x, size_t n, float shift) {
    hl__floats total = hl__splat(0);
    size_t i = 0;
    for (size_t end = HL__ROW_BLOCK; i < n; end += HL__ROW_BLOCK) {
        hl__floats sum[2] = {{0}, {0}};
        for (; i + 2 * HL__LANES <= n && i < end; i += 2 * HL__LANES)
            for (size_t s = 0; s < 2; s++) {
                hl__floats e = hl__exp(hl__load(x + i + s * HL__LANES) - shift);
                if (y) hl__store(y + i + s * HL__LANES, e);
                sum[s] += e;
            }
        for (; i + 2 * HL__LANES > n && i < n; i += HL__LANES) {
            size_t some = n - i < HL__LANES ? n - i : HL__LANES;
            hl__floats e = hl__exp(hl__load_some(x + i, some, -INFINITY) - shift);
            if (y) hl__store_some(y + i, e, some);
            sum[0] += e;
        }
        total += sum[0] + sum[1];
    }
    return hl__sum_lanes(total);
}

#endif

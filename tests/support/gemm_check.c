/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle of block products. */
#include "tests/support/gemm_check.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static float uniform(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 0x1p-31f;
}

/* rows x columns numbers with a distance of ld, NaN between and behind them. */
static float *matrix(size_t rows, size_t columns, size_t ld, uint32_t *state) {
    float *made = malloc((rows * ld + 64) * sizeof *made);
    ck_assert_ptr_nonnull(made);
    for (size_t i = 0; i < rows * ld + 64; i++) made[i] = NAN;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) made[i * ld + j] = uniform(state);
    return made;
}

/* Each of the k products and additions is off by at most u = 2^-24 of a partial sum, which is at most sum |a||b| + |c|:
 * (k + 1) u in all, whatever the order (Higham 2002, section 3.1); 1 % for terms in u^2. */
static void compare(const hl__gemm_shape *s, const float *a, const float *b, const float *old, const float *c) {
    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < s->n; j++) {
            double want = s->accumulate ? old[i * s->ldc + j] : 0, size = fabs(want);
            for (size_t p = 0; p < s->k; p++) {
                double product = (double)a[s->transpose_a ? p * s->lda + i : i * s->lda + p] * b[p * s->ldb + j];
                want += product;
                size += fabs(product);
            }
            double error = fabs((double)c[i * s->ldc + j] - want), bound = 1.01 * (double)(s->k + 1) * 0x1p-24 * size;
            if (!(error <= bound))
                ck_abort_msg("%zu x %zu x %zu%s%s at (%zu, %zu): %.9g instead of %.9g", s->m, s->n, s->k,
                             s->transpose_a ? " transposed" : "", s->accumulate ? " accumulating" : "", i, j,
                             (double)c[i * s->ldc + j], want);
        }
    for (size_t at = 0; at < s->m * s->ldc + 64; at++)
        if ((at >= s->m * s->ldc || at % s->ldc >= s->n) && !isnan(c[at]))
            ck_abort_msg("the gap at %zu was written", at);
}

void gemm_check(const hl__gemm_shape *s, gemm_function *run) {
    uint32_t state = (uint32_t)(s->m * 31 + s->n * 7 + s->k);
    float *a = s->transpose_a ? matrix(s->k, s->m, s->lda, &state) : matrix(s->m, s->k, s->lda, &state);
    float *b = matrix(s->k, s->n, s->ldb, &state), *old = matrix(s->m, s->accumulate ? s->n : 0, s->ldc, &state);
    float *c = malloc((s->m * s->ldc + 64) * sizeof *c);
    ck_assert_ptr_nonnull(c);
    for (size_t i = 0; i < s->m * s->ldc + 64; i++) c[i] = old[i];
    run(s, a, b, c);
    compare(s, a, b, old, c);
    free(a);
    free(b);
    free(c);
    free(old);
}

void gemm_check_all(gemm_function *run) {
    static const size_t extents[][3] = {{1, 1, 1},     {1, 64, 768}, {64, 1, 17},   {2, 3, 5},
                                        {19, 16, 128}, {57, 64, 19}, {64, 64, 64},  {63, 65, 64},
                                        {65, 63, 33},  {7, 33, 300}, {64, 48, 513}, {13, 31, 257},
                                        {32, 32, 608}, {5, 8, 9},    {9, 4, 2},     {66, 130, 40}};
    for (size_t i = 0; i < sizeof extents / sizeof extents[0]; i++)
        for (int kind = 0; kind < 4; kind++)
            for (size_t gap = 0; gap <= 5; gap += 5) {
                size_t m = extents[i][0], n = extents[i][1], k = extents[i][2];
                hl__gemm_shape shape = {.m = m,
                                        .n = n,
                                        .k = k,
                                        .lda = (kind & 1 ? m : k) + gap,
                                        .ldb = n + gap,
                                        .ldc = n + gap,
                                        .transpose_a = kind & 1,
                                        .accumulate = kind & 2};
                gemm_check(&shape, run);
            }
}

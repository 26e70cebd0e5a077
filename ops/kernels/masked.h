/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is masked does not exist: NaN or infinity in an operand reaches no result that its pair of query and key is
 * hidden from. Block products multiply what is hidden by zeros, which is right for all finite numbers and for nothing
 * else. So a tile tests its operands once, and where something is not finite it multiplies by a copy without that, and
 * adds the terms that were left out pair by pair, for the pairs that exist. What they don't reach keeps its bits. */
#ifndef HL_OPS_MASKED_H
#define HL_OPS_MASKED_H

#include <stdbool.h>

#include "ops/kernels/vector.h"

/* True where none of n numbers is NaN or infinite: times 0 either is NaN, and so is their sum. */
static inline bool hl__all_finite(const float *x, size_t n) {
    hl__floats sum[4] = {{0}, {0}, {0}, {0}};
    const hl__floats zero = hl__splat(0);
    size_t i = 0;
    for (; i + 4 * HL__LANES <= n; i += 4 * HL__LANES)
        for (size_t s = 0; s < 4; s++) sum[s] = hl__fma(hl__load(x + i + s * HL__LANES), zero, sum[s]);
    for (; i < n; i += HL__LANES)
        sum[0] = hl__fma(hl__load_some(x + i, n - i < HL__LANES ? n - i : HL__LANES, 0), zero, sum[0]);
    return hl__sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3])) == 0;
}

static inline hl__ints hl__finite(hl__floats x) { return x * 0.0f == 0.0f; }

/* Copies n numbers, with zeros for those that are not finite. */
static inline void hl__copy_finite(const float *x, size_t n, float *to) {
    for (size_t i = 0; i < n; i += HL__LANES) {
        size_t some = n - i < HL__LANES ? n - i : HL__LANES;
        hl__floats v = hl__load_some(x + i, some, 0);
        hl__store_some(to + i, hl__select(hl__finite(v), v, hl__splat(0)), some);
    }
}

/* y += a x where x is not finite: what a product with the copy has left out. */
static inline void hl__add_not_finite(float *y, float a, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += HL__LANES) {
        size_t some = n - i < HL__LANES ? n - i : HL__LANES;
        hl__floats v = hl__load_some(x + i, some, 0), sum = hl__load_some(y + i, some, 0);
        hl__store_some(y + i, hl__select(hl__finite(v), sum, hl__fma(hl__splat(a), v, sum)), some);
    }
}

/* The same for C += A B, of which terms whose factor in A is 0 do not exist: A [m][k], B [k][n]. */
static inline void hl__add_product_not_finite(const float *a, size_t lda, size_t m, size_t k, const float *b, size_t n,
                                              float *c) {
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++)
            if (a[i * lda + p] != 0) hl__add_not_finite(c + i * n, a[i * lda + p], b + p * n, n);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The block product and the transposition in C. A block of C stays in registers while k runs; each element of C is the
 * sum of its products in the order of k, whatever block it lies in, so neighbouring shapes give the same bits. */
#include "ops/kernels/portable.h"

#include "ops/kernels/vector.h"
#include "ops/op.h"

/* Rows of a register block: with two vectors a row, the sums, two vectors of B and one element of A fill the registers
 * (32 with AVX-512, else 16). */
#if HL__LANES == 16
#define ROWS 8
#else
#define ROWS 6
#endif
#define COLUMNS (2 * HL__LANES)

/* Rows of B that are multiplied at a time, so that a panel of them stays in the first-level cache. Where A is
 * transposed its rows have to stay there, too, of which few columns are used: dW of a block's projections takes 0.85 of
 * the time that it takes with whole panels (Zen 4, AVX2). */
#define DEPTH (HL__GEMM_PANEL / COLUMNS)
#define TRANSPOSED_DEPTH (DEPTH / 4)

/* For so many rows a copy of a panel pays. The rows of B are a multiple of 512 bytes apart as a rule and meet in few
 * sets of the first-level cache, so that a panel that is read in place comes from the second level for each block of
 * rows: dX of a block's projections takes 0.91 of the time with copies (Zen 4, AVX2). */
#define COPIED_ROWS 24

#define INLINE static inline __attribute__((always_inline))

typedef struct block {
    size_t k;
    const float *a;
    size_t a_row, a_k; /* distance between rows of A, and along k */
    const float *b;
    size_t ldb;
    float *c;
    size_t ldc;
    size_t last; /* columns in the last vector */
    bool accumulate;
} block;

/* rows and vectors are constants at each call; whole: the last vector is full. */
INLINE void multiply(const block *at, const size_t rows, const size_t vectors, const bool whole,
                     const bool transpose_a) {
    hl__floats sum[ROWS][2];
    const size_t a_row = transpose_a ? 1 : at->a_row, a_k = transpose_a ? at->a_k : 1;
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) {
            const float *c = at->c + r * at->ldc + v * HL__LANES;
            bool full = whole || v + 1 < vectors;
            if (!at->accumulate) sum[r][v] = hl__splat(0);
            else sum[r][v] = full ? hl__load(c) : hl__load_some(c, at->last, 0);
        }
    const float *a = at->a, *b = at->b;
    for (size_t p = 0; p < at->k; p++, a += a_k, b += at->ldb) {
        hl__floats b_p[2];
        for (size_t v = 0; v < vectors; v++)
            b_p[v] =
                whole || v + 1 < vectors ? hl__load(b + v * HL__LANES) : hl__load_some(b + v * HL__LANES, at->last, 0);
        for (size_t r = 0; r < rows; r++)
            for (size_t v = 0; v < vectors; v++) sum[r][v] = hl__fma(hl__splat(a[r * a_row]), b_p[v], sum[r][v]);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) {
            float *c = at->c + r * at->ldc + v * HL__LANES;
            if (whole || v + 1 < vectors) hl__store(c, sum[r][v]);
            else hl__store_some(c, sum[r][v], at->last);
        }
}

/* Rows of the next block of `left` ones. Two alone have too few sums to keep the multipliers busy: 8 are 4 and 4. */
INLINE size_t next_rows(size_t left) {
    if (left >= ROWS && !(ROWS == 6 && left == 8)) return ROWS;
    return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* All rows of one panel of columns. Meanwhile as many rows of the next panel, of the same distance, are fetched, some
 * of them with each block. */
INLINE void multiply_panel(block at, size_t m, const float *next, size_t ld_next, const size_t vectors,
                           const bool whole, const bool transpose_a) {
    size_t left = m, some = next ? at.k * ROWS / m + 1 : 0, fetched = 0;
    while (left > 0) {
        for (size_t i = 0; i < some && fetched < at.k; i++) __builtin_prefetch(next + fetched++ * ld_next, 0, 2);
        size_t rows = next_rows(left);
        if (rows == ROWS) multiply(&at, ROWS, vectors, whole, transpose_a);
        else if (rows == 4) multiply(&at, 4, vectors, whole, transpose_a);
        else if (rows == 2) multiply(&at, 2, vectors, whole, transpose_a);
        else multiply(&at, 1, vectors, whole, transpose_a);
        at.a += rows * at.a_row;
        at.c += rows * at.ldc;
        left -= rows;
    }
}

/* Copies rows of `columns` elements, whole vectors. */
INLINE void copy_rows(const float *from, size_t ld, size_t rows, const size_t columns, float *to) {
    for (size_t p = 0; p < rows; p++)
        for (size_t j = 0; j < columns; j += HL__LANES) hl__store(to + p * columns + j, hl__load(from + p * ld + j));
}

/* m rows by all panels of B; `at` is at the first one. panel: for a copy of it, or NULL. next: what is fetched beside
 * the last, or NULL. */
INLINE void multiply_panels(block at, size_t m, size_t n, float *panel, const float *next, const bool transpose_a) {
    const block first = at;
    for (size_t j = 0; j < n; j += COLUMNS) {
        size_t columns = n - j < COLUMNS ? n - j : COLUMNS;
        at.b = first.b + j;
        at.ldb = first.ldb;
        at.c = first.c + j;
        at.last = (columns - 1) % HL__LANES + 1;
        const float *behind = next && j + COLUMNS < n ? at.b + COLUMNS : next;
        if (columns == COLUMNS && panel) {
            copy_rows(at.b, at.ldb, at.k, COLUMNS, panel);
            at.b = panel;
            at.ldb = COLUMNS;
        }
        if (columns == COLUMNS) multiply_panel(at, m, behind, first.ldb, 2, true, transpose_a);
        else if (columns > HL__LANES) multiply_panel(at, m, behind, first.ldb, 2, false, transpose_a);
        else if (columns == HL__LANES) multiply_panel(at, m, behind, first.ldb, 1, true, transpose_a);
        else multiply_panel(at, m, behind, first.ldb, 1, false, transpose_a);
    }
}

INLINE void multiply_all(const hl__gemm_shape *s, const float *a, const float *b, float *c, const float *next_b,
                         float *scratch, const bool transpose_a) {
    const size_t depth = transpose_a ? TRANSPOSED_DEPTH : DEPTH;
    for (size_t p = 0; p < s->k; p += depth) {
        block at = {.k = s->k - p < depth ? s->k - p : depth,
                    .a = transpose_a ? a + p * s->lda : a + p,
                    .a_row = transpose_a ? 1 : s->lda,
                    .a_k = transpose_a ? s->lda : 1,
                    .b = b + p * s->ldb,
                    .ldb = s->ldb,
                    .c = c,
                    .ldc = s->ldc,
                    .accumulate = s->accumulate || p > 0};
        const float *next = next_b && p + depth < s->k ? at.b + depth * s->ldb : next_b;
        multiply_panels(at, s->m, s->n, s->m >= COPIED_ROWS ? scratch : NULL, next, transpose_a);
    }
}

static void gemm(const hl__gemm_shape *shape, const float *a, const float *b, float *c, const float *next_b,
                 float *scratch) {
    if (shape->k == 0 && !shape->accumulate)
        for (size_t i = 0; i < shape->m; i++) memset(c + i * shape->ldc, 0, shape->n * sizeof(float));
    if (shape->transpose_a) multiply_all(shape, a, b, c, next_b, scratch, true);
    else multiply_all(shape, a, b, c, next_b, scratch, false);
}

/* ---- transposition ---- */

/* Within each 128-bit quarter of a and b: a0 b0 a1 b1, a2 b2 a3 b3, a0 a1 b0 b1 and a2 a3 b2 b3. */
#if HL__LANES == 16
#define QUARTERS(a, b, i, j, k, l)                                                                                    \
    __builtin_shufflevector(a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4, i + 8, j + 8, k + 8, l + 8, i + 12, j + 12, \
                            k + 12, l + 12)
#elif HL__LANES == 8
#define QUARTERS(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4)
#else
#define QUARTERS(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif
#define LOWER(a, b) QUARTERS(a, b, 0, HL__LANES, 1, HL__LANES + 1)
#define UPPER(a, b) QUARTERS(a, b, 2, HL__LANES + 2, 3, HL__LANES + 3)
#define FIRSTS(a, b) QUARTERS(a, b, 0, 1, HL__LANES, HL__LANES + 1)
#define SECONDS(a, b) QUARTERS(a, b, 2, 3, HL__LANES + 2, HL__LANES + 3)

/* Four numbers of each of the rows 0, 4, 8, ... as one vector: quarter q is from row 4 q. */
static inline hl__floats load_quarters(const float *in, size_t ld_in) {
#if HL__LANES == 16
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(in));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(in + 4 * ld_in), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(in + 8 * ld_in), 2);
    return (hl__floats)_mm512_insertf32x4(v, _mm_loadu_ps(in + 12 * ld_in), 3);
#elif HL__LANES == 8
    __m256 v = _mm256_castps128_ps256(_mm_loadu_ps(in));
    return (hl__floats)_mm256_insertf128_ps(v, _mm_loadu_ps(in + 4 * ld_in), 1);
#else
    (void)ld_in;
    return hl__load(in);
#endif
}

/* A square as wide as a vector, four columns at a time: the loads bring the rows into the quarters in which they are
 * wanted, so that what is left are 4 x 4 squares within the quarters. Shuffles across quarters take four times as long.
 */
static void transpose_square(const float *in, size_t ld_in, float *out, size_t ld_out) {
    for (size_t j = 0; j < HL__LANES; j += 4) {
        hl__floats row[4];
        for (size_t i = 0; i < 4; i++) row[i] = load_quarters(in + i * ld_in + j, ld_in);
        hl__floats lower01 = LOWER(row[0], row[1]), upper01 = UPPER(row[0], row[1]);
        hl__floats lower23 = LOWER(row[2], row[3]), upper23 = UPPER(row[2], row[3]);
        hl__store(out + j * ld_out, FIRSTS(lower01, lower23));
        hl__store(out + (j + 1) * ld_out, SECONDS(lower01, lower23));
        hl__store(out + (j + 2) * ld_out, FIRSTS(upper01, upper23));
        hl__store(out + (j + 3) * ld_out, SECONDS(upper01, upper23));
    }
}

/* Squares go along the side whose rows are closer: those that are far apart meet in few sets of the first-level cache.
 * 512 rows of 64 into 64 of 512 take 62 cycles a square by columns and 217 by rows, 128 of 256, 3072 apart, into 256 of
 * 128 take 78 by rows and 131 by columns (Zen 5). */
static void transpose(const float *in, size_t ld_in, size_t rows, size_t columns, float *out, size_t ld_out) {
    size_t whole_rows = rows - rows % HL__LANES, whole_columns = columns - columns % HL__LANES;
    bool by_rows = ld_in > ld_out;
    for (size_t a = 0; a < (by_rows ? whole_rows : whole_columns); a += HL__LANES)
        for (size_t b = 0; b < (by_rows ? whole_columns : whole_rows); b += HL__LANES) {
            size_t i = by_rows ? a : b, j = by_rows ? b : a;
            transpose_square(in + i * ld_in + j, ld_in, out + j * ld_out + i, ld_out);
        }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < whole_rows ? whole_columns : 0; j < columns; j++) out[j * ld_out + i] = in[i * ld_in + j];
}

extern const hl__rows HL__ISA_NAME(hl__row_functions);
extern const hl__kernels HL__ISA_NAME(hl__kernels);
const hl__kernels HL__ISA_NAME(hl__kernels) = {
    .gemm = gemm, .transpose = transpose, .rows = &HL__ISA_NAME(hl__row_functions)};

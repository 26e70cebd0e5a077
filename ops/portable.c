/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The block product and the transposition in C. A block of C stays in registers while k runs; each element of C is the
 * sum of its products in the order of k, whatever block it lies in, so neighbouring shapes give the same bits. */
#include "ops/portable.h"

#include "ops/op.h"
#include "ops/vector.h"

/* Rows of a register block: with two vectors a row, the sums, two vectors of B and one element of A fill the registers
 * (32 with AVX-512, else 16). */
#if HL__LANES == 16
#define ROWS 8
#else
#define ROWS 6
#endif
#define COLUMNS (2 * HL__LANES)
#define DEPTH 256 /* of B, so that a panel of it stays in the first-level cache */

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

/* All rows of one panel of columns. */
INLINE void multiply_panel(block at, size_t m, const size_t vectors, const bool whole, const bool transpose_a) {
    size_t left = m;
    while (left > 0) {
        size_t rows = left >= ROWS ? ROWS : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        if (rows == ROWS) multiply(&at, ROWS, vectors, whole, transpose_a);
        else if (rows == 4) multiply(&at, 4, vectors, whole, transpose_a);
        else if (rows == 2) multiply(&at, 2, vectors, whole, transpose_a);
        else multiply(&at, 1, vectors, whole, transpose_a);
        at.a += rows * at.a_row;
        at.c += rows * at.ldc;
        left -= rows;
    }
}

INLINE void multiply_all(const hl__gemm_shape *s, const float *a, const float *b, float *c, const bool transpose_a) {
    for (size_t p = 0; p < s->k; p += DEPTH)
        for (size_t j = 0; j < s->n; j += COLUMNS) {
            size_t columns = s->n - j < COLUMNS ? s->n - j : COLUMNS;
            block at = {.k = s->k - p < DEPTH ? s->k - p : DEPTH,
                        .a = transpose_a ? a + p * s->lda : a + p,
                        .a_row = transpose_a ? 1 : s->lda,
                        .a_k = transpose_a ? s->lda : 1,
                        .b = b + p * s->ldb + j,
                        .ldb = s->ldb,
                        .c = c + j,
                        .ldc = s->ldc,
                        .last = (columns - 1) % HL__LANES + 1,
                        .accumulate = s->accumulate || p > 0};
            if (columns == COLUMNS) multiply_panel(at, s->m, 2, true, transpose_a);
            else if (columns > HL__LANES) multiply_panel(at, s->m, 2, false, transpose_a);
            else if (columns == HL__LANES) multiply_panel(at, s->m, 1, true, transpose_a);
            else multiply_panel(at, s->m, 1, false, transpose_a);
        }
}

static void gemm(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    if (shape->k == 0 && !shape->accumulate)
        for (size_t i = 0; i < shape->m; i++) memset(c + i * shape->ldc, 0, shape->n * sizeof(float));
    if (shape->transpose_a) multiply_all(shape, a, b, c, true);
    else multiply_all(shape, a, b, c, false);
}

/* ---- transposition ---- */

/* a0 b0 a1 b1 ... of the lower or the upper halves of a and b */
#if HL__LANES == 16
#define LOWER(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define UPPER(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif HL__LANES == 8
#define LOWER(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define UPPER(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define LOWER(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define UPPER(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/* A square as wide as a vector: interleaving row i with row i + half is a rotation of the index bits (row, column) by
 * one; as many rotations as a lane number has bits exchange row and column. */
static void transpose_square(const float *in, size_t ld_in, float *out, size_t ld_out) {
    hl__floats from[HL__LANES], to[HL__LANES];
    for (size_t i = 0; i < HL__LANES; i++) from[i] = hl__load(in + i * ld_in);
    for (size_t round = 1; round < HL__LANES; round *= 2) {
        for (size_t i = 0; i < HL__LANES / 2; i++) {
            to[2 * i] = LOWER(from[i], from[i + HL__LANES / 2]);
            to[2 * i + 1] = UPPER(from[i], from[i + HL__LANES / 2]);
        }
        for (size_t i = 0; i < HL__LANES; i++) from[i] = to[i];
    }
    for (size_t i = 0; i < HL__LANES; i++) hl__store(out + i * ld_out, from[i]);
}

static void transpose(const float *in, size_t ld_in, size_t rows, size_t columns, float *out, size_t ld_out) {
    size_t whole_rows = rows - rows % HL__LANES, whole_columns = columns - columns % HL__LANES;
    for (size_t i = 0; i < whole_rows; i += HL__LANES)
        for (size_t j = 0; j < whole_columns; j += HL__LANES)
            transpose_square(in + i * ld_in + j, ld_in, out + j * ld_out + i, ld_out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < whole_rows ? whole_columns : 0; j < columns; j++) out[j * ld_out + i] = in[i * ld_in + j];
}

extern const hl__rows HL__ISA_NAME(hl__row_functions);
extern const hl__kernels HL__ISA_NAME(hl__kernels);
const hl__kernels HL__ISA_NAME(hl__kernels) = {
    .gemm = gemm, .transpose = transpose, .rows = &HL__ISA_NAME(hl__row_functions)};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one seam through which all block products go: C = A B or C += A B on one tile, row-major, single precision.
 * Behind it stand libxsmm's generated kernels and a portable kernel in C. Which of them runs never shows in the result:
 * both add up each element in the order of k, by the same instructions, so that code may be missing for any reason (no
 * executable memory, no room left, another kernel that is faster here) and the bits are the same. */
#ifndef HL_OPS_GEMM_H
#define HL_OPS_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "headloom/status.h"

/* What a product is for, by which the kernel is chosen. */
typedef enum hl__gemm_kind {
    HL__GEMM_OTHER,              /* none of these: generated where it can be */
    HL__GEMM_TOKENS,             /* tokens by a weight matrix as it lies */
    HL__GEMM_TOKENS_TRANSPOSED,  /* the same by its transpose, turned round: matrix by tokens^T */
    HL__GEMM_WEIGHT_GRADIENT,    /* tokens^T by tokens */
    HL__GEMM_ATTENTION,          /* scores, and values weighed by them */
    HL__GEMM_ATTENTION_BACKWARD, /* their gradients */
    HL__N_GEMM_KINDS
} hl__gemm_kind;

/* m x n result, inner extent k. Leading dimensions are the distances in elements between consecutive rows as stored.
 * A is [m][k], or [k][m] where transpose_a. B is [k][n] (a transposed B does not exist here: no kernel generator makes
 * one; transpose the block first). */
typedef struct hl__gemm_shape {
    size_t m, n, k;
    size_t lda, ldb, ldc;
    hl__gemm_kind kind;
    bool transpose_a;
    bool accumulate; /* C += A B */
    bool fetch;      /* another B, as large, is to be brought into the second-level cache meanwhile */
    bool pack;       /* with fetch: B's rows meet in few sets of the first-level cache: generated code, which reads
                        them in place, gets a copy */
} hl__gemm_shape;

/* True where rows are multiples of 4 KiB apart. A product of 128 x 256 x 192 then runs at 216 instead of 245 GFLOP/s
 * (Zen 5), with a copy at 237. */
static inline bool hl__gemm_rows_meet(size_t ld) { return ld * sizeof(float) % 4096 == 0; }

/* Room for generated code, which whoever makes a program gives to what it prepares. place: the entry of the code for a
 * key, which generate writes to a buffer where it is not there yet (how many bytes; 0: it cannot); NULL where there is
 * none to be had. */
struct hl_code {
    const void *(*place)(void *room, const void *key, size_t key_bytes,
                         size_t (*generate)(const void *key, void *buffer, size_t bytes));
    void *room;
};

/* The portable kernel. next_b: another B, whose first columns are fetched, or NULL. scratch: HL__GEMM_PANEL floats for
 * copies of B, or NULL. */
typedef void hl__portable_gemm(const hl__gemm_shape *shape, const float *a, const float *b, float *c,
                               const float *next_b, float *scratch);

/* A prepared product: plain data, kept in a pass's plan. */
typedef struct hl__gemm {
    hl__portable_gemm *portable;
    const void *generated; /* for the first columns of this shape, or NULL: use portable */
    const void *fetching;  /* for the first rows of a shape that fetches, or NULL; the other is for the rest then */
    size_t columns;        /* that generated code makes; the portable kernel makes those behind them */
    hl__gemm_shape shape;
} hl__gemm;

/* Chooses the kernel, and generates it in `code` where it is not there yet (NULL: the portable one serves). An extent
 * of 0 is allowed: the product then is a no-op (or zeroes C where k is 0 and it does not accumulate). HL_UNSUPPORTED
 * where rows overlap. Call when a program is made, never in a kernel. Thread-safe, as far as `code` is. */
hl_status hl__gemm_prepare(const struct hl_code *code, const hl__gemm_shape *shape, hl__gemm *gemm);

/* Runs it without scratch; the shape neither fetches nor packs. c must not overlap a or b. Thread-safe. */
void hl__gemm_run(const hl__gemm *gemm, const float *a, const float *b, float *c);

/* The same with scratch, of hl__gemm_scratch floats. next_b: the B of the product behind this one, b where there is
 * none, or NULL where B is in cache already; a shape that fetches needs one. It is not read, so what lies behind its
 * end may be missing. */
void hl__gemm_run_fetching(const hl__gemm *gemm, const float *a, const float *b, float *c, const float *next_b,
                           float *scratch);

/* Floats that hl__gemm_run_fetching has to have for a shape. */
#define HL__GEMM_PANEL 4096
static inline size_t hl__gemm_scratch(const hl__gemm_shape *shape) {
    size_t whole = shape->pack ? shape->k * shape->n : 0;
    return whole > HL__GEMM_PANEL ? whole : HL__GEMM_PANEL;
}

/* The name of what stands behind the seam: "libxsmm" or "portable". */
const char *hl__gemm_name(void);

/* out[j][i] = in[i][j] for i < rows, j < columns; in has ld_in, out has ld_out elements between rows. Vectorised. */
void hl__transpose_block(const float *in, size_t ld_in, size_t rows, size_t columns, float *out, size_t ld_out);

#endif

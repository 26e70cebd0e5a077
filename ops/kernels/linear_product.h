/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Products of tokens with a weight matrix as it lies in memory, or with its transpose:
 *
 *   Y[t, n] = sum_k X[t, k] W[k, n]        forward, and dX where W is stored transposed
 *   Y[t, n] = sum_k X[t, k] W[n, k]        dX of the first, forward of the second
 *
 * No kernel generator multiplies by a transposed matrix on the right. A transposed copy of W would cost more memory
 * traffic than the product where tokens are few; instead a tile transposes a chunk of its tokens into scratch and makes
 * Y^T = W X^T, which reads W in long rows, and transposes what comes out. Where the columns of a token lie in short
 * segments, several are gathered for one product, so that sums leave the registers less often.
 *
 * A tensor that lies as Y does (a residual, an earlier share of a gradient) may be added to each tile behind its
 * product, while the tile is in cache. */
#ifndef HL_OPS_LINEAR_PRODUCT_H
#define HL_OPS_LINEAR_PRODUCT_H

#include <string.h>

#include "ops/kernels/linear.h"

/* ---- chunks of X: parts of a segment, or several whole ones ---- */

static inline size_t hl__chunk_of_segments(const hl__tokens *x, size_t most) {
    if (x->segments == 1 || x->width > most / 2) return hl__sum_chunk(x->width, most);
    size_t n_chunks = hl__ceil_div(x->segments, most / x->width);
    return hl__ceil_div(x->segments, n_chunks) * x->width;
}

/* Columns of the chunk of X that begins at column c. */
static inline size_t hl__chunk_at(const hl__tokens *x, size_t chunk, size_t c) {
    size_t end = chunk > x->width ? hl__all_columns(x) : (c / x->width + 1) * x->width;
    return hl__min(chunk, end - c);
}

/* Columns of the last chunk, or 0 where it is whole. */
static inline size_t hl__chunk_rest(const hl__tokens *x, size_t chunk) {
    return (chunk > x->width ? hl__all_columns(x) : x->width) % chunk;
}

/* ---- Y = X W ---- */

typedef struct hl__linear_plan {
    hl__tokens x, y;
    hl__linear_cut cut;
    size_t chunk;              /* of X: of a segment, or several whole ones */
    size_t rows;               /* most tokens of a tile */
    bool gathers;              /* a chunk of several segments, into scratch */
    bool merge;                /* the sequences of a tile are one matrix */
    hl__gemm gemm[2][2][2][2]; /* rows full or last, piece full or last, chunk full or last, first or later */
} hl__linear_plan;

static inline hl_status hl__linear_prepare(const struct hl_code *code, const hl__tokens *x, const hl__tokens *y,
                                           hl__linear_plan *plan) {
    *plan = (hl__linear_plan){.x = *x, .y = *y, .cut = hl__cut_linear(y, hl__all_columns(x))};
    const hl__linear_cut *cut = &plan->cut;
    plan->chunk = hl__chunk_of_segments(x, HL__LINEAR_BLOCK / cut->columns.columns);
    plan->rows = hl__tile_rows(&cut->tokens);
    plan->gathers = plan->chunk > x->width;
    plan->merge = hl__tokens_merge(x, y) || (plan->gathers && y->segments == 1);
    hl__token_block first = hl__token_block_at(x, &cut->tokens, 0),
                    last = hl__token_block_at(x, &cut->tokens, cut->tokens.n - 1);
    size_t rest = hl__chunk_rest(x, plan->chunk);
    for (int i = 0; i < 16; i++) {
        hl__gemm_shape shape = {.m = hl__block_rows(i & 8 ? &last : &first, plan->merge),
                                .n = i & 4 ? hl__piece_tail(&cut->columns) : cut->columns.piece,
                                .k = i & 2 && rest ? rest : plan->chunk,
                                .lda = plan->gathers ? plan->chunk : x->row_stride,
                                .ldb = hl__all_columns(y),
                                .ldc = y->row_stride,
                                .kind = HL__GEMM_TOKENS,
                                .accumulate = i & 1,
                                .fetch = true,
                                .pack = hl__gemm_rows_meet(hl__all_columns(y))};
        hl_status status = hl__gemm_prepare(code, &shape, &plan->gemm[i >> 3 & 1][i >> 2 & 1][i >> 1 & 1][i & 1]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* A chunk of tokens [rows][chunk] where it is gathered, then what a product takes. */
static inline size_t hl__linear_scratch(const hl__linear_plan *plan) {
    size_t tokens = plan->gathers ? plan->chunk * plan->rows : 0;
    return (tokens + hl__gemm_scratch(&plan->gemm[0][0][0][0].shape)) * sizeof(float);
}

/* Columns [k, k + n) of a block's tokens, into rows of a whole chunk. */
static inline void hl__gather_chunk(const hl__linear_plan *plan, const hl__token_block *at, size_t k, size_t n,
                                    const float *x, float *to) {
    size_t width = plan->x.width;
    for (size_t b = 0; b < at->n_batches; b++)
        for (size_t i = 0; i < n; i += width) {
            const float *x_t = x + hl__tokens_offset(&plan->x, at, b, k + i);
            float *to_t = to + b * at->n_tokens * plan->chunk + i;
            for (size_t t = 0; t < at->n_tokens; t++)
                memcpy(to_t + t * plan->chunk, x_t + t * plan->x.row_stride, width * sizeof *to);
        }
}

/* The tile's product; the caller adds bias and activation behind it. Weights come from memory a block at a time, each
 * while the product with the one before it runs. */
static inline void hl__linear_tile(const hl__linear_plan *plan, const hl__token_block *at, hl__column_range columns,
                                   float *scratch, const float *x, const float *w, float *y) {
    size_t N = hl__all_columns(&plan->y), K = hl__all_columns(&plan->x);
    size_t n_batches = plan->merge ? 1 : at->n_batches;
    float *behind = scratch + (plan->gathers ? plan->chunk * plan->rows : 0);
    bool last_rows = hl__block_rows(at, plan->merge) != plan->gemm[0][0][0][0].shape.m;
    for (size_t k = 0, chunk; k < K; k += chunk) {
        chunk = hl__chunk_at(&plan->x, plan->chunk, k);
        if (plan->gathers) hl__gather_chunk(plan, at, k, chunk, x, scratch);
        for (size_t n = columns.begin, piece; n < columns.end; n += piece) {
            piece = hl__min(plan->cut.columns.piece, columns.end - n);
            const hl__gemm *gemm = &plan->gemm[last_rows][piece < plan->cut.columns.piece][chunk < plan->chunk][k > 0];
            const float *block = w + k * N + n, *next = block;
            if (n + piece < columns.end) next = block + piece;
            else if (k + chunk < K) next = w + (k + chunk) * N + columns.begin;
            for (size_t b = 0; b < n_batches; b++) {
                const float *x_b = plan->gathers ? scratch + b * at->n_tokens * plan->chunk
                                                 : x + hl__tokens_offset(&plan->x, at, b, k);
                hl__gemm_run_fetching(gemm, x_b, block, y + hl__tokens_offset(&plan->y, at, b, n),
                                      b + 1 < n_batches ? block : next, behind);
            }
        }
    }
}

/* ---- Y = X W^T: W [columns of Y][columns of X] ---- */

typedef struct hl__linear_t_plan {
    hl__tokens x, y;
    hl__linear_cut cut;
    size_t chunk;              /* of X: of a segment, or several whole ones */
    size_t rows;               /* tokens of a tile, and between rows of scratch */
    hl__gemm gemm[2][2][2][2]; /* columns full or last, tokens full or last, chunk full or last, first or later */
} hl__linear_t_plan;

/* Columns of a full tile and of the last one. */
static inline size_t hl__tile_columns(const hl__column_cut *cut, bool last) {
    if (!last) return cut->columns;
    hl__column_range at = hl__columns_at(cut, cut->n - 1);
    return at.end - at.begin;
}

static inline hl_status hl__linear_t_prepare(const struct hl_code *code, const hl__tokens *x, const hl__tokens *y,
                                             hl__linear_t_plan *plan) {
    *plan = (hl__linear_t_plan){.x = *x,
                                .y = *y,
                                .cut = hl__cut_linear(y, hl__all_columns(x)),
                                .chunk = hl__chunk_of_segments(x, HL__LINEAR_CHUNK)};
    const hl__linear_cut *cut = &plan->cut;
    hl__token_block last = hl__token_block_at(y, &cut->tokens, cut->tokens.n - 1);
    size_t rest = hl__chunk_rest(x, plan->chunk);
    plan->rows = hl__tile_rows(&cut->tokens);
    for (int i = 0; i < 16; i++) {
        hl__gemm_shape shape = {.m = hl__tile_columns(&cut->columns, i & 8),
                                .n = i & 4 ? last.n_batches * last.n_tokens : plan->rows,
                                .k = i & 2 && rest ? rest : plan->chunk,
                                .lda = hl__all_columns(x),
                                .ldb = plan->rows,
                                .ldc = plan->rows,
                                .kind = HL__GEMM_TOKENS_TRANSPOSED,
                                .accumulate = i & 1};
        hl_status status = hl__gemm_prepare(code, &shape, &plan->gemm[i >> 3 & 1][i >> 2 & 1][i >> 1 & 1][i & 1]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* X^T of a chunk [chunk][rows], then Y^T [columns][rows], then what a product takes. */
static inline size_t hl__linear_t_floats(const hl__linear_t_plan *plan) {
    return (plan->chunk + plan->cut.columns.columns) * plan->rows;
}

static inline size_t hl__linear_t_scratch(const hl__linear_t_plan *plan) {
    return (hl__linear_t_floats(plan) + hl__gemm_scratch(&plan->gemm[0][0][0][0].shape)) * sizeof(float);
}

/* X W^T is added to Y^T in scratch, or begins it. */
static inline void hl__linear_t_add(const hl__linear_t_plan *plan, const hl__token_block *at, hl__column_range columns,
                                    float *scratch, const float *x, const float *w, bool later) {
    size_t ld = plan->rows, width = plan->x.width, T = at->n_tokens, inner = hl__all_columns(&plan->x);
    float *xt = scratch, *yt = xt + plan->chunk * ld;
    const float *w_tile = w + columns.begin * inner;
    bool last_columns = columns.end - columns.begin != plan->cut.columns.columns, last_rows = at->n_batches * T != ld;
    for (size_t c = 0, n; c < inner; c += n) {
        n = hl__chunk_at(&plan->x, plan->chunk, c);
        for (size_t i = 0, some; i < n; i += some) { /* what lies in one segment */
            some = hl__min(n - i, width - (c + i) % width);
            for (size_t b = 0; b < at->n_batches; b++)
                hl__transpose_block(x + hl__tokens_offset(&plan->x, at, b, c + i), plan->x.row_stride, T, some,
                                    xt + i * ld + b * T, ld);
        }
        hl__gemm_run_fetching(&plan->gemm[last_columns][last_rows][n < plan->chunk][later || c > 0], w_tile + c, xt, yt,
                              NULL, scratch + hl__linear_t_floats(plan));
    }
}

/* Y^T becomes Y. */
static inline void hl__linear_t_put(const hl__linear_t_plan *plan, const hl__token_block *at, hl__column_range columns,
                                    const float *scratch, float *y) {
    size_t ld = plan->rows, T = at->n_tokens, piece = plan->cut.columns.piece;
    const float *yt = scratch + plan->chunk * ld;
    for (size_t c = columns.begin; c < columns.end; c += piece)
        for (size_t b = 0; b < at->n_batches; b++)
            hl__transpose_block(yt + (c - columns.begin) * ld + b * T, ld, hl__min(piece, columns.end - c), T,
                                y + hl__tokens_offset(&plan->y, at, b, c), plan->y.row_stride);
}

/* ---- either, as a pass needs it ---- */

typedef struct hl__product_plan {
    bool transposed; /* W is [columns of Y][columns of X] */
    bool adds;       /* something to Y */
    union {
        hl__linear_plan straight;
        hl__linear_t_plan turned;
    };
} hl__product_plan;

/* added: may be absent, or NULL. */
static inline hl_status hl__product_prepare(const struct hl_code *code, const hl__tokens *x, const hl__tokens *y,
                                            bool transposed, const hl_view *added, hl__product_plan *plan) {
    plan->transposed = transposed;
    plan->adds = added && hl_view_present(added);
    return transposed ? hl__linear_t_prepare(code, x, y, &plan->turned)
                      : hl__linear_prepare(code, x, y, &plan->straight);
}

static inline const hl__linear_cut *hl__product_cut(const hl__product_plan *plan) {
    return plan->transposed ? &plan->turned.cut : &plan->straight.cut;
}

static inline const hl__tokens *hl__product_y(const hl__product_plan *plan) {
    return plan->transposed ? &plan->turned.y : &plan->straight.y;
}

static inline const hl__tokens *hl__product_x(const hl__product_plan *plan) {
    return plan->transposed ? &plan->turned.x : &plan->straight.x;
}

/* What a tile of the grid stands for. */
typedef struct hl__product_tile {
    hl__token_block tokens;
    hl__column_range columns; /* of Y */
    hl__column_range inner;   /* of X: all of them */
} hl__product_tile;

static inline hl__product_tile hl__product_at(const hl__product_plan *plan, const hl_tile *tile) {
    const hl__linear_cut *cut = hl__product_cut(plan);
    return (hl__product_tile){.tokens = hl__token_block_at(hl__product_y(plan), &cut->tokens, tile->index[0]),
                              .columns = hl__columns_at(&cut->columns, tile->index[1]),
                              .inner = {0, hl__all_columns(hl__product_x(plan))}};
}

static inline void hl__product_run(const hl__product_plan *plan, const hl__product_tile *at, void *scratch,
                                   const float *x, const float *w, float *y) {
    if (!plan->transposed) {
        hl__linear_tile(&plan->straight, &at->tokens, at->columns, scratch, x, w, y);
        return;
    }
    hl__linear_t_add(&plan->turned, &at->tokens, at->columns, scratch, x, w, false);
    hl__linear_t_put(&plan->turned, &at->tokens, at->columns, scratch, y);
}

static inline void hl__add_row(float *y_t, const float *added_t, size_t n) {
    for (size_t j = 0; j < n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, n - j);
        hl__store_some(y_t + j, hl__load_some(added_t + j, some, 0) + hl__load_some(y_t + j, some, 0), some);
    }
}

/* Adds what lies as Y does to a tile that has been made. */
static inline void hl__product_add(const hl__product_plan *plan, const hl__product_tile *at, const float *added,
                                   float *y) {
    const hl__tokens *tokens = hl__product_y(plan);
    size_t piece = hl__product_cut(plan)->columns.piece;
    for (size_t n = at->columns.begin; n < at->columns.end; n += piece)
        for (size_t b = 0; b < at->tokens.n_batches; b++) {
            size_t first = hl__tokens_offset(tokens, &at->tokens, b, n);
            for (size_t t = 0; t < at->tokens.n_tokens; t++)
                hl__add_row(y + first + t * tokens->row_stride, added + first + t * tokens->row_stride,
                            hl__min(piece, at->columns.end - n));
        }
}

static inline void hl__product_grid(const hl_call *call, hl_grid *grid) {
    const hl__linear_cut *cut = hl__product_cut(call->plan);
    grid->extent[0] = cut->tokens.n;
    grid->extent[1] = cut->columns.n;
}

static inline size_t hl__product_scratch(const hl_call *call) {
    const hl__product_plan *plan = call->plan;
    return plan->transposed ? hl__linear_t_scratch(&plan->turned) : hl__linear_scratch(&plan->straight);
}

static inline hl_cost hl__product_cost(const hl_call *call, const hl_tile *tile) {
    const hl__product_plan *plan = call->plan;
    hl__product_tile at = hl__product_at(plan, tile);
    double rows = (double)(at.tokens.n_batches * at.tokens.n_tokens), K = (double)at.inner.end;
    double N = (double)(at.columns.end - at.columns.begin), added = plan->adds ? rows * N : 0;
    return (hl_cost){.flops = 2 * rows * K * N, .bytes = 4 * (rows * K + K * N + rows * N + added)};
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gradients of a weight matrix and of a bias, from products of tokens:
 *
 *   dW[k, n] = sum_t X[t, k] dY[t, n]     chunks of tokens one after the other, on the tiles of its update (matrix.h)
 *   db[n]    = sum_t dY[t, n]             beside dW, while dY is in cache
 *
 * Where W is stored transposed, X and dY change places. */
#ifndef HL_OPS_LINEAR_GRADIENT_H
#define HL_OPS_LINEAR_GRADIENT_H

#include <string.h>

#include "ops/linear.h"
#include "ops/matrix.h"

#define HL__GRADIENT_TOKENS 512 /* whose share of dW is added at once */

typedef struct hl__gradient_plan {
    hl__tokens x, y; /* what makes the rows and what makes the columns of dW */
    bool turned;     /* x is dY, of which db is taken; else y is */
    hl__token_cut cut;
    bool merge;
    hl__matrix_cut tiles;
    hl__gemm gemm[2][2][2][2]; /* rows full or last, columns full or last, tokens full or last, first or later share */
} hl__gradient_plan;

static inline hl_status hl__gradient_prepare(const hl__tokens *x, const hl__tokens *y, bool turned,
                                             hl__gradient_plan *plan) {
    *plan = (hl__gradient_plan){.x = *x, .y = *y, .turned = turned, .cut = hl__cut_tokens(x, HL__GRADIENT_TOKENS)};
    plan->merge = hl__tokens_merge(x, y);
    plan->tiles = hl__cut_matrix(x->segments, x->width, y->segments, y->width);
    const hl__column_cut *rows = &plan->tiles.rows, *columns = &plan->tiles.columns;
    hl__token_block first = hl__token_block_at(x, &plan->cut, 0),
                    last = hl__token_block_at(x, &plan->cut, plan->cut.n - 1);
    for (int i = 0; i < 16; i++) {
        hl__gemm_shape shape = {.m = i & 8 ? hl__piece_tail(rows) : rows->piece,
                                .n = i & 4 ? hl__piece_tail(columns) : columns->piece,
                                .k = hl__block_rows(i & 2 ? &last : &first, plan->merge),
                                .lda = x->row_stride,
                                .ldb = y->row_stride,
                                .ldc = hl__all_columns(y),
                                .transpose_a = true,
                                .accumulate = i & 1};
        hl_status status = hl__gemm_prepare(&shape, &plan->gemm[i >> 3 & 1][i >> 2 & 1][i >> 1 & 1][i & 1]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* What a tile of the grid (rows, columns, blocks of tokens) stands for. */
typedef struct hl__gradient_tile {
    hl__column_range rows, columns; /* of dW */
    hl__token_block tokens;
    bool later;   /* there is a share already */
    bool with_db; /* the first tiles along the other axis also make db */
} hl__gradient_tile;

static inline hl__gradient_tile hl__gradient_at(const hl__gradient_plan *plan, const hl_tile *tile) {
    return (hl__gradient_tile){.rows = hl__columns_at(&plan->tiles.rows, tile->index[0]),
                               .columns = hl__columns_at(&plan->tiles.columns, tile->index[1]),
                               .tokens = hl__token_block_at(&plan->x, &plan->cut, tile->index[2]),
                               .later = tile->index[2] > 0,
                               .with_db = tile->index[plan->turned ? 1 : 0] == 0};
}

/* One product: rows from k, columns from n. */
static inline void hl__gradient_piece(const hl__gradient_plan *plan, const hl__gradient_tile *at, size_t k, size_t n,
                                      const float *x, const float *y, float *dw) {
    const hl__column_cut *rows = &plan->tiles.rows, *columns = &plan->tiles.columns;
    bool last_tokens = hl__block_rows(&at->tokens, plan->merge) != plan->gemm[0][0][0][0].shape.k;
    bool last_rows = at->rows.end - k < rows->piece, last_columns = at->columns.end - n < columns->piece;
    size_t n_batches = plan->merge ? 1 : at->tokens.n_batches;
    for (size_t b = 0; b < n_batches; b++)
        hl__gemm_run(&plan->gemm[last_rows][last_columns][last_tokens][at->later || b > 0],
                     x + hl__tokens_offset(&plan->x, &at->tokens, b, k),
                     y + hl__tokens_offset(&plan->y, &at->tokens, b, n), dw + k * hl__all_columns(&plan->y) + n);
}

/* db of columns [begin, end) of dY, which lie in one segment: the block's tokens added up in order. */
static inline void hl__gradient_db_piece(const hl__tokens *dy, const hl__gradient_tile *at, size_t begin, size_t end,
                                         const float *values, float *db) {
    for (size_t j = begin; j < end; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, end - j);
        hl__floats sum = at->later ? hl__load_some(db + j, some, 0) : hl__splat(0);
        for (size_t b = 0; b < at->tokens.n_batches; b++) {
            const float *dy_t = values + hl__tokens_offset(dy, &at->tokens, b, begin) + (j - begin);
            for (size_t t = 0; t < at->tokens.n_tokens; t++, dy_t += dy->row_stride)
                sum += hl__load_some(dy_t, some, 0);
        }
        hl__store_some(db + j, sum, some);
    }
}

/* dw and db: NULL where they are not asked for. */
static inline void hl__gradient_run(const hl__gradient_plan *plan, const hl__gradient_tile *at, const float *x,
                                    const float *y, float *dw, float *db) {
    size_t row_piece = plan->tiles.rows.piece, column_piece = plan->tiles.columns.piece;
    for (size_t n = at->columns.begin; dw && n < at->columns.end; n += column_piece)
        for (size_t k = at->rows.begin; k < at->rows.end; k += row_piece) hl__gradient_piece(plan, at, k, n, x, y, dw);
    if (!db || !at->with_db) return;
    hl__column_range bias = plan->turned ? at->rows : at->columns;
    size_t piece = plan->turned ? row_piece : column_piece;
    for (size_t n = bias.begin; n < bias.end; n += piece)
        hl__gradient_db_piece(plan->turned ? &plan->x : &plan->y, at, n, hl__min(n + piece, bias.end),
                              plan->turned ? x : y, db);
}

/* What hl__gradient_run leaves where no token has a gradient. */
static inline void hl__gradient_zero(const hl__gradient_plan *plan, const hl__gradient_tile *at, float *dw, float *db) {
    size_t N = hl__all_columns(&plan->y), columns = at->columns.end - at->columns.begin;
    if (at->later) return;
    for (size_t k = at->rows.begin; dw && k < at->rows.end; k++)
        memset(dw + k * N + at->columns.begin, 0, columns * sizeof *dw);
    hl__column_range bias = plan->turned ? at->rows : at->columns;
    if (db && at->with_db) memset(db + bias.begin, 0, (bias.end - bias.begin) * sizeof *db);
}

static inline void hl__gradient_grid(const hl_call *call, hl_grid *grid) {
    const hl__gradient_plan *plan = call->plan;
    grid->extent[0] = plan->tiles.rows.n;
    grid->extent[1] = plan->tiles.columns.n;
    grid->extent[2] = plan->cut.n;
}

static inline hl_cost hl__gradient_cost(const hl_call *call, const hl_tile *tile) {
    hl__gradient_tile at = hl__gradient_at(call->plan, tile);
    double tokens = (double)(at.tokens.n_batches * at.tokens.n_tokens), k = (double)(at.rows.end - at.rows.begin);
    double n = (double)(at.columns.end - at.columns.begin);
    return (hl_cost){.flops = 2 * tokens * k * n, .bytes = 4 * (tokens * k + tokens * n + 2 * k * n)};
}

#endif

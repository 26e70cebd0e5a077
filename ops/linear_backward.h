/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Backward of products of tokens with a weight matrix (linear.h):
 *
 *   dX[t, k] = sum_n dY[t, n] W[k, n]     the product with W transposed
 *   dW[k, n] = sum_t X[t, k] dY[t, n]     chunks of tokens one after the other
 *   db[n]    = sum_t dY[t, n]             beside dW, while dY is in cache
 *
 * No kernel generator multiplies by a transposed matrix on the right. A transposed copy of W would cost more memory
 * traffic than the product where tokens are few; instead a tile transposes a chunk of its tokens into scratch and makes
 * dX^T = W dY^T, which reads W in long rows, and transposes what comes out. */
#ifndef HL_OPS_LINEAR_BACKWARD_H
#define HL_OPS_LINEAR_BACKWARD_H

#include "ops/linear.h"
#include "ops/matrix.h"

/* ---- Y = X W^T: W [columns of Y][columns of X] ---- */

typedef struct hl__linear_t_plan {
    hl__tokens x, y;
    hl__linear_cut cut;
    size_t chunk;              /* of a segment of X */
    size_t rows;               /* tokens of a tile, and between rows of scratch */
    hl__gemm gemm[2][2][2][2]; /* columns full or last, tokens full or last, chunk full or last, first or later */
} hl__linear_t_plan;

/* Columns of a full tile and of the last one. */
static inline size_t hl__tile_columns(const hl__column_cut *cut, bool last) {
    if (!last) return cut->columns;
    hl__column_range at = hl__columns_at(cut, cut->n - 1);
    return at.end - at.begin;
}

static inline hl_status hl__linear_t_prepare(const hl__tokens *x, const hl__tokens *y, hl__linear_t_plan *plan) {
    *plan = (hl__linear_t_plan){.x = *x, .y = *y, .cut = hl__cut_linear(y), .chunk = hl__sum_chunk(x->width)};
    const hl__linear_cut *cut = &plan->cut;
    hl__token_block last = hl__token_block_at(y, &cut->tokens, cut->tokens.n - 1);
    size_t rest = x->width % plan->chunk;
    plan->rows = hl__tile_rows(&cut->tokens);
    for (int i = 0; i < 16; i++) {
        hl__gemm_shape shape = {.m = hl__tile_columns(&cut->columns, i & 8),
                                .n = i & 4 ? last.n_batches * last.n_tokens : plan->rows,
                                .k = i & 2 && rest ? rest : plan->chunk,
                                .lda = hl__all_columns(x),
                                .ldb = plan->rows,
                                .ldc = plan->rows,
                                .accumulate = i & 1};
        hl_status status = hl__gemm_prepare(&shape, &plan->gemm[i >> 3 & 1][i >> 2 & 1][i >> 1 & 1][i & 1]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* X^T of a chunk [chunk][rows], then Y^T [columns][rows]. */
static inline size_t hl__linear_t_scratch(const hl_call *call) {
    const hl__linear_t_plan *plan = call->plan;
    return (plan->chunk + plan->cut.columns.columns) * plan->rows * sizeof(float);
}

static inline void hl__linear_t_tile(const hl__linear_t_plan *plan, const hl_tile *tile, const float *x, const float *w,
                                     float *y) {
    hl__token_block at = hl__token_block_at(&plan->y, &plan->cut.tokens, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->cut.columns, tile->index[1]);
    size_t ld = plan->rows, width = plan->x.width, T = at.n_tokens, n_columns = columns.end - columns.begin;
    float *xt = tile->scratch, *yt = xt + plan->chunk * ld;
    const float *w_tile = w + columns.begin * hl__all_columns(&plan->x);
    bool last_columns = n_columns != plan->cut.columns.columns, last_rows = at.n_batches * T != ld;
    for (size_t s = 0; s < plan->x.segments; s++)
        for (size_t c = 0; c < width; c += plan->chunk) {
            size_t n = hl__min(plan->chunk, width - c);
            for (size_t b = 0; b < at.n_batches; b++)
                hl__transpose_block(x + hl__tokens_offset(&plan->x, &at, b, s * width + c), plan->x.row_stride, T, n,
                                    xt + b * T, ld);
            hl__gemm_run(&plan->gemm[last_columns][last_rows][n < plan->chunk][s + c > 0], w_tile + s * width + c, xt,
                         yt);
        }
    size_t piece = plan->cut.columns.piece;
    for (size_t c = columns.begin; c < columns.end; c += piece)
        for (size_t b = 0; b < at.n_batches; b++)
            hl__transpose_block(yt + (c - columns.begin) * ld + b * T, ld, hl__min(piece, columns.end - c), T,
                                y + hl__tokens_offset(&plan->y, &at, b, c), plan->y.row_stride);
}

static inline void hl__linear_t_grid(const hl_call *call, hl_grid *grid) {
    hl__linear_cut_grid(&((const hl__linear_t_plan *)call->plan)->cut, grid);
}

static inline hl_cost hl__linear_t_cost(const hl_call *call, const hl_tile *tile) {
    const hl__linear_t_plan *plan = call->plan;
    return hl__linear_cut_cost(&plan->y, &plan->cut, hl__all_columns(&plan->x), tile);
}

/* ---- dW = X^T dY, db ---- */

#define HL__LINEAR_DW_TOKENS 512 /* whose share of dW is added at once */

typedef struct hl__linear_dw_plan {
    hl__tokens x, y;
    hl__token_cut cut;
    bool merge;
    hl__matrix_cut tiles;
    hl__gemm gemm[2][2][2][2]; /* rows full or last, columns full or last, tokens full or last, first or later share */
} hl__linear_dw_plan;

static inline hl_status hl__linear_dw_prepare(const hl__tokens *x, const hl__tokens *y, hl__linear_dw_plan *plan) {
    *plan = (hl__linear_dw_plan){.x = *x, .y = *y, .cut = hl__cut_tokens(x, HL__LINEAR_DW_TOKENS)};
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

static inline void hl__linear_dw_piece(const hl__linear_dw_plan *plan, const hl__token_block *at, bool later, size_t k,
                                       size_t n_k, size_t n, size_t n_n, const float *x, const float *dy, float *dw) {
    bool last_tokens = hl__block_rows(at, plan->merge) != plan->gemm[0][0][0][0].shape.k;
    bool last_rows = n_k != plan->tiles.rows.piece, last_columns = n_n != plan->tiles.columns.piece;
    size_t n_batches = plan->merge ? 1 : at->n_batches;
    for (size_t b = 0; b < n_batches; b++)
        hl__gemm_run(&plan->gemm[last_rows][last_columns][last_tokens][later || b > 0],
                     x + hl__tokens_offset(&plan->x, at, b, k), dy + hl__tokens_offset(&plan->y, at, b, n),
                     dw + k * hl__all_columns(&plan->y) + n);
}

/* db of one piece: the block's tokens added up in order. */
static inline void hl__linear_db_piece(const hl__linear_dw_plan *plan, const hl__token_block *at, bool later, size_t n,
                                       size_t n_n, const float *dy, float *db) {
    for (size_t j = 0; j < n_n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, n_n - j);
        hl__floats sum = later ? hl__load_some(db + n + j, some, 0) : hl__splat(0);
        for (size_t b = 0; b < at->n_batches; b++) {
            const float *dy_t = dy + hl__tokens_offset(&plan->y, at, b, n) + j;
            for (size_t t = 0; t < at->n_tokens; t++, dy_t += plan->y.row_stride) sum += hl__load_some(dy_t, some, 0);
        }
        hl__store_some(db + n + j, sum, some);
    }
}

/* dw or db may be NULL. Grid: rows, columns, blocks of tokens. */
static inline void hl__linear_dw_tile(const hl__linear_dw_plan *plan, const uint32_t index[HL_GRID_RANK],
                                      const float *x, const float *dy, float *dw, float *db) {
    hl__column_range rows = hl__columns_at(&plan->tiles.rows, index[0]);
    hl__column_range columns = hl__columns_at(&plan->tiles.columns, index[1]);
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, index[2]);
    size_t row_piece = plan->tiles.rows.piece, column_piece = plan->tiles.columns.piece;
    for (size_t n = columns.begin; n < columns.end; n += column_piece) {
        size_t n_n = hl__min(column_piece, columns.end - n);
        for (size_t k = rows.begin; dw && k < rows.end; k += row_piece)
            hl__linear_dw_piece(plan, &at, index[2] > 0, k, hl__min(row_piece, rows.end - k), n, n_n, x, dy, dw);
        if (db && index[0] == 0) hl__linear_db_piece(plan, &at, index[2] > 0, n, n_n, dy, db);
    }
}

static inline void hl__linear_dw_grid(const hl_call *call, hl_grid *grid) {
    const hl__linear_dw_plan *plan = call->plan;
    grid->extent[0] = plan->tiles.rows.n;
    grid->extent[1] = plan->tiles.columns.n;
    grid->extent[2] = plan->cut.n;
}

static inline hl_cost hl__linear_dw_cost(const hl_call *call, const hl_tile *tile) {
    const hl__linear_dw_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[2]);
    hl__column_range rows = hl__columns_at(&plan->tiles.rows, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->tiles.columns, tile->index[1]);
    double tokens = (double)(at.n_batches * at.n_tokens), k = (double)(rows.end - rows.begin);
    double n = (double)(columns.end - columns.begin);
    return (hl_cost){.flops = 2 * tokens * k * n, .bytes = 4 * (tokens * k + tokens * n + 2 * k * n)};
}

#endif

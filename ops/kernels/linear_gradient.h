/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gradients of a weight matrix and of a bias, from products of tokens:
 *
 *   dW[k, n] = sum_t X[t, k] dY[t, n]     on the tiles of its update (matrix.h)
 *   db[n]    = sum_t dY[t, n]             beside dW, while dY is in cache
 *
 * Where W is stored transposed, X and dY change places.
 *
 * A sum over a million tokens, taken one by one, would lose five digits: each term is rounded as the whole sum so far
 * is. Sums are made in three levels instead. A block of at most 512 tokens is one product, its share of dW; a tile adds
 * up the shares of its blocks; and the tiles of one part of dW, which run one after the other, add theirs to what is
 * there. A share goes through 16 KiB of scratch in the first-level cache: dW of 2048 x 768 x 768 takes 21.6 instead of
 * 21.2 ms of a worker (EPYC with AVX-512, fastest of four rounds). Where one block has all tokens, its product is dW.
 *
 * A chain has at most 512 additions, or about the square root of the number of blocks. n equal numbers, which are the
 * worst, are then off by at most a quarter of the three lengths together, in units of 2^-24 (in each binade the
 * roundings go one way): 152 for a million tokens. */
#ifndef HL_OPS_LINEAR_GRADIENT_H
#define HL_OPS_LINEAR_GRADIENT_H

#include <string.h>

#include "ops/kernels/linear.h"
#include "ops/kernels/matrix.h"

#define HL__GRADIENT_TOKENS 512 /* of a block */
#define HL__GRADIENT_BLOCKS 64  /* a tile takes one block while there are no more than so many */

typedef struct hl__gradient_plan {
    hl__tokens x, y; /* what makes the rows and what makes the columns of dW */
    bool turned;     /* x is dY, of which db is taken; else y is */
    hl__token_cut cut;
    size_t blocks; /* of a tile */
    bool apart;    /* a product is a share that is added to dW, not dW itself */
    bool merge;
    hl__matrix_cut tiles;
    hl__gemm gemm[2][2][2][2]; /* rows full or last, columns full or last, tokens full or last, first or later batch */
} hl__gradient_plan;

static inline hl_status hl__gradient_prepare(const struct hl_code *code, const hl__tokens *x, const hl__tokens *y,
                                             bool turned, hl__gradient_plan *plan) {
    *plan = (hl__gradient_plan){
        .x = *x, .y = *y, .turned = turned, .cut = hl__cut_tokens(x, HL__GRADIENT_TOKENS), .blocks = 1};
    while (plan->blocks * hl__max(plan->blocks, HL__GRADIENT_BLOCKS) < plan->cut.n) plan->blocks *= 2;
    plan->apart = plan->cut.n > 1;
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
                                .ldc = plan->apart ? columns->piece : hl__all_columns(y),
                                .kind = HL__GEMM_WEIGHT_GRADIENT,
                                .transpose_a = true,
                                .accumulate = i & 1};
        hl_status status = hl__gemm_prepare(code, &shape, &plan->gemm[i >> 3 & 1][i >> 2 & 1][i >> 1 & 1][i & 1]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* What a tile of the grid (rows, columns, blocks of tokens) stands for. */
typedef struct hl__gradient_tile {
    hl__column_range rows, columns; /* of dW */
    size_t block, n_blocks;         /* of tokens */
    bool later;                     /* an earlier tile has left its sums */
    bool with_db;                   /* the first tiles along the other axis also make db */
} hl__gradient_tile;

static inline hl__gradient_tile hl__gradient_at(const hl__gradient_plan *plan, const hl_tile *tile) {
    size_t block = tile->index[2] * plan->blocks;
    return (hl__gradient_tile){.rows = hl__columns_at(&plan->tiles.rows, tile->index[0]),
                               .columns = hl__columns_at(&plan->tiles.columns, tile->index[1]),
                               .block = block,
                               .n_blocks = hl__min(plan->blocks, plan->cut.n - block),
                               .later = block > 0,
                               .with_db = tile->index[plan->turned ? 1 : 0] == 0};
}

/* Columns of dY that belong to a tile's part of db. */
static inline hl__column_range hl__gradient_bias(const hl__gradient_plan *plan, const hl__gradient_tile *at) {
    return plan->turned ? at->rows : at->columns;
}

/* ---- kernel; scratch: what a product takes, the share of one, then the sums of a tile with several blocks ---- */

static inline size_t hl__gradient_share_floats(const hl__gradient_plan *plan) {
    return plan->apart ? plan->tiles.rows.piece * plan->tiles.columns.piece : 0;
}

static inline size_t hl__gradient_scratch(const hl_call *call) {
    const hl__gradient_plan *plan = call->plan;
    size_t rows = plan->tiles.rows.columns, columns = plan->tiles.columns.columns;
    size_t sums = plan->blocks > 1 ? rows * columns + hl__max(rows, columns) : 0;
    return (hl__gemm_scratch(&plan->gemm[0][0][0][0].shape) + hl__gradient_share_floats(plan) + sums) * sizeof(float);
}

/* Operands of a tile, and where its shares are added up: in dW and db, or in scratch. */
typedef struct hl__gradient_work {
    const float *x, *y;
    float *product; /* what it takes of scratch */
    float *share;   /* of one product */
    float *dw, *db; /* of the tile's first row and column; NULL where they are not asked for */
    size_t ld;      /* between rows of dW */
    bool begun;     /* there is something to add to */
} hl__gradient_work;

/* Adds a share to what is there, or begins with it. */
static inline void hl__add_share(float *to, const float *share, size_t n, bool begun) {
    if (!begun) {
        memcpy(to, share, n * sizeof *to);
        return;
    }
    size_t j = 0;
    for (; j + HL__LANES <= n; j += HL__LANES) hl__store(to + j, hl__load(to + j) + hl__load(share + j));
    for (; j < n; j++) to[j] += share[j];
}

/* One product of one block: rows from k, columns from n. */
static inline void hl__gradient_piece(const hl__gradient_plan *plan, const hl__gradient_tile *at,
                                      const hl__token_block *tokens, size_t k, size_t n,
                                      const hl__gradient_work *work) {
    size_t row_piece = plan->tiles.rows.piece, column_piece = plan->tiles.columns.piece;
    size_t rows = hl__min(row_piece, at->rows.end - k), columns = hl__min(column_piece, at->columns.end - n);
    bool last_tokens = hl__block_rows(tokens, plan->merge) != plan->gemm[0][0][0][0].shape.k;
    const hl__gemm *gemm = plan->gemm[rows < row_piece][columns < column_piece][last_tokens];
    float *dw = work->dw + (k - at->rows.begin) * work->ld + (n - at->columns.begin);
    for (size_t b = 0; b < (plan->merge ? 1 : tokens->n_batches); b++)
        hl__gemm_run_fetching(&gemm[b > 0], work->x + hl__tokens_offset(&plan->x, tokens, b, k),
                              work->y + hl__tokens_offset(&plan->y, tokens, b, n), plan->apart ? work->share : dw,
                              work->y + hl__tokens_offset(&plan->y, tokens, b, n), work->product);
    for (size_t i = 0; plan->apart && i < rows; i++)
        hl__add_share(dw + i * work->ld, work->share + i * column_piece, columns, work->begun);
}

/* db of columns [begin, end) of dY, which lie in one segment, from one block. */
static inline void hl__gradient_db_piece(const hl__tokens *dy, const hl__token_block *tokens, size_t begin, size_t end,
                                         const float *values, bool begun, float *db) {
    for (size_t j = 0; j < end - begin; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, end - begin - j);
        hl__floats sum = hl__splat(0);
        float share[HL__LANES];
        for (size_t b = 0; b < tokens->n_batches; b++) {
            const float *dy_t = values + hl__tokens_offset(dy, tokens, b, begin) + j;
            for (size_t t = 0; t < tokens->n_tokens; t++, dy_t += dy->row_stride) sum += hl__load_some(dy_t, some, 0);
        }
        hl__store(share, sum);
        hl__add_share(db + j, share, some, begun);
    }
}

/* The shares of one block of tokens. */
static inline void hl__gradient_block(const hl__gradient_plan *plan, const hl__gradient_tile *at, size_t block,
                                      const hl__gradient_work *work) {
    hl__token_block tokens = hl__token_block_at(&plan->x, &plan->cut, block);
    size_t row_piece = plan->tiles.rows.piece, column_piece = plan->tiles.columns.piece;
    for (size_t n = at->columns.begin; work->dw && n < at->columns.end; n += column_piece)
        for (size_t k = at->rows.begin; k < at->rows.end; k += row_piece)
            hl__gradient_piece(plan, at, &tokens, k, n, work);
    hl__column_range bias = hl__gradient_bias(plan, at);
    size_t piece = plan->turned ? row_piece : column_piece;
    for (size_t n = bias.begin; work->db && n < bias.end; n += piece)
        hl__gradient_db_piece(plan->turned ? &plan->x : &plan->y, &tokens, n, hl__min(n + piece, bias.end),
                              plan->turned ? work->x : work->y, work->begun, work->db + (n - bias.begin));
}

/* dw and db: NULL where they are not asked for. */
static inline void hl__gradient_run(const hl__gradient_plan *plan, const hl__gradient_tile *at, void *scratch,
                                    const float *x, const float *y, float *dw, float *db) {
    size_t N = hl__all_columns(&plan->y), rows = at->rows.end - at->rows.begin;
    size_t columns = at->columns.end - at->columns.begin;
    hl__column_range bias = hl__gradient_bias(plan, at);
    float *share = (float *)scratch + hl__gemm_scratch(&plan->gemm[0][0][0][0].shape);
    float *made = share + hl__gradient_share_floats(plan);
    hl__gradient_work work = {.x = x,
                              .y = y,
                              .product = scratch,
                              .share = share,
                              .dw = dw ? dw + at->rows.begin * N + at->columns.begin : NULL,
                              .db = db && at->with_db ? db + bias.begin : NULL,
                              .ld = N,
                              .begun = at->later};
    const hl__gradient_work there = work;
    bool apart = at->later && at->n_blocks > 1; /* what the first tile adds up is dW so far */
    if (apart) {
        work.dw = dw ? made : NULL;
        work.db = there.db ? made + rows * columns : NULL;
        work.ld = columns;
        work.begun = false;
    }
    for (size_t i = 0; i < at->n_blocks; i++, work.begun = true) hl__gradient_block(plan, at, at->block + i, &work);
    for (size_t k = 0; apart && dw && k < rows; k++)
        hl__add_share(there.dw + k * N, work.dw + k * columns, columns, true);
    if (apart && there.db) hl__add_share(there.db, work.db, bias.end - bias.begin, true);
}

/* What hl__gradient_run leaves where no token has a gradient. */
static inline void hl__gradient_zero(const hl__gradient_plan *plan, const hl__gradient_tile *at, float *dw, float *db) {
    size_t N = hl__all_columns(&plan->y), columns = at->columns.end - at->columns.begin;
    if (at->later) return;
    for (size_t k = at->rows.begin; dw && k < at->rows.end; k++)
        memset(dw + k * N + at->columns.begin, 0, columns * sizeof *dw);
    hl__column_range bias = hl__gradient_bias(plan, at);
    if (db && at->with_db) memset(db + bias.begin, 0, (bias.end - bias.begin) * sizeof *db);
}

/* ---- tiling and access ---- */

/* Narrows the box of a token tensor to a tile's blocks, or to the least box around them, and to some columns. */
static inline void hl__gradient_box(const hl__gradient_plan *plan, const hl__gradient_tile *at, const hl_view *view,
                                    bool headed, hl__column_range columns, hl_box *box) {
    const hl_box whole = *box;
    for (size_t i = 0; i < at->n_blocks; i++) {
        hl__token_block tokens = hl__token_block_at(&plan->x, &plan->cut, at->block + i);
        hl_box one = whole;
        hl__box_tokens(view, headed, &tokens, columns, &one);
        for (size_t axis = 0; axis < view->shape.rank; axis++) {
            box->begin[axis] = i > 0 ? hl__min(box->begin[axis], one.begin[axis]) : one.begin[axis];
            box->end[axis] = i > 0 ? hl__max(box->end[axis], one.end[axis]) : one.end[axis];
        }
    }
}

static inline void hl__gradient_grid(const hl_call *call, hl_grid *grid) {
    const hl__gradient_plan *plan = call->plan;
    grid->extent[0] = plan->tiles.rows.n;
    grid->extent[1] = plan->tiles.columns.n;
    grid->extent[2] = hl__ceil_div(plan->cut.n, plan->blocks);
}

static inline hl_cost hl__gradient_cost(const hl_call *call, const hl_tile *tile) {
    const hl__gradient_plan *plan = call->plan;
    hl__gradient_tile at = hl__gradient_at(plan, tile);
    double tokens = 0, k = (double)(at.rows.end - at.rows.begin), n = (double)(at.columns.end - at.columns.begin);
    for (size_t i = 0; i < at.n_blocks; i++) {
        hl__token_block block = hl__token_block_at(&plan->x, &plan->cut, at.block + i);
        tokens += (double)(block.n_batches * block.n_tokens);
    }
    return (hl_cost){.flops = 2 * tokens * k * n, .bytes = 4 * (tokens * k + tokens * n + 2 * k * n)};
}

#endif

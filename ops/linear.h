/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Products of tokens with a weight matrix, shared by dense and project. A token tensor is flat, [..., T, C], or headed,
 * [B, H, T, D], where columns h * D + d of a token lie in H segments; the product does not care which:
 *
 *   forward:  Y[t, n]  = sum_k X[t, k] W[k, n]
 *   backward: dX[t, k] = sum_n dY[t, n] W^T[n, k]   (the forward product with W^T)
 *             dW[k, n] = sum_t X[t, k] dY[t, n]     (blocks of tokens one after the other)
 *             db[n]    = sum_t dY[t, n]
 *
 * Tiles are some 64 tokens x 64 columns. Where sequences are shorter, a tile takes several of them. */
#ifndef HL_OPS_LINEAR_H
#define HL_OPS_LINEAR_H

#include "ops/gemm.h"
#include "ops/op.h"
#include "ops/vector.h"

#define HL__LINEAR_ROWS 64    /* tokens of a tile */
#define HL__LINEAR_COLUMNS 64 /* columns of a tile */
#define HL__LINEAR_CHUNK 512  /* tokens whose share of dW is added at once */

/* A token tensor: element (o, b, t, s, j) is at ((o * batches + b) * batch_stride + s * segment_stride + t * row_stride
 * + j; o counts the axes before the last three. */
typedef struct hl__tokens {
    size_t outer, batches, tokens, segments, width;
    size_t batch_stride, segment_stride, row_stride;
} hl__tokens;

static inline hl__tokens hl__tokens_of(const hl_view *view, bool headed) {
    const hl_shape *s = &view->shape;
    size_t r = s->rank;
    if (headed) {
        size_t H = s->extent[1], T = s->extent[2], D = s->extent[3];
        return (hl__tokens){.outer = 1,
                            .batches = s->extent[0],
                            .tokens = T,
                            .segments = H,
                            .width = D,
                            .batch_stride = H * T * D,
                            .segment_stride = T * D,
                            .row_stride = D};
    }
    size_t C = s->extent[r - 1], T = r >= 2 ? s->extent[r - 2] : 1;
    hl__tokens x = {.outer = 1,
                    .batches = r >= 3 ? s->extent[r - 3] : 1,
                    .tokens = T,
                    .segments = 1,
                    .width = C,
                    .batch_stride = T * C,
                    .segment_stride = 0,
                    .row_stride = C};
    for (size_t i = 0; i + 3 < r; i++) x.outer *= s->extent[i];
    return x;
}

/* How tokens are cut: blocks of `block` tokens of one sequence, or of `group` whole sequences. */
typedef struct hl__token_cut {
    size_t block, group;
    size_t n_blocks, n_groups; /* in a sequence; in a row of batches */
    size_t n;                  /* in all */
} hl__token_cut;

static inline hl__token_cut hl__cut_tokens(const hl__tokens *x, size_t rows) {
    hl__token_cut cut = {.block = hl__min(rows, x->tokens), .group = 1};
    if (x->tokens < rows) cut.group = hl__min(x->batches, hl__max(1, rows / x->tokens));
    cut.n_blocks = hl__ceil_div(x->tokens, cut.block);
    cut.n_groups = hl__ceil_div(x->batches, cut.group);
    cut.n = x->outer * cut.n_groups * cut.n_blocks;
    return cut;
}

/* The tokens of one block. */
typedef struct hl__token_block {
    size_t outer, batch, n_batches, token, n_tokens;
} hl__token_block;

static inline hl__token_block hl__token_block_at(const hl__tokens *x, const hl__token_cut *cut, size_t number) {
    hl__token_block at;
    at.token = number % cut->n_blocks * cut->block;
    number /= cut->n_blocks;
    at.batch = number % cut->n_groups * cut->group;
    at.outer = number / cut->n_groups;
    at.n_batches = hl__min(cut->group, x->batches - at.batch);
    at.n_tokens = hl__min(cut->block, x->tokens - at.token);
    return at;
}

/* Narrows the box of a token tensor to a block and to columns [begin, end) of all segments taken together; for a headed
 * tensor the columns lie within one head or are all of them. */
static inline void hl__box_tokens(const hl_view *view, bool headed, const hl__token_block *at, size_t begin, size_t end,
                                  hl_box *box) {
    size_t r = view->shape.rank;
    size_t token_axis = headed ? 2 : r - 2, batch_axis = headed ? 0 : r - 3;
    if (r >= 2) {
        box->begin[token_axis] = at->token;
        box->end[token_axis] = at->token + at->n_tokens;
    }
    if (r >= 3) {
        box->begin[batch_axis] = at->batch;
        box->end[batch_axis] = at->batch + at->n_batches;
    }
    size_t outer = at->outer;
    for (size_t i = !headed && r > 3 ? r - 3 : 0; i-- > 0;) {
        box->begin[i] = outer % view->shape.extent[i];
        box->end[i] = box->begin[i] + 1;
        outer /= view->shape.extent[i];
    }
    size_t D = view->shape.extent[r - 1];
    if (headed) {
        box->begin[1] = begin / D;
        box->end[1] = hl__ceil_div(end, D);
        begin = end - begin >= D ? 0 : begin % D;
        end = end % D ? end % D : D;
    }
    box->begin[r - 1] = begin;
    box->end[r - 1] = end;
}

static inline size_t hl__tokens_offset(const hl__tokens *x, const hl__token_block *at, size_t batch, size_t column) {
    size_t b = at->outer * x->batches + at->batch + batch;
    return b * x->batch_stride + at->token * x->row_stride + column / x->width * x->segment_stride + column % x->width;
}

/* Sequences of a block can be multiplied as one matrix where both tensors are flat: whole sequences lie end to end. */
static inline bool hl__tokens_merge(const hl__tokens *x, const hl__tokens *y) {
    return x->segments == 1 && y->segments == 1;
}

/* ---- Y = X W ---- */

typedef struct hl__linear_plan {
    hl__tokens x, y;
    hl__token_cut cut;
    bool merge;
    size_t columns;         /* of a tile */
    size_t n_columns;       /* tiles along the columns */
    hl__gemm gemm[2][2][2]; /* rows full or last, columns full or last, first or later segment of X */
} hl__linear_plan;

/* Columns of a tile: within one segment of Y. */
static inline size_t hl__column_block(const hl__tokens *y) { return hl__min(y->width, HL__LINEAR_COLUMNS); }

static inline size_t hl__column_tiles(const hl__tokens *y) {
    return y->segments * hl__ceil_div(y->width, hl__column_block(y));
}

static inline void hl__column_range(const hl__tokens *y, size_t tile, size_t *begin, size_t *end) {
    size_t block = hl__column_block(y), a_segment = hl__ceil_div(y->width, block);
    size_t segment = tile / a_segment, first = tile % a_segment * block;
    *begin = segment * y->width + first;
    *end = segment * y->width + hl__min(first + block, y->width);
}

static inline size_t hl__block_rows(const hl__token_block *at, bool merge) {
    return merge ? at->n_batches * at->n_tokens : at->n_tokens;
}

static inline hl_status hl__linear_prepare(const hl__tokens *x, const hl__tokens *y, hl__linear_plan *plan) {
    *plan = (hl__linear_plan){.x = *x, .y = *y, .cut = hl__cut_tokens(x, HL__LINEAR_ROWS)};
    plan->merge = hl__tokens_merge(x, y);
    plan->columns = hl__column_block(y);
    plan->n_columns = hl__column_tiles(y);
    hl__token_block first = hl__token_block_at(x, &plan->cut, 0),
                    last = hl__token_block_at(x, &plan->cut, plan->cut.n - 1);
    size_t tail = y->width % plan->columns;
    for (int i = 0; i < 8; i++) {
        hl__gemm_shape shape = {.m = hl__block_rows(i & 4 ? &last : &first, plan->merge),
                                .n = i & 2 && tail ? tail : plan->columns,
                                .k = x->width,
                                .lda = x->row_stride,
                                .ldb = y->segments * y->width,
                                .ldc = y->row_stride,
                                .accumulate = i & 1};
        hl_status status = hl__gemm_prepare(&shape, &plan->gemm[i >> 2 & 1][i >> 1 & 1][i & 1]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* The tile's product. Its columns begin at `begin`; the caller adds bias and activation behind it. */
static inline void hl__linear_tile(const hl__linear_plan *plan, const hl__token_block *at, size_t begin, size_t end,
                                   const float *x, const float *w, float *y) {
    size_t N = plan->y.segments * plan->y.width;
    bool last_rows = hl__block_rows(at, plan->merge) != plan->gemm[0][0][0].shape.m;
    bool last_columns = end - begin != plan->columns;
    size_t n_batches = plan->merge ? 1 : at->n_batches;
    for (size_t b = 0; b < n_batches; b++) {
        float *y_b = y + hl__tokens_offset(&plan->y, at, b, begin);
        for (size_t s = 0; s < plan->x.segments; s++)
            hl__gemm_run(&plan->gemm[last_rows][last_columns][s > 0],
                         x + hl__tokens_offset(&plan->x, at, b, s * plan->x.width), w + s * plan->x.width * N + begin,
                         y_b);
    }
}

/* ---- dW = X^T dY ---- */

typedef struct hl__linear_dw_plan {
    hl__tokens x, y;
    hl__token_cut cut;
    bool merge;
    size_t rows, columns;      /* of a tile of dW */
    size_t n_rows, n_columns;  /* tiles */
    hl__gemm gemm[2][2][2][2]; /* rows full or last, columns full or last, tokens full or last, first or later share */
} hl__linear_dw_plan;

/* Smaller blocks where the matrix is small, so that some chains of additions can run at once. */
static inline void hl__linear_dw_blocks(const hl__tokens *x, const hl__tokens *y, size_t *rows, size_t *columns) {
    size_t K = x->width, N = y->width, segments = x->segments * y->segments;
    *rows = hl__min(K, 64);
    *columns = hl__min(N, 64);
    while (*rows > 16 && segments * hl__ceil_div(K, *rows) * hl__ceil_div(N, *columns) < HL__MIN_TILES) *rows /= 2;
}

static inline hl_status hl__linear_dw_prepare(const hl__tokens *x, const hl__tokens *y, hl__linear_dw_plan *plan) {
    *plan = (hl__linear_dw_plan){.x = *x, .y = *y, .cut = hl__cut_tokens(x, HL__LINEAR_CHUNK)};
    plan->merge = hl__tokens_merge(x, y);
    hl__linear_dw_blocks(x, y, &plan->rows, &plan->columns);
    plan->n_rows = x->segments * hl__ceil_div(x->width, plan->rows);
    plan->n_columns = y->segments * hl__ceil_div(y->width, plan->columns);
    hl__token_block first = hl__token_block_at(x, &plan->cut, 0),
                    last = hl__token_block_at(x, &plan->cut, plan->cut.n - 1);
    size_t row_tail = x->width % plan->rows, column_tail = y->width % plan->columns;
    for (int i = 0; i < 16; i++) {
        hl__gemm_shape shape = {.m = i & 8 && row_tail ? row_tail : plan->rows,
                                .n = i & 4 && column_tail ? column_tail : plan->columns,
                                .k = hl__block_rows(i & 2 ? &last : &first, plan->merge),
                                .lda = x->row_stride,
                                .ldb = y->row_stride,
                                .ldc = y->segments * y->width,
                                .transpose_a = true,
                                .accumulate = i & 1};
        hl_status status = hl__gemm_prepare(&shape, &plan->gemm[i >> 3 & 1][i >> 2 & 1][i >> 1 & 1][i & 1]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* Range of tile number `tile` along an axis of segments x width cut into blocks. */
static inline void hl__block_range(size_t width, size_t block, size_t tile, size_t *begin, size_t *end) {
    size_t a_segment = hl__ceil_div(width, block), segment = tile / a_segment, first = tile % a_segment * block;
    *begin = segment * width + first;
    *end = segment * width + hl__min(first + block, width);
}

static inline void hl__linear_dw_tile(const hl__linear_dw_plan *plan, const uint32_t index[HL_GRID_RANK],
                                      const float *x, const float *dy, float *dw) {
    size_t k0, k1, n0, n1, N = plan->y.segments * plan->y.width;
    hl__block_range(plan->x.width, plan->rows, index[0], &k0, &k1);
    hl__block_range(plan->y.width, plan->columns, index[1], &n0, &n1);
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, index[2]);
    bool last_tokens = hl__block_rows(&at, plan->merge) != plan->gemm[0][0][0][0].shape.k;
    size_t n_batches = plan->merge ? 1 : at.n_batches;
    for (size_t b = 0; b < n_batches; b++)
        hl__gemm_run(&plan->gemm[k1 - k0 != plan->rows][n1 - n0 != plan->columns][last_tokens][index[2] + b > 0],
                     x + hl__tokens_offset(&plan->x, &at, b, k0), dy + hl__tokens_offset(&plan->y, &at, b, n0),
                     dw + k0 * N + n0);
}

/* ---- db: columns of dY summed over all tokens, in the tokens' order ---- */

#define HL__DB_COLUMNS 16 /* of a tile: a cache line of each row */

static inline void hl__linear_db_tile(const hl__tokens *y, size_t begin, size_t end, const float *dy, float *db) {
    const float *first = dy + begin / y->width * y->segment_stride + begin % y->width;
    for (size_t j = 0; j < end - begin; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, end - begin - j);
        hl__floats sum = hl__splat(0);
        for (size_t b = 0; b < y->outer * y->batches; b++)
            for (size_t t = 0; t < y->tokens; t++)
                sum += hl__load_some(first + b * y->batch_stride + t * y->row_stride + j, some, 0);
        hl__store_some(db + begin + j, sum, some);
    }
}

/* ---- passes that both operators use as they are ---- */

/* W^T: operand 0 is W, seen as [K, N]; operand 1 its transpose [N, K]. */
static inline void hl__transpose_grid(const hl_call *call, hl_grid *grid) {
    const hl_shape *out = &call->operand[1].shape;
    grid->extent[0] = hl__ceil_div(out->extent[0], 64);
    grid->extent[1] = hl__ceil_div(out->extent[1], 64);
}

static inline void hl__transpose_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *out = &call->operand[1].shape;
    size_t n0 = tile->index[0] * (size_t)64, k0 = tile->index[1] * (size_t)64;
    boxes[1].begin[0] = n0;
    boxes[1].end[0] = hl__min(n0 + 64, out->extent[0]);
    boxes[1].begin[1] = k0;
    boxes[1].end[1] = hl__min(k0 + 64, out->extent[1]);
    boxes[0].begin[0] = k0; /* rows of W; a headed W is read over all its columns */
    boxes[0].end[0] = boxes[1].end[1];
    if (call->operand[0].shape.rank == 2) {
        boxes[0].begin[1] = n0;
        boxes[0].end[1] = boxes[1].end[0];
    }
}

static inline void hl__transpose_kernel(const hl_call *call, const hl_tile *tile) {
    size_t N = call->operand[1].shape.extent[0], K = call->operand[1].shape.extent[1];
    size_t n0 = tile->index[0] * (size_t)64, k0 = tile->index[1] * (size_t)64;
    hl__transpose_block(hl__f32(&call->operand[0]) + k0 * N + n0, N, hl__min(64, K - k0), hl__min(64, N - n0),
                        hl__f32(&call->operand[1]) + n0 * K + k0, K);
}

/* db: operand 0 is dY, operand 1 the gradient of the bias. */
static inline void hl__db_range(const hl__tokens *y, size_t tile, size_t *begin, size_t *end) {
    hl__block_range(y->width, hl__min(y->width, HL__DB_COLUMNS), tile, begin, end);
}

static inline size_t hl__db_tiles(const hl__tokens *y) {
    return y->segments * hl__ceil_div(y->width, hl__min(y->width, HL__DB_COLUMNS));
}

/* ---- grids and costs ---- */

static inline void hl__linear_grid(const hl_call *call, hl_grid *grid) {
    const hl__linear_plan *plan = call->plan;
    grid->extent[0] = plan->cut.n;
    grid->extent[1] = plan->n_columns;
}

static inline hl_cost hl__linear_cost(const hl_call *call, const hl_tile *tile) {
    const hl__linear_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[0]);
    size_t begin, end, rows = at.n_batches * at.n_tokens, K = plan->x.segments * plan->x.width;
    hl__column_range(&plan->y, tile->index[1], &begin, &end);
    return (hl_cost){.flops = 2.0 * (double)rows * (double)K * (double)(end - begin),
                     .bytes = 4.0 * (double)(rows * K + K * (end - begin) + rows * (end - begin))};
}

static inline void hl__linear_dw_grid(const hl_call *call, hl_grid *grid) {
    const hl__linear_dw_plan *plan = call->plan;
    grid->extent[0] = plan->n_rows;
    grid->extent[1] = plan->n_columns;
    grid->extent[2] = plan->cut.n;
}

static inline hl_cost hl__linear_dw_cost(const hl_call *call, const hl_tile *tile) {
    const hl__linear_dw_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[2]);
    double rows = (double)(at.n_batches * at.n_tokens), k = (double)plan->rows, n = (double)plan->columns;
    return (hl_cost){.flops = 2 * rows * k * n, .bytes = 4 * (rows * k + rows * n + 2 * k * n)};
}

#endif

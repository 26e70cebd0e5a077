/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the numbers of token tensors lie and how products over them are cut into tiles, for dense and project: a token
 * tensor is flat, [..., T, C], or headed, [B, H, T, D], where columns h * D + d of a token lie in H segments. The
 * products themselves are in linear_product.h and linear_gradient.h.
 *
 * Tiles are 64 tokens x 64 columns, wider where that leaves enough of them: a row of a wide tile's weights is read from
 * memory in longer runs, and tokens are read less often. Where sequences are shorter, a tile takes several of them.
 * Long sums are taken in chunks, so that a tile's share of the weights stays in cache while all its tokens pass. */
#ifndef HL_OPS_LINEAR_H
#define HL_OPS_LINEAR_H

#include "ops/kernels/gemm.h"
#include "ops/kernels/vector.h"
#include "ops/op.h"

#define HL__LINEAR_SIDE 64          /* tokens and columns of the smallest tile */
#define HL__LINEAR_MOST_COLUMNS 256 /* of a tile */
#define HL__LINEAR_MOST_ROWS 128
#define HL__LINEAR_WIDE_TILES 16 /* tiles are made wider while there are so many, */
#define HL__LINEAR_TALL_TILES 64 /* and then taller while there are so many, */
#define HL__LINEAR_LONG_SUM 8192 /* or, with sums of so many terms, */
#define HL__LINEAR_LONG_TILES 12 /* so many */
#define HL__LINEAR_CHUNK 384     /* of a sum */
#define HL__LINEAR_BLOCK 49152   /* weights, 192 KiB: in the second-level cache there is one at work and the next */

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

static inline size_t hl__all_columns(const hl__tokens *x) { return x->segments * x->width; }

/* ---- cutting tokens ---- */

/* Blocks of `block` tokens of one sequence, or of `group` whole sequences. */
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

static inline size_t hl__tokens_offset(const hl__tokens *x, const hl__token_block *at, size_t batch, size_t column) {
    size_t b = at->outer * x->batches + at->batch + batch;
    return b * x->batch_stride + at->token * x->row_stride + column / x->width * x->segment_stride + column % x->width;
}

/* Sequences of a block can be multiplied as one matrix where both tensors are flat: whole sequences lie end to end. */
static inline bool hl__tokens_merge(const hl__tokens *x, const hl__tokens *y) {
    return x->segments == 1 && y->segments == 1;
}

static inline size_t hl__block_rows(const hl__token_block *at, bool merge) {
    return merge ? at->n_batches * at->n_tokens : at->n_tokens;
}

/* ---- cutting columns ---- */

/* Tiles of about `columns` columns: a part of one segment, or several whole ones. A product takes one piece of them,
 * which lies within a segment. */
typedef struct hl__column_cut {
    size_t segments, width;
    size_t columns, piece, n;
} hl__column_cut;

static inline hl__column_cut hl__cut_columns(size_t segments, size_t width, size_t most) {
    hl__column_cut cut = {.segments = segments, .width = width};
    if (segments == 1 || width > most / 2) {
        cut.columns = cut.piece = hl__min(width, most);
        cut.n = segments * hl__ceil_div(width, cut.columns);
    } else {
        size_t together = hl__min(segments, most / width);
        cut.columns = together * width;
        cut.piece = width;
        cut.n = hl__ceil_div(segments, together);
    }
    return cut;
}

typedef struct hl__column_range {
    size_t begin, end;
} hl__column_range;

static inline hl__column_range hl__columns_at(const hl__column_cut *cut, size_t tile) {
    if (cut->columns > cut->width)
        return (hl__column_range){tile * cut->columns, hl__min((tile + 1) * cut->columns, cut->segments * cut->width)};
    size_t a_segment = hl__ceil_div(cut->width, cut->columns), first = tile % a_segment * cut->columns;
    size_t segment = tile / a_segment * cut->width;
    return (hl__column_range){segment + first, segment + hl__min(first + cut->columns, cut->width)};
}

static inline size_t hl__piece_tail(const hl__column_cut *cut) {
    size_t tail = cut->width % cut->piece;
    return tail ? tail : cut->piece;
}

/* Narrows axes `axis` (segments) and axis + 1 (of `width`) of a box to columns that hl__columns_at gave. */
static inline void hl__box_segments(hl_box *box, size_t axis, size_t width, hl__column_range at) {
    box->begin[axis] = at.begin / width;
    box->end[axis] = hl__ceil_div(at.end, width);
    bool several = at.end - at.begin > width;
    box->begin[axis + 1] = several ? 0 : at.begin % width;
    box->end[axis + 1] = several ? width : at.end - box->begin[axis] * width;
}

/* Narrows the box of a token tensor to a block, and to some columns. */
static inline void hl__box_tokens(const hl_view *view, bool headed, const hl__token_block *at, hl__column_range columns,
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
    if (headed) {
        hl_box heads = {{0}, {0}};
        hl__box_segments(&heads, 0, view->shape.extent[3], columns);
        box->begin[1] = heads.begin[0];
        box->end[1] = heads.end[0];
        box->begin[3] = heads.begin[1];
        box->end[3] = heads.end[1];
    } else {
        box->begin[r - 1] = columns.begin;
        box->end[r - 1] = columns.end;
    }
}

/* ---- tiles of tokens x columns ---- */

typedef struct hl__linear_cut {
    hl__token_cut tokens;
    hl__column_cut columns;
} hl__linear_cut;

/* Tiles of Y, whose elements are sums of `inner` terms. */
static inline hl__linear_cut hl__cut_linear(const hl__tokens *y, size_t inner) {
    size_t rows = HL__LINEAR_SIDE, most = HL__LINEAR_SIDE;
    size_t enough = inner >= HL__LINEAR_LONG_SUM ? HL__LINEAR_LONG_TILES : HL__LINEAR_TALL_TILES;
    hl__linear_cut cut = {hl__cut_tokens(y, rows), hl__cut_columns(y->segments, y->width, most)};
    for (; most < HL__LINEAR_MOST_COLUMNS; most *= 2) {
        hl__column_cut wider = hl__cut_columns(y->segments, y->width, 2 * most);
        if (cut.tokens.n * wider.n < HL__LINEAR_WIDE_TILES) break;
        cut.columns = wider;
    }
    for (; rows < HL__LINEAR_MOST_ROWS; rows *= 2) {
        hl__token_cut taller = hl__cut_tokens(y, 2 * rows);
        if (taller.n * cut.columns.n < enough) break;
        cut.tokens = taller;
    }
    return cut;
}

/* Most tokens of a tile. */
static inline size_t hl__tile_rows(const hl__token_cut *cut) { return cut->group * cut->block; }

/* Even chunks of a sum over `n`, at most `most` and whole cache lines but for the last. */
static inline size_t hl__sum_chunk(size_t n, size_t most) {
    most = hl__min(most, HL__LINEAR_CHUNK);
    return hl__min(n, hl__ceil_div(hl__ceil_div(n, hl__ceil_div(n, most)), 16) * 16);
}

#endif

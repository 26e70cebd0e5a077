/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How score, weight, attention and attention_weights cut heads into tiles, which heads share keys and values, and the
 * sizes that their products come in: blocks of rows that are full or the last one, and numbers of keys clipped to what
 * a block of queries sees. Products are prepared for each size that can occur, so clipped numbers come in steps. */
#ifndef HL_OPS_SCORE_TILES_H
#define HL_OPS_SCORE_TILES_H

#include "ops/kernels/gemm.h"
#include "ops/kernels/score_mask.h"
#include "ops/op.h"

#define HL__KEY_STEP 32 /* clipped numbers of keys are multiples of it, or end with the last key */
#define HL__MAX_KEYS 512
#define HL__KEY_SIZES (2 * HL__MAX_KEYS / HL__KEY_STEP)
#define HL__PARALLEL 8    /* tiles aimed at, so that small problems fill some workers */
#define HL__TILE_WORK 1e6 /* operations below which a tile takes several heads: 10 us against 0.2 of scheduling */

static inline size_t hl__round_up(size_t n, size_t step) { return hl__ceil_div(n, step) * step; }

/* Rows per block: at most `most`, a multiple of HL__KEY_STEP, blocks about equal. */
static inline size_t hl__even_block(size_t rows, size_t most) {
    return hl__round_up(hl__ceil_div(rows, hl__ceil_div(rows, most)), HL__KEY_STEP);
}

/* The same, smaller where that makes more tiles of few: tiles(block) = others * blocks^power. */
static inline size_t hl__parallel_block(size_t rows, size_t most, size_t others, int power) {
    size_t block = hl__even_block(rows, most);
    for (size_t smaller = most / 2; smaller >= HL__KEY_STEP; smaller /= 2) {
        size_t blocks = hl__ceil_div(rows, block);
        if (others * (power == 2 ? blocks * blocks : blocks) >= HL__PARALLEL) break;
        block = hl__even_block(rows, smaller);
    }
    return block;
}

/* Heads that one tile takes, where one head's share is `work` operations and each head alone makes `tiles` tiles. */
static inline size_t hl__heads_of_tile(size_t H, double work, size_t tiles) {
    size_t heads = 1;
    while (heads < H && work * (double)heads < HL__TILE_WORK && tiles / (heads + 1) >= HL__PARALLEL) heads++;
    return heads;
}

/* Tiles of blocks of rows of heads: grid (batch, group of heads, block of rows). */
typedef struct hl__head_tiles {
    size_t B, H, T;
    size_t block, n_blocks; /* rows of a tile; tiles along the rows */
    size_t heads, n_groups; /* heads of a tile; tiles along the heads */
} hl__head_tiles;

typedef struct hl__head_tile {
    size_t b, h0, h1, r0, r1;
    size_t last; /* 1: the last of several blocks of rows, which may be shorter; else 0 */
} hl__head_tile;

/* rows: a tensor [B, H, T, ...]; row_work: operations that each of its rows takes. */
static inline hl__head_tiles hl__head_tiles_of(const hl_shape *rows, size_t most, double row_work) {
    hl__head_tiles x = {.B = rows->extent[0], .H = rows->extent[1], .T = rows->extent[2]};
    x.block = hl__parallel_block(x.T, most, x.B * x.H, 1);
    x.n_blocks = hl__ceil_div(x.T, x.block);
    x.heads = hl__heads_of_tile(x.H, row_work * (double)hl__min(x.block, x.T), x.B * x.H * x.n_blocks);
    x.n_groups = hl__ceil_div(x.H, x.heads);
    return x;
}

static inline hl_grid hl__head_tiles_grid(const hl__head_tiles *x) {
    return (hl_grid){{x->B, x->n_groups, x->n_blocks, 1}};
}

static inline hl__head_tile hl__head_tile_at(const hl__head_tiles *x, const hl_tile *tile) {
    hl__head_tile at = {.b = tile->index[0], .h0 = tile->index[1] * x->heads, .r0 = tile->index[2] * x->block};
    at.h1 = hl__min(at.h0 + x->heads, x->H);
    at.r1 = hl__min(at.r0 + x->block, x->T);
    at.last = at.r1 == x->T && x->n_blocks > 1 ? 1 : 0;
    return at;
}

/* Rows of a full block (last = 0) and of the last one (1). */
static inline size_t hl__block_rows(size_t T, size_t block, size_t last) {
    return last ? T - (hl__ceil_div(T, block) - 1) * block : hl__min(block, T);
}

/* Number of a size among the prepared ones: multiples of the step first, then those that end with the last key. */
static inline size_t hl__key_size(size_t n) {
    return n % HL__KEY_STEP == 0 ? n / HL__KEY_STEP - 1 : HL__KEY_SIZES / 2 + n / HL__KEY_STEP;
}

static inline size_t hl__keys_of_size(size_t size, size_t Tk) {
    size_t half = HL__KEY_SIZES / 2;
    return size < half ? (size + 1) * HL__KEY_STEP : (size - half) * HL__KEY_STEP + Tk % HL__KEY_STEP;
}

/* The part of a block of keys that is worth computing where only `seen` of it is: begins and ends on steps. */
static inline hl__range hl__clip_keys(hl__range seen, size_t j0, size_t j1) {
    size_t begin = hl__max(seen.begin, j0), end = hl__min(seen.end, j1);
    if (begin >= end) return (hl__range){j0, j0};
    begin -= (begin - j0) % HL__KEY_STEP;
    return (hl__range){begin, hl__min(begin + hl__round_up(end - begin, HL__KEY_STEP), j1)};
}

/* First element of row i of head (b, h) of [batch, heads, tokens, size]. */
static inline float *hl__head_row(const hl_view *view, size_t b, size_t h, size_t i) {
    return hl__f32(view) + b * view->stride[0] + h * view->stride[1] + i * view->stride[2];
}

/* Narrows a box of [batch, heads, tokens, ...] to rows i0..i1-1 of some heads of one batch element. */
static inline void hl__box_heads(hl_box *box, size_t b, size_t h0, size_t h1, size_t i0, size_t i1) {
    box->begin[0] = b;
    box->end[0] = b + 1;
    box->begin[1] = h0;
    box->end[1] = h1;
    box->begin[2] = i0;
    box->end[2] = i1;
}

/* ---- what attention saves of each row of scores: [batch, heads, 2 or 3, queries] ---- */

enum hl__row_number {
    HL__ROW_SHIFT, /* the largest score - 1/2, in units of ln 2; +infinity where the query sees no key */
    HL__ROW_SUM,   /* sum_j 2^(s_j - shift - 1/2); 1 where the query sees no key */
    HL__ROW_BASE,  /* the bias that scores are relative to; only with a bias */
};

static inline hl_shape hl__row_numbers(const hl_shape *scores, bool biased) {
    return HL_SHAPE(scores->extent[0], scores->extent[1], biased ? 3 : 2, scores->extent[2]);
}

static inline float *hl__row_number(const hl_view *rows, size_t b, size_t h, enum hl__row_number which) {
    return hl__f32(rows) + b * rows->stride[0] + h * rows->stride[1] + which * rows->stride[2];
}

static inline void hl__box_row_numbers(hl_box *box, size_t b, size_t h0, size_t h1, size_t i0, size_t i1) {
    size_t n = box->end[2];
    hl__box_heads(box, b, h0, h1, 0, n);
    box->begin[3] = i0;
    box->end[3] = i1;
}

/* ---- grouped queries (Ainslie et al., "GQA: training generalized multi-query transformer models from multi-head
 * checkpoints", 2023): head h of H uses head h / (H / Hk) of a key or value with Hk heads ---- */

/* Heads of H that use one head of shared. */
static inline size_t hl__group(const hl_view *shared, size_t H) { return H / shared->shape.extent[1]; }

static inline size_t hl__shared_head(const hl_view *shared, size_t H, size_t h) { return h / hl__group(shared, H); }

/* A box of some heads of H becomes one of those that they use. */
static inline void hl__box_share(hl_box *box, const hl_view *shared, size_t H) {
    box->begin[1] = hl__shared_head(shared, H, box->begin[1]);
    box->end[1] = hl__shared_head(shared, H, box->end[1] - 1) + 1;
}

/* The number of keys that exist for batch element b. */
static inline size_t hl__length(const hl_view *lengths, size_t b, size_t Tk) {
    return hl_view_present(lengths) ? hl__min((size_t)hl__i32(lengths)[b * lengths->stride[0]], Tk) : Tk;
}

static inline void hl__box_batch(hl_box *box, const hl_view *lengths, size_t b) {
    if (!hl_view_present(lengths)) return;
    box->begin[0] = b;
    box->end[0] = b + 1;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tiles of the backward pass of fused attention: which squares of queries and keys a tile takes, and which boxes of
 * the operands it touches. What they compute is in backward.c. */
#ifndef HL_OPS_ATTENTION_SQUARES_H
#define HL_OPS_ATTENTION_SQUARES_H

#include "ops/kernels/score_mask.h"
#include "ops/kernels/score_tiles.h"
#include "ops/op.h"

#define SQUARE 128
#define SQUARES_OF_SIDE 2 /* a large tile takes 2 x 2 of them, */
#define LARGE_TILES 64    /* where there are so many such tiles */

enum square_operand {
    SQ,
    SK,
    SV,
    SBIAS,
    SLENGTHS,
    SSTEP,
    SROWS,
    SDO,
    SD,
    SDQ,
    SDK,
    SDV,
    SDBIAS,
    SREST,
    N_SQUARE_OPERANDS
};

typedef struct hl__squares {
    size_t B, H, Tq, Tk, D, Dv;
    size_t group;      /* query heads that share a head of keys and values */
    size_t side;       /* queries and keys of a square */
    size_t block, n;   /* queries and keys of a tile; blocks of queries or of keys, whichever are more */
    size_t ahead, n_t; /* t runs over 0 .. ahead and then the last values below n, n_t in all: a window has few */
    size_t heads, n_groups;
} hl__squares;

static inline hl__squares hl__squares_of(const hl_call *call) {
    const hl_shape *q = &call->operand[SQ].shape, *v = &call->operand[SV].shape;
    const hl_score_config *config = &((const hl_attention_config *)call->options)->score;
    hl__squares g = {.B = q->extent[0],
                     .H = q->extent[1],
                     .Tq = q->extent[2],
                     .Tk = v->extent[2],
                     .D = q->extent[3],
                     .Dv = v->extent[3],
                     .group = hl__group(&call->operand[SV], q->extent[1])};
    /* the tiles of a group wait for each other, so it counts as one head */
    size_t T = hl__max(g.Tq, g.Tk), heads = g.B * v->extent[1];
    g.block = g.side = hl__parallel_block(T, SQUARE, heads, 2);
    size_t n_large = hl__ceil_div(T, SQUARES_OF_SIDE * g.side);
    if (heads * n_large * n_large >= LARGE_TILES) g.block *= SQUARES_OF_SIDE;
    g.n = hl__ceil_div(T, g.block);
    g.ahead = g.n - 1;
    g.n_t = g.n;
    if (!hl_view_present(&call->operand[SDBIAS])) { /* every block of dbias has to be visited */
        hl__sight sight = hl__sight_of(config, g.Tq, g.Tk, g.Tk);
        ptrdiff_t block = (ptrdiff_t)g.block, ahead = sight.before - 1 - sight.shift + block - 1;
        ptrdiff_t behind = sight.after - 1 + sight.shift + block - 1;
        g.ahead = hl__clamp(ahead < 0 ? 0 : ahead / block, g.n - 1);
        g.n_t = hl__min(g.n, g.ahead + 1 + hl__clamp(behind < 0 ? 0 : behind / block, g.n - 1));
    }
    double side = (double)hl__min(g.block, T);
    g.heads = hl__heads_of_tile(g.H, 2 * side * side * (double)(3 * g.D + 2 * g.Dv), g.B * g.H * g.n_t * g.n);
    g.n_groups = hl__ceil_div(g.H, g.heads);
    return g;
}

/* Where a tile stands. */
typedef struct hl__square {
    size_t b, h0, h1, t, c, q;
    size_t i0, i1, j0, j1; /* queries and keys; empty without a partner */
    hl__range keys;        /* of j0 .. j1 - 1: those worth computing */
} hl__square;

static inline hl__square hl__square_at(const hl_call *call, const hl__squares *g, const hl_tile *tile, size_t length) {
    const hl_score_config *config = &((const hl_attention_config *)call->options)->score;
    size_t t = tile->index[2], c = tile->index[3];
    if (t > g->ahead) t += g->n - g->n_t;
    hl__square at = {.b = tile->index[0], .h0 = tile->index[1] * g->heads, .t = t, .c = c, .q = (c + t) % g->n};
    at.h1 = hl__min(at.h0 + g->heads, g->H);
    at.i0 = hl__min(at.q * g->block, g->Tq);
    at.i1 = hl__min(at.i0 + g->block, g->Tq);
    at.j0 = hl__min(c * g->block, g->Tk);
    at.j1 = hl__min(at.j0 + g->block, g->Tk);
    hl__sight sight = hl__sight_of(config, g->Tq, g->Tk, length);
    if (at.i0 < at.i1) at.keys = hl__clip_keys(hl__keys_seen(&sight, at.i0, at.i1), at.j0, at.j1);
    return at;
}

/* The square of a tile that begins at query i0 and key j0. */
static inline hl__square hl__square_within(const hl__squares *g, const hl__square *tile, const hl__sight *sight,
                                           size_t i0, size_t j0) {
    hl__square at = *tile;
    at.i0 = i0;
    at.i1 = hl__min(i0 + g->side, tile->i1);
    at.j0 = j0;
    at.j1 = hl__min(j0 + g->side, tile->j1);
    at.keys = hl__clip_keys(hl__keys_seen(sight, at.i0, at.i1), at.j0, at.j1);
    return at;
}

/* True where this tile is the first that touches its block of dbias, for head h. */
static inline bool hl__square_opens_bias(const hl__square *at, const hl_view *dbias, size_t h) {
    if (!hl_view_present(dbias) || at->j0 >= at->j1) return false;
    bool first = (dbias->shape.extent[0] != 1 || at->b == 0) && (dbias->shape.extent[1] != 1 || h == 0);
    return first && (dbias->shape.extent[2] == 1 ? at->t == 0 : at->i0 < at->i1);
}

static inline bool hl__keeps_bias_rests(const hl_call *call) {
    return hl_view_present(&call->operand[SDBIAS]) &&
           hl__shape_equal(&call->operand[SREST].shape, &call->operand[SDBIAS].shape);
}

static inline bool hl__is_first_square(const hl_tile *tile) {
    return tile->index[0] == 0 && tile->index[1] == 0 && tile->index[2] == 0 && tile->index[3] == 0;
}

static inline void hl__square_grid(const hl_call *call, hl_grid *grid) {
    hl__squares g = hl__squares_of(call);
    *grid = (hl_grid){{g.B, g.n_groups, g.n_t, g.n}};
}

/* Narrows the box of k, v, dk or dv. A tile that does not work may still open blocks: those of the groups that begin
 * with one of its heads. */
static inline void hl__square_share_heads(const hl__squares *g, const hl__square *at, bool works, hl_box *box) {
    box->begin[1] = works ? at->h0 / g->group : hl__ceil_div(at->h0, g->group);
    box->end[1] = hl__ceil_div(at->h1, g->group);
}

static inline void hl__square_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__squares g = hl__squares_of(call);
    hl__square at = hl__square_at(call, &g, tile, g.Tk);
    const hl_view *dbias = &call->operand[SDBIAS];
    bool works = !hl__range_empty(at.keys), opens = hl__square_opens_bias(&at, dbias, at.h0);
    for (size_t i = 0; i < N_SQUARE_OPERANDS; i++) {
        bool by_key = i == SK || i == SV || i == SDK || i == SDV;
        if (i == SREST && !hl__keeps_bias_rests(call)) {
            if (!hl__is_first_square(tile)) boxes[i] = hl__box_empty();
        } else if (i == SBIAS || i == SDBIAS || i == SREST) {
            const hl_view *bias = &call->operand[i];
            if (!hl_view_present(bias)) continue;
            hl__box_narrow(&boxes[i], bias, 0, at.b, at.b + 1);
            hl__box_narrow(&boxes[i], bias, 1, at.h0, at.h1);
            hl__box_narrow(&boxes[i], bias, 2, at.i0, at.i1);
            hl__box_narrow(&boxes[i], bias, 3, at.j0, at.j1);
            if (!works && !(i != SBIAS && opens)) boxes[i] = hl__box_empty();
        } else if (i == SLENGTHS) {
            hl__box_batch(&boxes[i], &call->operand[i], at.b);
        } else if (i == SROWS) {
            hl__box_row_numbers(&boxes[i], at.b, at.h0, at.h1, at.i0, at.i1);
            if (!works) boxes[i] = hl__box_empty();
        } else if (i != SSTEP) {
            hl__box_heads(&boxes[i], at.b, at.h0, at.h1, by_key ? at.j0 : at.i0, by_key ? at.j1 : at.i1);
            if (by_key) hl__square_share_heads(&g, &at, works, &boxes[i]);
            if (!works && !(i >= SDQ && at.t == 0)) boxes[i] = hl__box_empty();
        }
    }
}

#endif

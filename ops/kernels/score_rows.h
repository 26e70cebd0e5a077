/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of scores, written out: what score stores and what attention_weights makes weights of. Products and tiling are
 * here; each adds the bias in its own unit.
 *
 *   S_i[j] = scale * dot(q_i, k_j) + bias_i[j], -infinity where query i does not see key j
 *
 * A tile takes a block of queries past all keys, a piece of them at a time; pieces that no query of the block sees are
 * not computed. Queries may share the heads of keys. Operands are numbered alike in both passes: q, k, bias, lengths
 * come first. */
#ifndef HL_OPS_SCORE_ROWS_H
#define HL_OPS_SCORE_ROWS_H

#include "ops/kernels/gemm.h"
#include "ops/kernels/score_mask.h"
#include "ops/kernels/score_tiles.h"
#include "ops/op.h"

#define HL__SCORE_QUERIES 128
#define HL__SCORE_KEYS 256 /* of a piece */

enum hl__score_operand { HL__SCORE_Q, HL__SCORE_K, HL__SCORE_BIAS, HL__SCORE_LENGTHS };

typedef struct hl__score_rows {
    hl__head_tiles tiles;
    size_t H, Tq, Tk, D;
    size_t block_k;
} hl__score_rows;

static inline hl__score_rows hl__score_rows_of(const hl_call *call) {
    const hl_shape *q = &call->operand[HL__SCORE_Q].shape, *k = &call->operand[HL__SCORE_K].shape;
    hl__score_rows x = {.H = q->extent[1], .Tq = q->extent[2], .Tk = k->extent[2], .D = q->extent[3]};
    x.tiles = hl__head_tiles_of(q, HL__SCORE_QUERIES, 2.0 * (double)x.Tk * (double)x.D);
    x.block_k = hl__even_block(x.Tk, HL__SCORE_KEYS);
    return x;
}

typedef struct hl__score_plan {
    hl__score_rows x;
    hl__gemm product[2][2]; /* full and last blocks of queries; full and last pieces of keys */
} hl__score_plan;

static inline hl_status hl__score_prepare(const hl_call *call, void *data) {
    hl__score_plan *plan = data;
    hl__score_rows x = plan->x = hl__score_rows_of(call);
    for (size_t i = 0; i < 4; i++) {
        hl__gemm_shape shape = {.m = hl__block_rows(x.Tq, x.tiles.block, i / 2),
                                .n = hl__block_rows(x.Tk, x.block_k, i % 2),
                                .k = x.D,
                                .lda = x.D,
                                .ldb = x.block_k,
                                .ldc = x.Tk,
                                .kind = HL__GEMM_ATTENTION};
        hl_status status = hl__gemm_prepare(call->code, &shape, &plan->product[i / 2][i % 2]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

static inline void hl__score_grid(const hl_call *call, hl_grid *grid) {
    hl__score_rows x = hl__score_rows_of(call);
    *grid = hl__head_tiles_grid(&x.tiles);
}

/* Scaled queries and transposed keys. */
static inline size_t hl__score_scratch(const hl_call *call) {
    hl__score_rows x = hl__score_rows_of(call);
    return (hl__round_up(x.tiles.block * x.D, 16) + x.D * x.block_k) * sizeof(float);
}

/* Narrows the boxes of the operands that both passes have. */
static inline void hl__score_boxes(const hl_call *call, const hl__head_tile *at, hl_box *boxes) {
    const hl_view *bias = &call->operand[HL__SCORE_BIAS];
    hl__box_heads(&boxes[HL__SCORE_Q], at->b, at->h0, at->h1, at->r0, at->r1);
    hl__box_heads(&boxes[HL__SCORE_K], at->b, at->h0, at->h1, 0, call->operand[HL__SCORE_K].shape.extent[2]);
    hl__box_share(&boxes[HL__SCORE_K], &call->operand[HL__SCORE_K], call->operand[HL__SCORE_Q].shape.extent[1]);
    hl__box_batch(&boxes[HL__SCORE_LENGTHS], &call->operand[HL__SCORE_LENGTHS], at->b);
    if (!hl_view_present(bias)) return;
    hl__box_narrow(&boxes[HL__SCORE_BIAS], bias, 0, at->b, at->b + 1);
    hl__box_narrow(&boxes[HL__SCORE_BIAS], bias, 1, at->h0, at->h1);
    hl__box_narrow(&boxes[HL__SCORE_BIAS], bias, 2, at->r0, at->r1);
}

static inline hl_cost hl__score_cost(const hl_call *call, const hl_tile *tile) {
    hl__score_rows x = hl__score_rows_of(call);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    double heads = (double)(at.h1 - at.h0), nq = (double)(at.r1 - at.r0), nk = (double)x.Tk, D = (double)x.D;
    return (hl_cost){.flops = heads * 2 * nq * nk * D, .bytes = heads * sizeof(float) * (nq * D + nk * D + nq * nk)};
}

/* Hides what query i does not see. */
static inline void hl__score_hide(hl__range seen, size_t Tk, float *s_i) {
    for (size_t j = 0; j < seen.begin; j++) s_i[j] = -INFINITY;
    for (size_t j = seen.end; j < Tk; j++) s_i[j] = -INFINITY;
}

static inline hl__sight hl__score_sight(const hl_call *call, const hl_score_config *config, size_t b) {
    size_t Tq = call->operand[HL__SCORE_Q].shape.extent[2], Tk = call->operand[HL__SCORE_K].shape.extent[2];
    return hl__sight_of(config, Tq, Tk, hl__length(&call->operand[HL__SCORE_LENGTHS], b, Tk));
}

/* s[i][j] = dot(scale * q_i, k_j) for the rows of one head, in the pieces of keys that some of them see: s is row
 * at->r0 of it. */
static inline void hl__score_products(const hl_call *call, const hl__head_tile *at, const hl__sight *sight, float scale,
                                      size_t h, float *scratch, float *s) {
    const hl__score_plan *plan = call->plan;
    const hl__score_rows *x = &plan->x;
    const hl_view *k = &call->operand[HL__SCORE_K];
    size_t rows = at->r1 - at->r0, key_head = hl__shared_head(k, x->H, h);
    float *scaled = scratch, *kt = scratch + hl__round_up(x->tiles.block * x->D, 16);
    const float *q = hl__head_row(&call->operand[HL__SCORE_Q], at->b, h, at->r0);
    hl__range seen = hl__keys_seen(sight, at->r0, at->r1);
    for (size_t e = 0; e < rows * x->D; e++) scaled[e] = scale * q[e];
    for (size_t j0 = 0; j0 < x->Tk; j0 += x->block_k) {
        size_t j1 = hl__min(j0 + x->block_k, x->Tk), last = j1 == x->Tk && x->Tk > x->block_k ? 1 : 0;
        if (j1 <= seen.begin || j0 >= seen.end) continue; /* hidden by the caller */
        hl__transpose_block(hl__head_row(k, at->b, key_head, j0), x->D, j1 - j0, x->D, kt, x->block_k);
        hl__gemm_run(&plan->product[at->last][last], scaled, kt, s + j0);
    }
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values weighted by attention weights (Vaswani et al. 2017, equation 1).
 *
 *   forward:  y_i  = sum_j p_i[j] v_j        Y  = P V
 *   backward: dp_i[j] = dot(dy_i, v_j)       dP = dY V^T
 *             dv_j = sum_i p_i[j] dy_i       dV = P^T dY, and over the heads of a group, in their order
 *
 *   p [B, H, Tq, Tk], v [B, Hk, Tk, Dv], y [B, H, Tq, Dv]
 *
 * H is a multiple of Hk: head h uses the values of head h / (H / Hk) (grouped queries, Ainslie et al. 2023). Where
 * p_i[j] is 0, v_j adds nothing to y_i, nor dy_i to dv_j, whatever they are (masked.h): so are hidden keys. */
#include <string.h>

#include "ops/kernels/gemm.h"
#include "ops/kernels/masked.h"
#include "ops/kernels/score_mask.h"
#include "ops/kernels/score_tiles.h"
#include "ops/op.h"

#define ROWS 128  /* of a tile */
#define PIECE 128 /* rows of V or P that are transposed at once */

static hl_status weight_infer(hl_inference *inference) {
    const hl_view *p = &inference->input[0], *v = &inference->input[1];
    hl_status status = hl__check_shared_heads(inference, "weights", p, "value", v);
    if (status != HL_OK) return status;
    if (p->shape.extent[3] != v->shape.extent[2])
        return hl__refuse_pair(inference, "the weights' keys are not the values' tokens", "weights", p, "value", v);
    inference->output[0] = p->shape;
    inference->output[0].extent[3] = v->shape.extent[3];
    return HL_OK;
}

/* All three passes read two operands and write one, and cut what they write into blocks of rows. */
enum operand { A, B, RESULT };

typedef struct layout {
    hl__head_tiles tiles;
    size_t Tq, Tk, Dv;
    size_t summed; /* heads that are added up in one of the result */
} layout;

static layout layout_of(const hl_call *call, size_t Tq, size_t Tk, size_t Dv) {
    const hl_shape *result = &call->operand[RESULT].shape;
    layout x = {
        .Tq = Tq, .Tk = Tk, .Dv = Dv, .summed = hl__group(&call->operand[RESULT], call->operand[A].shape.extent[1])};
    double flops = 2.0 * (double)Tq * (double)Tk * (double)Dv * (double)x.summed;
    x.tiles = hl__head_tiles_of(result, ROWS, flops / (double)result->extent[2]);
    return x;
}

typedef struct plan {
    layout x;
    hl__gemm gemm[2][2]; /* full and last blocks of rows, full and last pieces */
} plan;

static hl_cost cost_of(const layout *x, const hl_tile *tile) {
    hl__head_tile at = hl__head_tile_at(&x->tiles, tile);
    double part = (double)((at.h1 - at.h0) * x->summed * (at.r1 - at.r0)) / (double)x->tiles.T;
    double Tq = (double)x->Tq, Tk = (double)x->Tk, Dv = (double)x->Dv;
    return (hl_cost){.flops = part * 2 * Tq * Tk * Dv, .bytes = part * sizeof(float) * (Tq * Tk + (Tq + Tk) * Dv)};
}

/* ---- forward ---- */

static layout forward_layout(const hl_call *call) {
    const hl_shape *p = &call->operand[A].shape, *v = &call->operand[B].shape;
    return layout_of(call, p->extent[2], p->extent[3], v->extent[3]);
}

static hl_status forward_prepare(const hl_call *call, void *data) {
    plan *made = data;
    layout x = made->x = forward_layout(call);
    hl_status status = HL_OK;
    for (size_t last = 0; last < 2 && status == HL_OK; last++) {
        hl__gemm_shape shape = {.m = hl__block_rows(x.Tq, x.tiles.block, last),
                                .n = x.Dv,
                                .k = x.Tk,
                                .lda = x.Tk,
                                .ldb = x.Dv,
                                .ldc = x.Dv,
                                .kind = HL__GEMM_ATTENTION};
        status = hl__gemm_prepare(call->code, &shape, &made->gemm[last][0]);
    }
    return status;
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const plan *made = call->plan;
    hl__head_tile at = hl__head_tile_at(&made->x.tiles, tile);
    const hl_view *p = &call->operand[A], *v = &call->operand[B], *y = &call->operand[RESULT];
    size_t rows = at.r1 - at.r0, Tk = made->x.Tk, Dv = made->x.Dv;
    for (size_t h = at.h0; h < at.h1; h++) {
        const float *p_i = hl__head_row(p, at.b, h, at.r0);
        const float *v_0 = hl__head_row(v, at.b, hl__shared_head(v, made->x.tiles.H, h), 0);
        float *y_i = hl__head_row(y, at.b, h, at.r0);
        bool finite = hl__all_finite(v_0, Tk * Dv);
        if (!finite) hl__copy_finite(v_0, Tk * Dv, tile->scratch);
        hl__gemm_run(&made->gemm[at.last][0], p_i, finite ? v_0 : tile->scratch, y_i);
        if (!finite) hl__add_product_not_finite(p_i, Tk, rows, Tk, v_0, Dv, y_i);
    }
}

/* The finite numbers of a head's values. */
static size_t forward_scratch(const hl_call *call) {
    layout x = forward_layout(call);
    return x.Tk * x.Dv * sizeof(float);
}

static void forward_grid(const hl_call *call, hl_grid *grid) {
    layout x = forward_layout(call);
    *grid = hl__head_tiles_grid(&x.tiles);
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    layout x = forward_layout(call);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    hl__box_heads(&boxes[A], at.b, at.h0, at.h1, at.r0, at.r1);
    hl__box_heads(&boxes[B], at.b, at.h0, at.h1, 0, x.Tk);
    hl__box_share(&boxes[B], &call->operand[B], x.tiles.H);
    hl__box_heads(&boxes[RESULT], at.b, at.h0, at.h1, at.r0, at.r1);
}

static hl_cost forward_cost(const hl_call *call, const hl_tile *tile) {
    layout x = forward_layout(call);
    return cost_of(&x, tile);
}

static const hl_pass forward_pass = {
    .name = "forward",
    .grid = forward_grid,
    .access = forward_access,
    .cost = forward_cost,
    .scratch = forward_scratch,
    .plan_bytes = sizeof(plan),
    .prepare = forward_prepare,
    .kernel = forward_kernel,
};

/* ---- backward: dp = dy v^T ---- */

static layout dp_layout(const hl_call *call) {
    const hl_shape *dp = &call->operand[RESULT].shape;
    return layout_of(call, dp->extent[2], dp->extent[3], call->operand[B].shape.extent[3]);
}

static hl_status dp_prepare(const hl_call *call, void *data) {
    plan *made = data;
    layout x = made->x = dp_layout(call);
    hl_status status = HL_OK;
    for (size_t i = 0; i < 4 && status == HL_OK; i++) {
        hl__gemm_shape shape = {.m = hl__block_rows(x.Tq, x.tiles.block, i / 2),
                                .n = hl__block_rows(x.Tk, PIECE, i % 2),
                                .k = x.Dv,
                                .lda = x.Dv,
                                .ldb = PIECE,
                                .ldc = x.Tk,
                                .kind = HL__GEMM_ATTENTION_BACKWARD};
        status = hl__gemm_prepare(call->code, &shape, &made->gemm[i / 2][i % 2]);
    }
    return status;
}

static size_t dp_scratch(const hl_call *call) { return dp_layout(call).Dv * PIECE * sizeof(float); }

static void dp_kernel(const hl_call *call, const hl_tile *tile) {
    const plan *made = call->plan;
    const layout *x = &made->x;
    hl__head_tile at = hl__head_tile_at(&x->tiles, tile);
    const hl_view *dy = &call->operand[A], *v = &call->operand[B], *dp = &call->operand[RESULT];
    float *vt = tile->scratch;
    for (size_t h = at.h0; h < at.h1; h++) {
        size_t value_head = hl__shared_head(v, x->tiles.H, h);
        for (size_t j = 0; j < x->Tk; j += PIECE) {
            size_t n = hl__min(PIECE, x->Tk - j), last = j > 0 && j + n == x->Tk ? 1 : 0;
            hl__transpose_block(hl__head_row(v, at.b, value_head, j), x->Dv, n, x->Dv, vt, PIECE);
            hl__gemm_run(&made->gemm[at.last][last], hl__head_row(dy, at.b, h, at.r0), vt,
                         hl__head_row(dp, at.b, h, at.r0) + j);
        }
    }
}

static void dp_grid(const hl_call *call, hl_grid *grid) {
    layout x = dp_layout(call);
    *grid = hl__head_tiles_grid(&x.tiles);
}

static void dp_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    layout x = dp_layout(call);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    hl__box_heads(&boxes[A], at.b, at.h0, at.h1, at.r0, at.r1);
    hl__box_heads(&boxes[B], at.b, at.h0, at.h1, 0, x.Tk);
    hl__box_share(&boxes[B], &call->operand[B], x.tiles.H);
    hl__box_heads(&boxes[RESULT], at.b, at.h0, at.h1, at.r0, at.r1);
}

static hl_cost dp_cost(const hl_call *call, const hl_tile *tile) {
    layout x = dp_layout(call);
    return cost_of(&x, tile);
}

static const hl_pass dp_pass = {
    .name = "dp",
    .grid = dp_grid,
    .access = dp_access,
    .cost = dp_cost,
    .scratch = dp_scratch,
    .plan_bytes = sizeof(plan),
    .prepare = dp_prepare,
    .kernel = dp_kernel,
};

/* ---- backward: dv = p^T dy ---- */

static layout dv_layout(const hl_call *call) {
    const hl_shape *p = &call->operand[A].shape;
    return layout_of(call, p->extent[2], p->extent[3], call->operand[B].shape.extent[3]);
}

static hl_status dv_prepare(const hl_call *call, void *data) {
    plan *made = data;
    layout x = made->x = dv_layout(call);
    hl_status status = HL_OK;
    for (size_t i = 0; i < 4 && status == HL_OK; i++) {
        hl__gemm_shape shape = {.m = hl__block_rows(x.Tk, x.tiles.block, i / 2),
                                .n = x.Dv,
                                .k = hl__block_rows(x.Tq, PIECE, i % 2),
                                .lda = PIECE,
                                .ldb = x.Dv,
                                .ldc = x.Dv,
                                .kind = HL__GEMM_ATTENTION_BACKWARD,
                                .accumulate = true};
        status = hl__gemm_prepare(call->code, &shape, &made->gemm[i / 2][i % 2]);
    }
    return status;
}

/* A block of P, transposed, and the finite numbers of dy. */
static size_t dv_scratch(const hl_call *call) { return (ROWS + dv_layout(call).Dv) * PIECE * sizeof(float); }

static void dv_kernel(const hl_call *call, const hl_tile *tile) {
    const plan *made = call->plan;
    const layout *x = &made->x;
    hl__head_tile at = hl__head_tile_at(&x->tiles, tile);
    const hl_view *p = &call->operand[A], *dy = &call->operand[B], *dv = &call->operand[RESULT];
    float *pt = tile->scratch, *clean = pt + ROWS * PIECE;
    for (size_t h = at.h0; h < at.h1; h++) {
        float *result = hl__head_row(dv, at.b, h, at.r0);
        memset(result, 0, (at.r1 - at.r0) * x->Dv * sizeof *result);
        for (size_t s = h * x->summed; s < (h + 1) * x->summed; s++)
            for (size_t i = 0; i < x->Tq; i += PIECE) {
                size_t n = hl__min(PIECE, x->Tq - i), last = i > 0 && i + n == x->Tq ? 1 : 0;
                hl__transpose_block(hl__head_row(p, at.b, s, i) + at.r0, x->Tk, n, at.r1 - at.r0, pt, PIECE);
                const float *dy_i = hl__head_row(dy, at.b, s, i);
                bool finite = hl__all_finite(dy_i, n * x->Dv);
                if (!finite) hl__copy_finite(dy_i, n * x->Dv, clean);
                hl__gemm_run(&made->gemm[at.last][last], pt, finite ? dy_i : clean, result);
                if (!finite) hl__add_product_not_finite(pt, PIECE, at.r1 - at.r0, n, dy_i, x->Dv, result);
            }
    }
}

static void dv_grid(const hl_call *call, hl_grid *grid) {
    layout x = dv_layout(call);
    *grid = hl__head_tiles_grid(&x.tiles);
}

static void dv_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    layout x = dv_layout(call);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    hl__box_heads(&boxes[A], at.b, at.h0 * x.summed, at.h1 * x.summed, 0, x.Tq);
    boxes[A].begin[3] = at.r0;
    boxes[A].end[3] = at.r1;
    hl__box_heads(&boxes[B], at.b, at.h0 * x.summed, at.h1 * x.summed, 0, x.Tq);
    hl__box_heads(&boxes[RESULT], at.b, at.h0, at.h1, at.r0, at.r1);
}

static hl_cost dv_cost(const hl_call *call, const hl_tile *tile) {
    layout x = dv_layout(call);
    return cost_of(&x, tile);
}

static const hl_pass dv_pass = {
    .name = "dv",
    .grid = dv_grid,
    .access = dv_access,
    .cost = dv_cost,
    .scratch = dv_scratch,
    .plan_bytes = sizeof(plan),
    .prepare = dv_prepare,
    .kernel = dv_kernel,
};

/* ---- descriptor ---- */

HL__DEFINE_OPERATOR(weight) = {
    .name = "weight",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = weight_infer,
    .forward = {{.pass = &forward_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &dp_pass, .reads = {HL_DOUT(0), HL_IN(1)}, .writes = {HL_DIN(0)}},
                 {.pass = &dv_pass, .reads = {HL_IN(0), HL_DOUT(0)}, .writes = {HL_DIN(1)}}},
};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * project: a matrix a head for every token, into head-major layout, so that a head's data is contiguous.
 *
 *   y[b, h, t, d] = sum_k x[b, t, k] w[k, h, d] + bias[h, d]      (Vaswani et al. 2017, section 3.2.2: Q W_h^Q)
 *   x [B, T, K], w [K, H, D], bias [H, D] (optional), y [B, H, T, D] */
#include "ops/linear_gradient.h"
#include "ops/linear_product.h"

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_shape *x = &i->input[0].shape, *w = &i->input[1].shape;
    const hl_view *bias = &i->input[2];
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT], c[HL_SHAPE_TEXT];
    hl_shape_text(x, a, sizeof a);
    hl_shape_text(w, b, sizeof b);
    for (size_t k = 0; k < i->n_inputs; k++)
        if (hl_view_present(&i->input[k]) && i->input[k].dtype != HL_F32)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not f32", k, hl_dtype_name(i->input[k].dtype));
    if (x->rank != 3) return hl_refuse(i, HL_SHAPE_MISMATCH, "x %s is not [B, T, K]", a);
    if (w->rank != 3 || w->extent[0] != x->extent[2])
        return hl_refuse(i, HL_SHAPE_MISMATCH, "w %s does not fit x %s: [%zu, H, D] is needed", b, a, x->extent[2]);
    size_t H = w->extent[1], D = w->extent[2];
    if (hl_view_present(bias) && (bias->shape.rank != 2 || bias->shape.extent[0] != H || bias->shape.extent[1] != D))
        return hl_refuse(i, HL_SHAPE_MISMATCH, "bias %s does not fit x %s and w %s: [%zu, %zu] is needed",
                         hl_shape_text(&bias->shape, c, sizeof c), a, b, H, D);
    i->output[0] = HL_SHAPE(x->extent[0], H, x->extent[1], D);
    return HL_OK;
}

/* ---- forward ---- */

enum { FX, FW, FBIAS, FY };

static hl_status forward_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[FX], false), y = hl__tokens_of(&call->operand[FY], true);
    return hl__product_prepare(&x, &y, false, NULL, plan);
}

/* Columns begin .. end - 1 lie in one head. */
static void add_bias(const hl__tokens *tokens, const hl__token_block *at, size_t begin, size_t end, const float *bias,
                     float *y) {
    for (size_t b = 0; b < at->n_batches; b++) {
        float *y_t = y + hl__tokens_offset(tokens, at, b, begin);
        for (size_t t = 0; t < at->n_tokens; t++, y_t += tokens->row_stride)
            for (size_t d = 0; d < end - begin; d++) y_t[d] += bias[begin + d];
    }
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__product_plan *plan = call->plan;
    const hl_view *bias = &call->operand[FBIAS];
    hl__product_tile at = hl__product_at(plan, tile);
    float *y = hl__f32(&call->operand[FY]);
    hl__product_run(plan, &at, tile->scratch, hl__f32(&call->operand[FX]), hl__f32(&call->operand[FW]), y);
    size_t piece = hl__product_cut(plan)->columns.piece;
    for (size_t n = at.columns.begin; hl_view_present(bias) && n < at.columns.end; n += piece)
        add_bias(hl__product_y(plan), &at.tokens, n, hl__min(n + piece, at.columns.end), hl__f32(bias), y);
}

/* ---- backward: dx = dy w^T over all heads, plus what else reads x sends back (query, key and value do);  dw = x^T dy;
 * dbias = sum_{b,t} dy ---- */

enum { XDY, XW, XSHARE, XDX };

static hl_status dx_prepare(const hl_call *call, void *plan) {
    hl__tokens dy = hl__tokens_of(&call->operand[XDY], true), dx = hl__tokens_of(&call->operand[XDX], false);
    return hl__product_prepare(&dy, &dx, true, &call->operand[XSHARE], plan);
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    const hl_view *share = &call->operand[XSHARE];
    float *dx = hl__f32(&call->operand[XDX]);
    hl__product_run(call->plan, &at, tile->scratch, hl__f32(&call->operand[XDY]), hl__f32(&call->operand[XW]), dx);
    if (hl_view_present(share)) hl__product_add(call->plan, &at, hl__f32(share), dx);
}

enum { WX, WDY, WDW, WDBIAS };

static hl_status dw_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[WX], false), dy = hl__tokens_of(&call->operand[WDY], true);
    return hl__gradient_prepare(&x, &dy, false, plan);
}

static void dw_kernel(const hl_call *call, const hl_tile *tile) {
    hl__gradient_tile at = hl__gradient_at(call->plan, tile);
    hl__gradient_run(call->plan, &at, hl__f32(&call->operand[WX]), hl__f32(&call->operand[WDY]),
                     hl__f32(&call->operand[WDW]), hl__f32(&call->operand[WDBIAS]));
}

/* ---- tiling and access ---- */

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    size_t D = call->operand[FY].shape.extent[3];
    hl__box_tokens(&call->operand[FX], false, &at.tokens, at.inner, &boxes[FX]);
    hl__box_tokens(&call->operand[FY], true, &at.tokens, at.columns, &boxes[FY]);
    hl__box_segments(&boxes[FW], 1, D, at.columns);
    hl__box_segments(&boxes[FBIAS], 0, D, at.columns);
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    hl__box_tokens(&call->operand[XDY], true, &at.tokens, at.inner, &boxes[XDY]);
    hl__box_tokens(&call->operand[XDX], false, &at.tokens, at.columns, &boxes[XDX]);
    boxes[XSHARE] = boxes[XDX];
    boxes[XW].begin[0] = at.columns.begin;
    boxes[XW].end[0] = at.columns.end;
}

static void dw_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__gradient_tile at = hl__gradient_at(call->plan, tile);
    size_t D = call->operand[WDY].shape.extent[3];
    bool has_dw = hl_view_present(&call->operand[WDW]);
    bool has_db = at.with_db && hl_view_present(&call->operand[WDBIAS]);
    hl__box_tokens(&call->operand[WX], false, &at.tokens, at.rows, &boxes[WX]);
    hl__box_tokens(&call->operand[WDY], true, &at.tokens, at.columns, &boxes[WDY]);
    if (!has_dw) boxes[WX] = hl__box_empty();
    if (!has_dw && !has_db) boxes[WDY] = hl__box_empty();
    boxes[WDW].begin[0] = at.rows.begin;
    boxes[WDW].end[0] = at.rows.end;
    hl__box_segments(&boxes[WDW], 1, D, at.columns);
    if (has_db) hl__box_segments(&boxes[WDBIAS], 0, D, at.columns);
    else boxes[WDBIAS] = hl__box_empty();
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__product_grid,
                                .access = forward_access,
                                .cost = hl__product_cost,
                                .scratch = hl__product_scratch,
                                .plan_bytes = sizeof(hl__product_plan),
                                .prepare = forward_prepare,
                                .kernel = forward_kernel};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__product_grid,
                           .access = dx_access,
                           .cost = hl__product_cost,
                           .scratch = hl__product_scratch,
                           .plan_bytes = sizeof(hl__product_plan),
                           .prepare = dx_prepare,
                           .kernel = dx_kernel};
static const hl_pass dw = {.name = "dw",
                           .grid = hl__gradient_grid,
                           .access = dw_access,
                           .cost = hl__gradient_cost,
                           .plan_bytes = sizeof(hl__gradient_plan),
                           .prepare = dw_prepare,
                           .kernel = dw_kernel,
                           .background = true};

HL__DEFINE_OPERATOR(project) = {
    .name = "project",
    .min_inputs = 2,
    .max_inputs = 3,
    .optional = 1 << 2,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1), HL_IN(2)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &dx, .reads = {HL_DOUT(0), HL_IN(1), HL_SHARE(0)}, .writes = {HL_DIN(0)}},
                 {.pass = &dw, .reads = {HL_IN(0), HL_DOUT(0)}, .writes = {HL_DIN(1), HL_DIN(2)}}}};

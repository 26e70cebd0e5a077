/* SPDX-License-Identifier: BSD-3-Clause
 *
 * project: a matrix a head for every token, into head-major layout, so that a head's data is contiguous.
 *
 *   y[b, h, t, d] = sum_k x[b, t, k] w[k, h, d] + bias[h, d]      (Vaswani et al. 2017, section 3.2.2: Q W_h^Q)
 *   x [B, T, K], w [K, H, D], bias [H, D] (optional), y [B, H, T, D] */
#include "ops/linear_backward.h"

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
    return hl__linear_prepare(&x, &y, plan);
}

static void add_bias(const hl__linear_plan *plan, const hl__token_block *at, size_t begin, size_t end,
                     const float *bias, float *y) {
    for (size_t b = 0; b < at->n_batches; b++) {
        float *y_t = y + hl__tokens_offset(&plan->y, at, b, begin);
        for (size_t t = 0; t < at->n_tokens; t++, y_t += plan->y.row_stride)
            for (size_t d = 0; d < end - begin; d++) y_t[d] += bias[begin + d];
    }
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__linear_plan *plan = call->plan;
    const hl_view *bias = &call->operand[FBIAS];
    hl__token_block at = hl__token_block_at(&plan->y, &plan->cut.tokens, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->cut.columns, tile->index[1]);
    float *y = hl__f32(&call->operand[FY]);
    hl__linear_tile(plan, &at, columns, hl__f32(&call->operand[FX]), hl__f32(&call->operand[FW]), y);
    size_t piece = plan->cut.columns.piece;
    for (size_t n = columns.begin; hl_view_present(bias) && n < columns.end; n += piece)
        add_bias(plan, &at, n, hl__min(n + piece, columns.end), hl__f32(bias), y);
}

/* ---- backward: dx = dy w^T over all heads;  dw = x^T dy;  dbias = sum_{b,t} dy ---- */

enum { XDY, XW, XDX };

static hl_status dx_prepare(const hl_call *call, void *plan) {
    hl__tokens dy = hl__tokens_of(&call->operand[XDY], true), dx = hl__tokens_of(&call->operand[XDX], false);
    return hl__linear_t_prepare(&dy, &dx, plan);
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl__linear_t_tile(call->plan, tile, hl__f32(&call->operand[XDY]), hl__f32(&call->operand[XW]),
                      hl__f32(&call->operand[XDX]));
}

enum { WX, WDY, WDW, WDBIAS };

static hl_status dw_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[WX], false), dy = hl__tokens_of(&call->operand[WDY], true);
    return hl__linear_dw_prepare(&x, &dy, plan);
}

static void dw_kernel(const hl_call *call, const hl_tile *tile) {
    hl__linear_dw_tile(call->plan, tile->index, hl__f32(&call->operand[WX]), hl__f32(&call->operand[WDY]),
                       hl__f32(&call->operand[WDW]), hl__f32(&call->operand[WDBIAS]));
}

/* ---- tiling and access ---- */

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->y, &plan->cut.tokens, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->cut.columns, tile->index[1]), all = {0, plan->x.width};
    hl__box_tokens(&call->operand[FX], false, &at, all, &boxes[FX]);
    hl__box_tokens(&call->operand[FY], true, &at, columns, &boxes[FY]);
    hl__box_segments(&boxes[FW], 1, plan->y.width, columns);
    hl__box_segments(&boxes[FBIAS], 0, plan->y.width, columns);
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_t_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->y, &plan->cut.tokens, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->cut.columns, tile->index[1]);
    hl__column_range all = {0, hl__all_columns(&plan->x)};
    hl__box_tokens(&call->operand[XDY], true, &at, all, &boxes[XDY]);
    hl__box_tokens(&call->operand[XDX], false, &at, columns, &boxes[XDX]);
    boxes[XW].begin[0] = columns.begin;
    boxes[XW].end[0] = columns.end;
}

static void dw_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_dw_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[2]);
    hl__column_range rows = hl__columns_at(&plan->tiles.rows, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->tiles.columns, tile->index[1]);
    bool has_dw = hl_view_present(&call->operand[WDW]);
    bool has_db = tile->index[0] == 0 && hl_view_present(&call->operand[WDBIAS]);
    hl__box_tokens(&call->operand[WX], false, &at, rows, &boxes[WX]);
    hl__box_tokens(&call->operand[WDY], true, &at, columns, &boxes[WDY]);
    if (!has_dw) boxes[WX] = hl__box_empty();
    if (!has_dw && !has_db) boxes[WDY] = hl__box_empty();
    boxes[WDW].begin[0] = rows.begin;
    boxes[WDW].end[0] = rows.end;
    hl__box_segments(&boxes[WDW], 1, plan->y.width, columns);
    if (has_db) hl__box_segments(&boxes[WDBIAS], 0, plan->y.width, columns);
    else boxes[WDBIAS] = hl__box_empty();
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__linear_grid,
                                .access = forward_access,
                                .cost = hl__linear_cost,
                                .plan_bytes = sizeof(hl__linear_plan),
                                .prepare = forward_prepare,
                                .kernel = forward_kernel};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__linear_t_grid,
                           .access = dx_access,
                           .cost = hl__linear_t_cost,
                           .scratch = hl__linear_t_scratch,
                           .plan_bytes = sizeof(hl__linear_t_plan),
                           .prepare = dx_prepare,
                           .kernel = dx_kernel};
static const hl_pass dw = {.name = "dw",
                           .grid = hl__linear_dw_grid,
                           .access = dw_access,
                           .cost = hl__linear_dw_cost,
                           .plan_bytes = sizeof(hl__linear_dw_plan),
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
    .backward = {{.pass = &dx, .reads = {HL_DOUT(0), HL_IN(1)}, .writes = {HL_DIN(0)}},
                 {.pass = &dw, .reads = {HL_IN(0), HL_DOUT(0)}, .writes = {HL_DIN(1), HL_DIN(2)}}}};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * project: a matrix a head for every token, into head-major layout, so that a head's data is contiguous. Several sets
 * of matrices may project one input, as those of queries, keys and values do.
 *
 *   y_p[b, h, t, d] = sum_k x[b, t, k] w_p[k, h, d] + bias_p[h, d]      (Vaswani et al. 2017, section 3.2.2: Q W_h^Q)
 *   x [B, T, K], w_p [K, H, D], bias_p [H, D] (optional), y_p [B, H, T, D], p < 3 */
#include "ops/kernels/linear_gradient.h"
#include "ops/kernels/linear_product.h"

enum { MOST = 3 };

/* ---- checks and shape rule ---- */

static hl_status check_set(hl_inference *i, const hl_shape *x, const hl_shape *w, const hl_view *bias) {
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT], c[HL_SHAPE_TEXT];
    hl_shape_text(x, a, sizeof a);
    hl_shape_text(w, b, sizeof b);
    if (w->rank != 3 || w->extent[0] != x->extent[2])
        return hl_refuse(i, HL_SHAPE_MISMATCH, "w %s does not fit x %s: [%zu, H, D] is needed", b, a, x->extent[2]);
    size_t H = w->extent[1], D = w->extent[2];
    if (hl_view_present(bias) && (bias->shape.rank != 2 || bias->shape.extent[0] != H || bias->shape.extent[1] != D))
        return hl_refuse(i, HL_SHAPE_MISMATCH, "bias %s does not fit x %s and w %s: [%zu, %zu] is needed",
                         hl_shape_text(&bias->shape, c, sizeof c), a, b, H, D);
    return HL_OK;
}

static hl_status infer(hl_inference *i) {
    const hl_shape *x = &i->input[0].shape, *first = &i->input[1].shape;
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT];
    for (size_t k = 0; k < i->n_inputs; k++)
        if (hl_view_present(&i->input[k]) && i->input[k].dtype != HL_F32)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not f32", k, hl_dtype_name(i->input[k].dtype));
    hl_shape_text(x, a, sizeof a);
    if (x->rank != 3) return hl_refuse(i, HL_SHAPE_MISMATCH, "x %s is not [B, T, K]", a);
    i->n_outputs = 0;
    for (size_t k = 1; k < i->n_inputs; k += 2) {
        const hl_view none = {.dtype = HL_NONE}, *w = &i->input[k], *bias = k + 1 < i->n_inputs ? w + 1 : &none;
        if (!hl_view_present(w) && !hl_view_present(bias)) continue;
        if (!hl_view_present(w) || k != 1 + 2 * i->n_outputs)
            return hl_refuse(i, HL_INVALID_ARGUMENT, "input %zu, a matrix, is missing", 1 + 2 * i->n_outputs);
        hl_status status = check_set(i, x, &w->shape, bias);
        if (status != HL_OK) return status;
        if (!hl__shape_equal(&w->shape, first))
            return hl_refuse(i, HL_SHAPE_MISMATCH, "w %s is not of the first one's shape %s",
                             hl_shape_text(&w->shape, a, sizeof a), hl_shape_text(first, b, sizeof b));
        i->output[i->n_outputs++] = HL_SHAPE(x->extent[0], w->shape.extent[1], x->extent[1], w->shape.extent[2]);
    }
    return HL_OK;
}

/* ---- forward: a tile is a tile of one y ---- */

enum { FX, FW, FBIAS, FY = 1 + 2 * MOST }; /* those of set p: FW + 2 p, FBIAS + 2 p, FY + p */

static size_t n_sets(const hl_call *call) {
    size_t n = 0;
    while (n < MOST && hl_view_present(&call->operand[FW + 2 * n])) n++;
    return n;
}

static hl_status forward_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[FX], false), y = hl__tokens_of(&call->operand[FY], true);
    return hl__product_prepare(call->code, &x, &y, false, NULL, plan);
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
    size_t p = tile->index[2], piece = hl__product_cut(plan)->columns.piece;
    const hl_view *bias = &call->operand[FBIAS + 2 * p];
    hl__product_tile at = hl__product_at(plan, tile);
    float *y = hl__f32(&call->operand[FY + p]);
    hl__product_run(plan, &at, tile->scratch, hl__f32(&call->operand[FX]), hl__f32(&call->operand[FW + 2 * p]), y);
    for (size_t n = at.columns.begin; hl_view_present(bias) && n < at.columns.end; n += piece)
        add_bias(hl__product_y(plan), &at.tokens, n, hl__min(n + piece, at.columns.end), hl__f32(bias), y);
}

/* ---- backward: dx = sum_p dy_p w_p^T over all heads, plus what else reads x sends back;  dw_p = x^T dy_p;
 * dbias_p = sum_{b,t} dy_p. Some dy_p may be absent, where a loss does not depend on them. ---- */

enum { XDY, XW = MOST, XSHARE = 2 * MOST, XDX };

static const hl_view *first_present(const hl_view *views) {
    while (!hl_view_present(views)) views++;
    return views;
}

static hl_status dx_prepare(const hl_call *call, void *plan) {
    hl__tokens dy = hl__tokens_of(first_present(&call->operand[XDY]), true);
    hl__tokens dx = hl__tokens_of(&call->operand[XDX], false);
    return hl__product_prepare(call->code, &dy, &dx, true, &call->operand[XSHARE], plan);
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__product_plan *plan = call->plan;
    hl__product_tile at = hl__product_at(plan, tile);
    const hl_view *share = &call->operand[XSHARE];
    float *dx = hl__f32(&call->operand[XDX]);
    bool later = false;
    for (size_t p = 0; p < MOST; p++) {
        if (!hl_view_present(&call->operand[XDY + p])) continue;
        hl__linear_t_add(&plan->turned, &at.tokens, at.columns, tile->scratch, hl__f32(&call->operand[XDY + p]),
                         hl__f32(&call->operand[XW + p]), later);
        later = true;
    }
    hl__linear_t_put(&plan->turned, &at.tokens, at.columns, tile->scratch, dx);
    if (hl_view_present(share)) hl__product_add(plan, &at, hl__f32(share), dx);
}

enum { WX, WDY, WDW, WDBIAS };

static hl_status dw_prepare(const hl_call *call, void *plan) {
    const hl_view *dw = &call->operand[WDW], *dbias = &call->operand[WDBIAS];
    const size_t *matrix = hl_view_present(dw) ? dw->shape.extent + 1 : dbias->shape.extent; /* H, D */
    const size_t *of_x = call->operand[WX].shape.extent;
    hl_view headed = {.shape = HL_SHAPE(of_x[0], matrix[0], of_x[1], matrix[1])}; /* dy, which may be absent */
    hl__tokens x = hl__tokens_of(&call->operand[WX], false), dy = hl__tokens_of(&headed, true);
    return hl__gradient_prepare(call->code, &x, &dy, false, plan);
}

static void dw_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *dy = &call->operand[WDY];
    hl__gradient_tile at = hl__gradient_at(call->plan, tile);
    float *dw = hl__f32(&call->operand[WDW]), *dbias = hl__f32(&call->operand[WDBIAS]);
    if (hl_view_present(dy))
        hl__gradient_run(call->plan, &at, tile->scratch, hl__f32(&call->operand[WX]), hl__f32(dy), dw, dbias);
    else hl__gradient_zero(call->plan, &at, dw, dbias);
}

/* ---- tiling and access ---- */

static void forward_grid(const hl_call *call, hl_grid *grid) {
    hl__product_grid(call, grid);
    grid->extent[2] = n_sets(call);
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    size_t D = call->operand[FY].shape.extent[3];
    hl__box_tokens(&call->operand[FX], false, &at.tokens, at.inner, &boxes[FX]);
    for (size_t p = 0; p < MOST; p++) {
        hl_box *w = &boxes[FW + 2 * p], *bias = &boxes[FBIAS + 2 * p], *y = &boxes[FY + p];
        if (p == tile->index[2]) {
            hl__box_tokens(&call->operand[FY + p], true, &at.tokens, at.columns, y);
            hl__box_segments(w, 1, D, at.columns);
            hl__box_segments(bias, 0, D, at.columns);
        } else {
            *w = *bias = *y = hl__box_empty();
        }
    }
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    for (size_t p = 0; p < MOST; p++) {
        if (!hl_view_present(&call->operand[XDY + p])) continue;
        hl__box_tokens(&call->operand[XDY + p], true, &at.tokens, at.inner, &boxes[XDY + p]);
        boxes[XW + p].begin[0] = at.columns.begin;
        boxes[XW + p].end[0] = at.columns.end;
    }
    hl__box_tokens(&call->operand[XDX], false, &at.tokens, at.columns, &boxes[XDX]);
    boxes[XSHARE] = boxes[XDX];
}

static hl_cost dx_cost(const hl_call *call, const hl_tile *tile) {
    hl_cost cost = hl__product_cost(call, tile);
    double n = 0;
    for (size_t p = 0; p < MOST; p++) n += hl_view_present(&call->operand[XDY + p]);
    return (hl_cost){.flops = n * cost.flops, .bytes = n * cost.bytes};
}

static void dw_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__gradient_tile at = hl__gradient_at(call->plan, tile);
    const hl__gradient_plan *plan = call->plan;
    size_t D = plan->y.width;
    bool has_dw = hl_view_present(&call->operand[WDW]);
    bool has_db = at.with_db && hl_view_present(&call->operand[WDBIAS]);
    hl__gradient_box(plan, &at, &call->operand[WX], false, at.rows, &boxes[WX]);
    if (hl_view_present(&call->operand[WDY]))
        hl__gradient_box(plan, &at, &call->operand[WDY], true, at.columns, &boxes[WDY]);
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
                                .grid = forward_grid,
                                .access = forward_access,
                                .cost = hl__product_cost,
                                .scratch = hl__product_scratch,
                                .plan_bytes = sizeof(hl__product_plan),
                                .prepare = forward_prepare,
                                .kernel = forward_kernel};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__product_grid,
                           .access = dx_access,
                           .cost = dx_cost,
                           .scratch = hl__product_scratch,
                           .plan_bytes = sizeof(hl__product_plan),
                           .prepare = dx_prepare,
                           .kernel = dx_kernel};
#define DW(label)                                                                                        \
    {                                                                                                    \
        .name = label, .grid = hl__gradient_grid, .access = dw_access, .cost = hl__gradient_cost,        \
        .scratch = hl__gradient_scratch, .plan_bytes = sizeof(hl__gradient_plan), .prepare = dw_prepare, \
        .kernel = dw_kernel, .background = true,                                                         \
    }
static const hl_pass dw[MOST] = {DW("dw"), DW("dw1"), DW("dw2")}; /* alike but for their names */

HL__DEFINE_OPERATOR(project) = {
    .name = "project",
    .min_inputs = 2,
    .max_inputs = 1 + 2 * MOST,
    .optional = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &forward,
                 .reads = {HL_IN(0), HL_IN(1), HL_IN(2), HL_IN(3), HL_IN(4), HL_IN(5), HL_IN(6)},
                 .writes = {HL_OUT(0), HL_OUT(1), HL_OUT(2)}}},
    .backward = {{.pass = &dx,
                  .reads = {HL_DOUT(0), HL_DOUT(1), HL_DOUT(2), HL_IN(1), HL_IN(3), HL_IN(5), HL_SHARE(0)},
                  .writes = {HL_DIN(0)}},
                 {.pass = &dw[2], .reads = {HL_IN(0), HL_DOUT(2)}, .writes = {HL_DIN(5), HL_DIN(6)}},
                 {.pass = &dw[1], .reads = {HL_IN(0), HL_DOUT(1)}, .writes = {HL_DIN(3), HL_DIN(4)}},
                 {.pass = &dw[0], .reads = {HL_IN(0), HL_DOUT(0)}, .writes = {HL_DIN(1), HL_DIN(2)}}}};

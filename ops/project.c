/* SPDX-License-Identifier: BSD-3-Clause
 *
 * project: a matrix a head for every token, into head-major layout, so that a head's data is contiguous.
 *
 *   y[b, h, t, d] = sum_k x[b, t, k] w[k, h, d] + bias[h, d]      (Vaswani et al. 2017, section 3.2.2: Q W_h^Q)
 *   x [B, T, K], w [K, H, D], bias [H, D] (optional), y [B, H, T, D] */
#include "ops/linear.h"

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
    i->temp[0] = HL_SHAPE(H * D, x->extent[2]);
    return HL_OK;
}

/* ---- forward ---- */

enum { FX, FW, FBIAS, FY };

static hl_status forward_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[FX], false), y = hl__tokens_of(&call->operand[FY], true);
    return hl__linear_prepare(&x, &y, plan);
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__linear_plan *plan = call->plan;
    const hl_view *bias = &call->operand[FBIAS];
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[0]);
    size_t begin, end;
    hl__column_range(&plan->y, tile->index[1], &begin, &end);
    float *y = hl__f32(&call->operand[FY]);
    hl__linear_tile(plan, &at, begin, end, hl__f32(&call->operand[FX]), hl__f32(&call->operand[FW]), y);
    if (!hl_view_present(bias)) return;
    const float *bias_d = hl__f32(bias) + begin;
    for (size_t b = 0; b < at.n_batches; b++) {
        float *y_t = y + hl__tokens_offset(&plan->y, &at, b, begin);
        for (size_t t = 0; t < at.n_tokens; t++, y_t += plan->y.row_stride)
            for (size_t d = 0; d < end - begin; d++) y_t[d] += bias_d[d];
    }
}

/* ---- backward: dx = dy w^T over all heads;  dw = x^T dy;  dbias = sum_{b,t} dy ---- */

enum { XDY, XWT, XDX };

static hl_status dx_prepare(const hl_call *call, void *plan) {
    hl__tokens dy = hl__tokens_of(&call->operand[XDY], true), dx = hl__tokens_of(&call->operand[XDX], false);
    return hl__linear_prepare(&dy, &dx, plan);
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__linear_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[0]);
    size_t begin, end;
    hl__column_range(&plan->y, tile->index[1], &begin, &end);
    hl__linear_tile(plan, &at, begin, end, hl__f32(&call->operand[XDY]), hl__f32(&call->operand[XWT]),
                    hl__f32(&call->operand[XDX]));
}

enum { WX, WDY, WDW };

static hl_status dw_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[WX], false), dy = hl__tokens_of(&call->operand[WDY], true);
    return hl__linear_dw_prepare(&x, &dy, plan);
}

static void dw_kernel(const hl_call *call, const hl_tile *tile) {
    hl__linear_dw_tile(call->plan, tile->index, hl__f32(&call->operand[WX]), hl__f32(&call->operand[WDY]),
                       hl__f32(&call->operand[WDW]));
}

static void db_kernel(const hl_call *call, const hl_tile *tile) {
    hl__tokens y = hl__tokens_of(&call->operand[0], true);
    size_t begin, end;
    hl__db_range(&y, tile->index[0], &begin, &end);
    hl__linear_db_tile(&y, begin, end, hl__f32(&call->operand[0]), hl__f32(&call->operand[1]));
}

/* ---- tiling and access ---- */

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[0]);
    size_t begin, end, D = plan->y.width;
    hl__column_range(&plan->y, tile->index[1], &begin, &end);
    hl__box_tokens(&call->operand[FX], false, &at, 0, plan->x.width, &boxes[FX]);
    hl__box_tokens(&call->operand[FY], true, &at, begin, end, &boxes[FY]);
    boxes[FW].begin[1] = boxes[FBIAS].begin[0] = begin / D;
    boxes[FW].end[1] = boxes[FBIAS].end[0] = begin / D + 1;
    boxes[FW].begin[2] = boxes[FBIAS].begin[1] = begin % D;
    boxes[FW].end[2] = boxes[FBIAS].end[1] = begin % D + (end - begin);
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[0]);
    size_t begin, end;
    hl__column_range(&plan->y, tile->index[1], &begin, &end);
    hl__box_tokens(&call->operand[XDY], true, &at, 0, plan->x.segments * plan->x.width, &boxes[XDY]);
    hl__box_tokens(&call->operand[XDX], false, &at, begin, end, &boxes[XDX]);
    boxes[XWT].begin[1] = begin;
    boxes[XWT].end[1] = end;
}

static void dw_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_dw_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->x, &plan->cut, tile->index[2]);
    size_t k0, k1, n0, n1, D = plan->y.width;
    hl__block_range(plan->x.width, plan->rows, tile->index[0], &k0, &k1);
    hl__block_range(D, plan->columns, tile->index[1], &n0, &n1);
    hl__box_tokens(&call->operand[WX], false, &at, k0, k1, &boxes[WX]);
    hl__box_tokens(&call->operand[WDY], true, &at, n0, n1, &boxes[WDY]);
    boxes[WDW] = (hl_box){.begin = {k0, n0 / D, n0 % D}, .end = {k1, n0 / D + 1, n0 % D + (n1 - n0)}};
}

static void db_grid(const hl_call *call, hl_grid *grid) {
    hl__tokens y = hl__tokens_of(&call->operand[0], true);
    grid->extent[0] = hl__db_tiles(&y);
}

static void db_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__tokens y = hl__tokens_of(&call->operand[0], true);
    size_t begin, end;
    hl__db_range(&y, tile->index[0], &begin, &end);
    boxes[0].begin[1] = boxes[1].begin[0] = begin / y.width;
    boxes[0].end[1] = boxes[1].end[0] = begin / y.width + 1;
    boxes[0].begin[3] = boxes[1].begin[1] = begin % y.width;
    boxes[0].end[3] = boxes[1].end[1] = begin % y.width + (end - begin);
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__linear_grid,
                                .access = forward_access,
                                .cost = hl__linear_cost,
                                .plan_bytes = sizeof(hl__linear_plan),
                                .prepare = forward_prepare,
                                .kernel = forward_kernel};
static const hl_pass wt = {
    .name = "wt", .grid = hl__transpose_grid, .access = hl__transpose_access, .kernel = hl__transpose_kernel};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__linear_grid,
                           .access = dx_access,
                           .cost = hl__linear_cost,
                           .plan_bytes = sizeof(hl__linear_plan),
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
static const hl_pass db = {.name = "db", .grid = db_grid, .access = db_access, .kernel = db_kernel, .background = true};

HL__DEFINE_OPERATOR(project) = {
    .name = "project",
    .min_inputs = 2,
    .max_inputs = 3,
    .optional = 1 << 2,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1), HL_IN(2)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &wt, .reads = {HL_IN(1)}, .writes = {HL_TEMP(0)}},
                 {.pass = &dx, .reads = {HL_DOUT(0), HL_TEMP(0)}, .writes = {HL_DIN(0)}},
                 {.pass = &dw, .reads = {HL_IN(0), HL_DOUT(0)}, .writes = {HL_DIN(1)}},
                 {.pass = &db, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(2)}}}};

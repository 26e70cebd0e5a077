/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dense: a matrix for every token, with bias and activation on the tile while it is in cache.
 *
 *   z[t, n] = sum_k x[t, k] w[k, n] + bias[n]        y = act(z)
 *   x [..., K], w [K, N], bias [N] (optional), y [..., N]
 *   with config.heads: x [B, H, T, D], w [H * D, N], y [B, T, N]: concat and dense in one, without a copy;
 *   k runs over h * D + d (Vaswani et al. 2017, section 3.2.2).
 *
 * Saved: z where the activation is GELU (its gradient needs it); ReLU and tanh are differentiated from y. */
#include "ops/activation.h"
#include "ops/linear_backward.h"

static const hl_dense_config *config_of(const hl_call *call) { return call->options; }

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_dense_config *config = i->options;
    const hl_shape *x = &i->input[0].shape, *w = &i->input[1].shape;
    const hl_view *bias = &i->input[2];
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT], c[HL_SHAPE_TEXT];
    hl_shape_text(x, a, sizeof a);
    hl_shape_text(w, b, sizeof b);
    if ((unsigned)config->activation > HL_ACTIVATION_TANH)
        return hl_refuse(i, HL_INVALID_ARGUMENT, "%d is no activation", (int)config->activation);
    for (size_t k = 0; k < i->n_inputs; k++)
        if (hl_view_present(&i->input[k]) && i->input[k].dtype != HL_F32)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not f32", k, hl_dtype_name(i->input[k].dtype));
    if (config->heads ? x->rank != 4 : x->rank < 1)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "x %s is not %s", a, config->heads ? "[B, H, T, D]" : "[..., K]");
    size_t K = config->heads ? x->extent[1] * x->extent[3] : x->extent[x->rank - 1];
    if (w->rank != 2 || w->extent[0] != K)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "w %s does not fit x %s: [%zu, N] is needed", b, a, K);
    size_t N = w->extent[1];
    if (hl_view_present(bias) && (bias->shape.rank != 1 || bias->shape.extent[0] != N))
        return hl_refuse(i, HL_SHAPE_MISMATCH, "bias %s does not fit x %s and w %s: [%zu] is needed",
                         hl_shape_text(&bias->shape, c, sizeof c), a, b, N);
    hl_shape y = config->heads ? HL_SHAPE(x->extent[0], x->extent[2], N) : *x;
    y.extent[y.rank - 1] = N;
    i->output[0] = y;
    i->output[1] = config->activation == HL_ACTIVATION_GELU ? y : HL_SCALAR;
    i->temp[0] = y;
    return HL_OK;
}

/* ---- forward ---- */

enum { FX, FW, FBIAS, FY, FZ };

static hl_status forward_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[FX], config_of(call)->heads);
    hl__tokens y = hl__tokens_of(&call->operand[FY], false);
    return hl__linear_prepare(&x, &y, plan);
}

/* Bias and activation of a tile whose product has been made. */
static void finish_tile(const hl_call *call, const hl__tokens *y, const hl__token_block *at, hl__column_range columns) {
    const hl_view *bias = &call->operand[FBIAS], *z = &call->operand[FZ];
    const float *bias_n = hl_view_present(bias) ? hl__f32(bias) + columns.begin : NULL;
    hl_activation activation = config_of(call)->activation;
    if (!bias_n && activation == HL_ACTIVATION_NONE) return;
    bool save = activation == HL_ACTIVATION_GELU && hl_view_present(z);
    for (size_t row = 0; row < at->n_batches * at->n_tokens; row++) {
        size_t offset =
            hl__tokens_offset(y, at, row / at->n_tokens, columns.begin) + row % at->n_tokens * y->row_stride;
        hl__activate_row(activation, hl__f32(&call->operand[FY]) + offset, bias_n, save ? hl__f32(z) + offset : NULL,
                         columns.end - columns.begin);
    }
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__linear_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->y, &plan->cut.tokens, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->cut.columns, tile->index[1]);
    hl__linear_tile(plan, &at, columns, hl__f32(&call->operand[FX]), hl__f32(&call->operand[FW]),
                    hl__f32(&call->operand[FY]));
    finish_tile(call, &plan->y, &at, columns);
}

/* ---- backward: dz = dy act'(z);  dx = dz w^T;  dw = x^T dz;  dbias = sum_t dz ---- */

enum { ZDY, ZY, ZZ, ZDZ };

static bool dz_alias(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)offset;
    if (config_of(call)->activation != HL_ACTIVATION_NONE) return false;
    for (size_t i = 0; i < source->shape.rank; i++) view->stride[i] = source->stride[i];
    return hl__view_dense(source);
}

static void dz_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *dz = &call->operand[ZDZ];
    hl__cut cut = hl__cut_rows(&dz->shape, 1);
    hl_box box = hl__cut_box(&cut, &dz->shape, tile->index[0]);
    hl_activation activation = config_of(call)->activation;
    size_t at[HL_MAX_RANK] = {0}, r = dz->shape.rank, n = dz->shape.extent[r - 1];
    for (bool started = false; hl__next_row(&box, r, at, &started);) {
        size_t offset = hl__offset(dz, at);
        const float *known = hl__f32(&call->operand[activation == HL_ACTIVATION_GELU ? ZZ : ZY]) + offset;
        hl__activation_gradient_row(activation, hl__f32(&call->operand[ZDY]) + offset, known, hl__f32(dz) + offset, n);
    }
}

enum { XDZ, XW, XDX };

static hl_status dx_prepare(const hl_call *call, void *plan) {
    hl__tokens dz = hl__tokens_of(&call->operand[XDZ], false);
    hl__tokens dx = hl__tokens_of(&call->operand[XDX], config_of(call)->heads);
    return hl__linear_t_prepare(&dz, &dx, plan);
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl__linear_t_tile(call->plan, tile, hl__f32(&call->operand[XDZ]), hl__f32(&call->operand[XW]),
                      hl__f32(&call->operand[XDX]));
}

enum { WX, WDZ, WDW, WDBIAS };

static hl_status dw_prepare(const hl_call *call, void *plan) {
    hl__tokens x = hl__tokens_of(&call->operand[WX], config_of(call)->heads);
    hl__tokens dz = hl__tokens_of(&call->operand[WDZ], false);
    return hl__linear_dw_prepare(&x, &dz, plan);
}

static void dw_kernel(const hl_call *call, const hl_tile *tile) {
    hl__linear_dw_tile(call->plan, tile->index, hl__f32(&call->operand[WX]), hl__f32(&call->operand[WDZ]),
                       hl__f32(&call->operand[WDW]), hl__f32(&call->operand[WDBIAS]));
}

/* ---- tiling and access ---- */

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->y, &plan->cut.tokens, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->cut.columns, tile->index[1]);
    hl__column_range all = {0, hl__all_columns(&plan->x)};
    hl__box_tokens(&call->operand[FX], config_of(call)->heads, &at, all, &boxes[FX]);
    hl__box_tokens(&call->operand[FY], false, &at, columns, &boxes[FY]);
    boxes[FW].begin[1] = boxes[FBIAS].begin[0] = columns.begin;
    boxes[FW].end[1] = boxes[FBIAS].end[0] = columns.end;
    boxes[FZ] = config_of(call)->activation == HL_ACTIVATION_GELU ? boxes[FY] : hl__box_empty();
}

static void dz_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[ZDZ].shape, 1).n_tiles;
}

static void dz_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[ZDZ].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[ZDY] = boxes[ZY] = boxes[ZZ] = boxes[ZDZ] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[config_of(call)->activation == HL_ACTIVATION_GELU ? ZY : ZZ] = hl__box_empty();
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl__linear_t_plan *plan = call->plan;
    hl__token_block at = hl__token_block_at(&plan->y, &plan->cut.tokens, tile->index[0]);
    hl__column_range columns = hl__columns_at(&plan->cut.columns, tile->index[1]);
    hl__column_range all = {0, hl__all_columns(&plan->x)};
    hl__box_tokens(&call->operand[XDZ], false, &at, all, &boxes[XDZ]);
    hl__box_tokens(&call->operand[XDX], config_of(call)->heads, &at, columns, &boxes[XDX]);
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
    hl__box_tokens(&call->operand[WX], config_of(call)->heads, &at, rows, &boxes[WX]);
    hl__box_tokens(&call->operand[WDZ], false, &at, columns, &boxes[WDZ]);
    if (!has_dw) boxes[WX] = hl__box_empty();
    if (!has_dw && !has_db) boxes[WDZ] = hl__box_empty();
    boxes[WDW] = (hl_box){.begin = {rows.begin, columns.begin}, .end = {rows.end, columns.end}};
    boxes[WDBIAS] = has_db ? (hl_box){.begin = {columns.begin}, .end = {columns.end}} : hl__box_empty();
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__linear_grid,
                                .access = forward_access,
                                .cost = hl__linear_cost,
                                .plan_bytes = sizeof(hl__linear_plan),
                                .prepare = forward_prepare,
                                .kernel = forward_kernel};
static const hl_pass dz = {.name = "dz", .grid = dz_grid, .access = dz_access, .kernel = dz_kernel};
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

HL__DEFINE_OPERATOR(dense) = {
    .name = "dense",
    .min_inputs = 2,
    .max_inputs = 3,
    .optional = 1 << 2,
    .n_outputs = 2,
    .n_saved = 1,
    .options_bytes = sizeof(hl_dense_config),
    .infer = infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1), HL_IN(2)}, .writes = {HL_OUT(0), HL_OUT(1)}}},
    .backward = {{.pass = &dz, .reads = {HL_DOUT(0), HL_OUT(0), HL_OUT(1)}, .writes = {HL_TEMP(0)}, .alias = dz_alias},
                 {.pass = &dx, .reads = {HL_TEMP(0), HL_IN(1)}, .writes = {HL_DIN(0)}},
                 {.pass = &dw, .reads = {HL_IN(0), HL_TEMP(0)}, .writes = {HL_DIN(1), HL_DIN(2)}}}};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dense: a matrix for every token, with bias, scale and activation on the tile while it is in cache.
 *
 *   z[t, n] = scale (sum_k x[t, k] w[k, n] + bias[n])        y = act(z), or z + residual
 *   x [..., K], w [K, N], bias [N] (optional), y [..., N]
 *   with config.heads: x [B, H, T, D], w [H * D, N], y [B, T, N]: concat and dense in one, without a copy;
 *   k runs over h * D + d (Vaswani et al. 2017, section 3.2.2);
 *   with config.transposed: w [N, K], as where the logits' matrix is the table of words (Press and Wolf 2017);
 *   residual as y (optional, not with an activation): what a skip connection adds (He et al. 2016).
 *
 * Saved: z where the activation's gradient needs it (GELU, SiLU); the others are differentiated from y. */
#include <math.h>

#include "ops/kernels/activation.h"
#include "ops/kernels/linear_gradient.h"
#include "ops/kernels/linear_product.h"
#include "ops/kernels/move.h"

static const hl_dense_config *config_of(const hl_call *call) { return call->options; }

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_dense_config *config = i->options;
    const hl_shape *x = &i->input[0].shape, *w = &i->input[1].shape;
    const hl_view *bias = &i->input[2], *residual = &i->input[3];
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT], c[HL_SHAPE_TEXT];
    hl_shape_text(x, a, sizeof a);
    hl_shape_text(w, b, sizeof b);
    if ((unsigned)config->activation > HL_ACTIVATION_SILU)
        return hl_refuse(i, HL_INVALID_ARGUMENT, "%d is no activation", (int)config->activation);
    if (!isfinite(config->scale)) return hl_refuse(i, HL_INVALID_ARGUMENT, "the scale is not finite");
    for (size_t k = 0; k < i->n_inputs; k++)
        if (hl_view_present(&i->input[k]) && i->input[k].dtype != HL_F32)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not f32", k, hl_dtype_name(i->input[k].dtype));
    if (config->heads ? x->rank != 4 : x->rank < 1)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "x %s is not %s", a, config->heads ? "[B, H, T, D]" : "[..., K]");
    size_t K = config->heads ? x->extent[1] * x->extent[3] : x->extent[x->rank - 1];
    size_t inner = config->transposed ? 1 : 0;
    if (w->rank != 2 || w->extent[inner] != K)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "w %s does not fit x %s: %s%zu%s is needed", b, a,
                         config->transposed ? "[N, " : "[", K, config->transposed ? "]" : ", N]");
    size_t N = w->extent[1 - inner];
    if (hl_view_present(bias) && (bias->shape.rank != 1 || bias->shape.extent[0] != N))
        return hl_refuse(i, HL_SHAPE_MISMATCH, "bias %s does not fit x %s and w %s: [%zu] is needed",
                         hl_shape_text(&bias->shape, c, sizeof c), a, b, N);
    hl_shape y = config->heads ? HL_SHAPE(x->extent[0], x->extent[2], N) : *x;
    y.extent[y.rank - 1] = N;
    if (hl_view_present(residual)) {
        if (config->activation != HL_ACTIVATION_NONE)
            return hl_refuse(i, HL_INVALID_ARGUMENT, "there is an activation, and a residual to be added behind it");
        if (!hl__shape_equal(&residual->shape, &y))
            return hl_refuse(i, HL_SHAPE_MISMATCH, "residual %s is not of the result's shape %s",
                             hl_shape_text(&residual->shape, c, sizeof c), hl_shape_text(&y, a, sizeof a));
    }
    i->output[0] = y;
    i->output[1] =
        hl__activation_keeps_z(config->activation) ? y : HL_SHAPE(1); /* else only the first tile touches it */
    i->temp[0] = y;
    return HL_OK;
}

/* ---- forward ---- */

enum { FX, FW, FBIAS, FRESIDUAL, FY, FZ };

/* Tokens of an operand: those of x and dx may be headed. */
static hl__tokens tokens_of(const hl_call *call, size_t operand, bool is_x) {
    return hl__tokens_of(&call->operand[operand], is_x && config_of(call)->heads);
}

static hl_status forward_prepare(const hl_call *call, void *plan) {
    hl__tokens x = tokens_of(call, FX, true), y = tokens_of(call, FY, false);
    return hl__product_prepare(call->code, &x, &y, config_of(call)->transposed, &call->operand[FRESIDUAL], plan);
}

/* Bias, scale, activation and residual of a tile whose product has been made. */
static void finish_tile(const hl_call *call, const hl__tokens *y, const hl__token_block *at, hl__column_range columns) {
    const hl_view *bias = &call->operand[FBIAS], *z = &call->operand[FZ], *residual = &call->operand[FRESIDUAL];
    const float *bias_n = hl_view_present(bias) ? hl__f32(bias) + columns.begin : NULL;
    const hl_dense_config *config = config_of(call);
    bool activates = bias_n || config->activation != HL_ACTIVATION_NONE || hl__dense_scale(config) != 1;
    bool adds = hl_view_present(residual), save = hl__activation_keeps_z(config->activation) && hl_view_present(z);
    size_t n = columns.end - columns.begin;
    for (size_t row = 0; (activates || adds) && row < at->n_batches * at->n_tokens; row++) {
        size_t offset =
            hl__tokens_offset(y, at, row / at->n_tokens, columns.begin) + row % at->n_tokens * y->row_stride;
        float *y_t = hl__f32(&call->operand[FY]) + offset;
        if (activates)
            hl__activate_row(config->activation, (hl__activated_row){.y = y_t,
                                                                     .bias = bias_n,
                                                                     .z = save ? hl__f32(z) + offset : NULL,
                                                                     .n = n,
                                                                     .scale = hl__dense_scale(config)});
        if (adds) hl__add_row(y_t, hl__f32(residual) + offset, n);
    }
}

/* The first tile, where z is not saved: it fills what is there in its place. */
static bool keeps_nothing(const hl_call *call, const hl_tile *tile) {
    return !hl__activation_keeps_z(config_of(call)->activation) && hl_view_present(&call->operand[FZ]) &&
           tile->index[0] == 0 && tile->index[1] == 0;
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__product_plan *plan = call->plan;
    hl__product_tile at = hl__product_at(plan, tile);
    hl__product_run(plan, &at, tile->scratch, hl__f32(&call->operand[FX]), hl__f32(&call->operand[FW]),
                    hl__f32(&call->operand[FY]));
    finish_tile(call, hl__product_y(plan), &at.tokens, at.columns);
    if (keeps_nothing(call, tile)) *hl__f32(&call->operand[FZ]) = 0;
}

/* ---- backward: dz = scale dy act'(z);  dx = dz w^T, plus what else reads x sends back;
 *                dw = x^T dz;  dbias = sum_t dz;  dresidual = dy ---- */

enum { ZDY, ZY, ZZ, ZDZ };

static bool dz_alias(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    const hl_dense_config *config = config_of(call);
    if (config->activation != HL_ACTIVATION_NONE || hl__dense_scale(config) != 1) return false;
    return hl__same_view(call, source, view, offset) && hl__view_dense(source);
}

static void dz_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_dense_config *config = config_of(call);
    const hl_view *dz = &call->operand[ZDZ], *known = NULL;
    if (config->activation != HL_ACTIVATION_NONE)
        known = &call->operand[hl__activation_keeps_z(config->activation) ? ZZ : ZY];
    hl__cut cut = hl__cut_rows(&dz->shape, 1);
    hl_box box = hl__cut_box(&cut, &dz->shape, tile->index[0]);
    size_t at[HL_MAX_RANK] = {0}, r = dz->shape.rank, n = dz->shape.extent[r - 1];
    for (bool started = false; hl__next_row(&box, r, at, &started);) {
        size_t offset = hl__offset(dz, at);
        hl__activation_gradient_row(config->activation,
                                    (hl__gradient_row){.dy = hl__f32(&call->operand[ZDY]) + offset,
                                                       .known = known ? hl__f32(known) + offset : NULL,
                                                       .dz = hl__f32(dz) + offset,
                                                       .n = n,
                                                       .scale = hl__dense_scale(config)});
    }
}

enum { XDZ, XW, XSHARE, XDX };

static hl_status dx_prepare(const hl_call *call, void *plan) {
    hl__tokens dz = tokens_of(call, XDZ, false), dx = tokens_of(call, XDX, true);
    return hl__product_prepare(call->code, &dz, &dx, !config_of(call)->transposed, &call->operand[XSHARE], plan);
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    const hl_view *share = &call->operand[XSHARE];
    float *dx = hl__f32(&call->operand[XDX]);
    hl__product_run(call->plan, &at, tile->scratch, hl__f32(&call->operand[XDZ]), hl__f32(&call->operand[XW]), dx);
    if (hl_view_present(share)) hl__product_add(call->plan, &at, hl__f32(share), dx);
}

enum { WX, WDZ, WDW, WDBIAS };

static hl_status dw_prepare(const hl_call *call, void *plan) {
    hl__tokens x = tokens_of(call, WX, true), dz = tokens_of(call, WDZ, false);
    if (config_of(call)->transposed) return hl__gradient_prepare(call->code, &dz, &x, true, plan);
    return hl__gradient_prepare(call->code, &x, &dz, false, plan);
}

static void dw_kernel(const hl_call *call, const hl_tile *tile) {
    hl__gradient_tile at = hl__gradient_at(call->plan, tile);
    bool turned = config_of(call)->transposed;
    hl__gradient_run(call->plan, &at, tile->scratch, hl__f32(&call->operand[turned ? WDZ : WX]),
                     hl__f32(&call->operand[turned ? WX : WDZ]), hl__f32(&call->operand[WDW]),
                     hl__f32(&call->operand[WDBIAS]));
}

/* ---- tiling and access ---- */

/* The box of w for columns of y. */
static void box_weights(const hl_call *call, hl__column_range columns, bool by_row, hl_box *box) {
    size_t axis = by_row == config_of(call)->transposed ? 0 : 1;
    box->begin[axis] = columns.begin;
    box->end[axis] = columns.end;
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    hl__box_tokens(&call->operand[FX], config_of(call)->heads, &at.tokens, at.inner, &boxes[FX]);
    hl__box_tokens(&call->operand[FY], false, &at.tokens, at.columns, &boxes[FY]);
    box_weights(call, at.columns, true, &boxes[FW]);
    boxes[FRESIDUAL] = boxes[FY];
    boxes[FBIAS].begin[0] = at.columns.begin;
    boxes[FBIAS].end[0] = at.columns.end;
    if (hl__activation_keeps_z(config_of(call)->activation)) boxes[FZ] = boxes[FY];
    else if (!keeps_nothing(call, tile)) boxes[FZ] = hl__box_empty();
}

static void dz_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[ZDZ].shape, 1).n_tiles;
}

static void dz_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[ZDZ].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    hl_activation activation = config_of(call)->activation;
    boxes[ZDY] = boxes[ZY] = boxes[ZZ] = boxes[ZDZ] = hl__cut_box(&cut, shape, tile->index[0]);
    bool keeps_z = hl__activation_keeps_z(activation);
    if (!keeps_z) boxes[ZZ] = hl__box_empty();
    if (keeps_z || activation == HL_ACTIVATION_NONE) boxes[ZY] = hl__box_empty();
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__product_tile at = hl__product_at(call->plan, tile);
    hl__box_tokens(&call->operand[XDZ], false, &at.tokens, at.inner, &boxes[XDZ]);
    hl__box_tokens(&call->operand[XDX], config_of(call)->heads, &at.tokens, at.columns, &boxes[XDX]);
    boxes[XSHARE] = boxes[XDX];
    box_weights(call, at.columns, false, &boxes[XW]);
}

static void dw_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__gradient_tile at = hl__gradient_at(call->plan, tile);
    bool has_dw = hl_view_present(&call->operand[WDW]);
    bool has_db = at.with_db && hl_view_present(&call->operand[WDBIAS]), turned = config_of(call)->transposed;
    hl__column_range of_x = turned ? at.columns : at.rows, of_z = turned ? at.rows : at.columns;
    hl__gradient_box(call->plan, &at, &call->operand[WX], config_of(call)->heads, of_x, &boxes[WX]);
    hl__gradient_box(call->plan, &at, &call->operand[WDZ], false, of_z, &boxes[WDZ]);
    if (!has_dw) boxes[WX] = hl__box_empty();
    if (!has_dw && !has_db) boxes[WDZ] = hl__box_empty();
    boxes[WDW] = (hl_box){.begin = {at.rows.begin, at.columns.begin}, .end = {at.rows.end, at.columns.end}};
    boxes[WDBIAS] = has_db ? (hl_box){.begin = {of_z.begin}, .end = {of_z.end}} : hl__box_empty();
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
static const hl_pass dz = {.name = "dz", .grid = dz_grid, .access = dz_access, .kernel = dz_kernel};
static const hl_pass dx = {.name = "dx",
                           .grid = hl__product_grid,
                           .access = dx_access,
                           .cost = hl__product_cost,
                           .scratch = hl__product_scratch,
                           .plan_bytes = sizeof(hl__product_plan),
                           .prepare = dx_prepare,
                           .kernel = dx_kernel};
static const hl_pass dresidual = {.name = "dresidual", /* never run: a view */
                                  .grid = hl__copy_grid,
                                  .access = hl__copy_access,
                                  .kernel = hl__copy_kernel,
                                  .layout = {HL_LAYOUT_ANY}};
static const hl_pass dw = {.name = "dw",
                           .grid = hl__gradient_grid,
                           .access = dw_access,
                           .cost = hl__gradient_cost,
                           .scratch = hl__gradient_scratch,
                           .plan_bytes = sizeof(hl__gradient_plan),
                           .prepare = dw_prepare,
                           .kernel = dw_kernel,
                           .background = true};

HL__DEFINE_OPERATOR(dense) = {
    .name = "dense",
    .min_inputs = 2,
    .max_inputs = 4,
    .optional = 1 << 2 | 1 << 3,
    .n_outputs = 2,
    .n_saved = 1,
    .options_bytes = sizeof(hl_dense_config),
    .infer = infer,
    .forward = {{.pass = &forward,
                 .reads = {HL_IN(0), HL_IN(1), HL_IN(2), HL_IN(3)},
                 .writes = {HL_OUT(0), HL_OUT(1)}}},
    .backward = {{.pass = &dresidual, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(3)}, .alias = hl__same_view},
                 {.pass = &dz, .reads = {HL_DOUT(0), HL_OUT(0), HL_OUT(1)}, .writes = {HL_TEMP(0)}, .alias = dz_alias},
                 {.pass = &dx, .reads = {HL_TEMP(0), HL_IN(1), HL_SHARE(0)}, .writes = {HL_DIN(0)}},
                 {.pass = &dw, .reads = {HL_IN(0), HL_TEMP(0)}, .writes = {HL_DIN(1), HL_DIN(2)}}}};

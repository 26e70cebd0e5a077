/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The weights of a fused attention, recomputed behind it for whoever wants to look:
 *
 *   P_i[j] = exp(S_i[j] - m_i) / l_i, S, m and l as in attention, which has saved m and l
 *
 *   q [B, H, Tq, D], k [B, Hk, Tk, D], bias [B or 1, H or 1, Tq or 1, Tk], lengths I32 [B]
 *   rows [B, H, 2, Tq], or [B, H, 3, Tq] with a bias; P [B, H, Tq, Tk]; query head h uses key head h / (H / Hk)
 *
 * The weights are those before dropout; a query that sees no key has m = +infinity and so a row of zeros. There is no
 * gradient: what a loss depends on is not fused. */
#include "ops/kernels/score_rows.h"
#include "ops/kernels/vector.h"
#include "ops/op.h"

enum operand { Q, K, BIAS, LENGTHS, ROWS, P };

static hl_status weights_infer(hl_inference *inference) {
    const hl_attention_config *config = inference->options;
    const hl_view *saved = &inference->input[ROWS];
    hl_shape scores;
    hl_status status = hl__check_scores(inference, &config->score, BIAS, LENGTHS, &scores);
    if (status != HL_OK) return status;
    hl_shape rows = hl__row_numbers(&scores, hl__optional_input(inference, BIAS) != NULL);
    if (saved->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "what is saved of the rows is %s, not f32",
                         hl_dtype_name(saved->dtype));
    if (!hl__shape_equal(&saved->shape, &rows)) {
        char text[HL_SHAPE_TEXT], rows_text[HL_SHAPE_TEXT];
        return hl_refuse(inference, HL_SHAPE_MISMATCH, "what is saved of the rows is %s and must be %s",
                         hl_shape_text(&saved->shape, text, sizeof text),
                         hl_shape_text(&rows, rows_text, sizeof rows_text));
    }
    inference->output[0] = scores;
    return HL_OK;
}

/* The rows of one head: scores in units of ln 2 become weights. */
static void weights_of_head(const hl_call *call, const hl__head_tile *at, const hl__sight *sight, size_t h, float *p) {
    const hl_view *bias = &call->operand[BIAS], *rows = &call->operand[ROWS];
    size_t Tk = call->operand[K].shape.extent[2];
    for (size_t i = at->r0; i < at->r1; i++, p += Tk) {
        hl__range seen = hl__keys_seen(sight, i, i + 1);
        if (hl_view_present(bias))
            hl__add_bias(p + seen.begin, hl__bias_row(bias, at->b, h, i) + seen.begin,
                         hl__row_number(rows, at->b, h, HL__ROW_BASE)[i], HL__LOG2_E, seen.end - seen.begin);
        hl__score_hide(seen, Tk, p);
        hl__floats shift = hl__splat(hl__row_number(rows, at->b, h, HL__ROW_SHIFT)[i]);
        hl__floats sum = hl__splat(hl__row_number(rows, at->b, h, HL__ROW_SUM)[i]);
        for (size_t j = 0; j < Tk; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, Tk - j);
            hl__store_some(p + j, hl__exp2_half(hl__load_some(p + j, some, 0) - shift) / sum, some);
        }
    }
}

static void weights_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_attention_config *config = call->options;
    const hl__score_rows *x = &((const hl__score_plan *)call->plan)->x;
    hl__head_tile at = hl__head_tile_at(&x->tiles, tile);
    hl__sight sight = hl__score_sight(call, &config->score, at.b);
    float scale = hl__score_scale(&config->score, x->D) * HL__LOG2_E;
    for (size_t h = at.h0; h < at.h1; h++) {
        float *p = hl__head_row(&call->operand[P], at.b, h, at.r0);
        hl__score_products(call, &at, &sight, scale, h, tile->scratch, p);
        weights_of_head(call, &at, &sight, h, p);
    }
}

static void weights_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__score_rows x = hl__score_rows_of(call);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    hl__score_boxes(call, &at, boxes);
    hl__box_row_numbers(&boxes[ROWS], at.b, at.h0, at.h1, at.r0, at.r1);
    hl__box_heads(&boxes[P], at.b, at.h0, at.h1, at.r0, at.r1);
}

static const hl_pass weights_pass = {
    .name = "forward",
    .grid = hl__score_grid,
    .access = weights_access,
    .cost = hl__score_cost,
    .scratch = hl__score_scratch,
    .plan_bytes = sizeof(hl__score_plan),
    .prepare = hl__score_prepare,
    .kernel = weights_kernel,
    .background = true,
};

HL__DEFINE_OPERATOR(attention_weights) = {
    .name = "attention_weights",
    .min_inputs = 5,
    .max_inputs = 5,
    .optional = 1 << BIAS | 1 << LENGTHS,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_attention_config),
    .infer = weights_infer,
    .forward = {{.pass = &weights_pass,
                 .reads = {HL_IN(Q), HL_IN(K), HL_IN(BIAS), HL_IN(LENGTHS), HL_IN(ROWS)},
                 .writes = {HL_OUT(0)}}},
};

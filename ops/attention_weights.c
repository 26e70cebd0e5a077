/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The weights of a fused attention, recomputed behind it for whoever wants to look:
 *
 *   P_i[j] = exp(S_i[j] - L_i), S as in score, L the row log-sum-exp that attention has saved
 *
 *   q [B, H, Tq, D], k [B, Hk, Tk, D], bias [B or 1, H or 1, Tq or 1, Tk], lengths I32 [B], L [B, H, Tq]
 *   P [B, H, Tq, Tk]; query head h uses key head h / (H / Hk)
 *
 * The weights are those before dropout; a query that sees no key has L = +infinity and so a row of zeros. There is no
 * gradient: what a loss depends on is not fused. */
#include "ops/op.h"
#include "ops/score_rows.h"
#include "ops/vector.h"

enum operand { Q, K, BIAS, LENGTHS, L, P };

static hl_status weights_infer(hl_inference *inference) {
    const hl_attention_config *config = inference->options;
    const hl_view *lse = &inference->input[L];
    hl_shape scores;
    hl_status status = hl__check_scores(inference, &config->score, BIAS, LENGTHS, &scores);
    if (status != HL_OK) return status;
    hl_shape rows = HL_SHAPE(scores.extent[0], scores.extent[1], scores.extent[2]);
    if (lse->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "the log-sum-exp is %s, not f32", hl_dtype_name(lse->dtype));
    if (!hl__shape_equal(&lse->shape, &rows)) {
        char text[HL_SHAPE_TEXT], rows_text[HL_SHAPE_TEXT];
        return hl_refuse(inference, HL_SHAPE_MISMATCH, "the log-sum-exp %s must be %s, one for each query",
                         hl_shape_text(&lse->shape, text, sizeof text),
                         hl_shape_text(&rows, rows_text, sizeof rows_text));
    }
    inference->output[0] = scores;
    return HL_OK;
}

static void weights_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_attention_config *config = call->options;
    const hl__score_rows *x = &((const hl__score_plan *)call->plan)->x;
    hl__head_tile at = hl__head_tile_at(&x->tiles, tile);
    for (size_t h = at.h0; h < at.h1; h++) {
        float *p = hl__head_row(&call->operand[P], at.b, h, at.r0);
        const float *l = hl__f32(&call->operand[L]) + (at.b * x->H + h) * x->Tq;
        hl__score_head(call, &at, &config->score, h, tile->scratch, p);
        for (size_t i = at.r0; i < at.r1; i++, p += x->Tk) hl__row_exp_sum(p, p, x->Tk, l[i]);
    }
}

static void weights_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__score_rows x = hl__score_rows_of(call);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    hl__score_boxes(call, &at, boxes);
    hl__box_heads(&boxes[L], at.b, at.h0, at.h1, at.r0, at.r1);
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
                 .reads = {HL_IN(Q), HL_IN(K), HL_IN(BIAS), HL_IN(LENGTHS), HL_IN(L)},
                 .writes = {HL_OUT(0)}}},
};

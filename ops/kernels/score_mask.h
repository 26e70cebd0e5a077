/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What score, attention and attention_weights share: the checks of query, key, bias and lengths, and the rule which
 * keys a query sees. Under every mask the keys that a query sees are one interval whose ends rise with the query, so a
 * block of queries sees the interval from its first query's begin to its last query's end. */
#ifndef HL_OPS_SCORE_MASK_H
#define HL_OPS_SCORE_MASK_H

#include <math.h>

#include "ops/kernels/vector.h"
#include "ops/op.h"

typedef struct hl__range {
    size_t begin, end; /* half open; begin <= end */
} hl__range;

static inline bool hl__range_empty(hl__range range) { return range.begin >= range.end; }

static inline size_t hl__clamp(ptrdiff_t x, size_t end) { return x < 0 ? 0 : hl__min((size_t)x, end); }

static inline bool hl__mask_windowed(hl_mask mask) { return mask == HL_MASK_WINDOW || mask == HL_MASK_CAUSAL_WINDOW; }
static inline bool hl__mask_causal(hl_mask mask) { return mask == HL_MASK_CAUSAL || mask == HL_MASK_CAUSAL_WINDOW; }

/* One batch element's rule, in the logical positions of options.h. */
typedef struct hl__sight {
    ptrdiff_t shift;  /* Tk - Tq: query i stands at i + shift */
    ptrdiff_t before; /* how far back a query sees, itself included */
    ptrdiff_t after;  /* how far ahead, itself included */
    size_t n_queries;
    size_t n_keys; /* keys that exist: the length, or Tk */
} hl__sight;

static inline hl__sight hl__sight_of(const hl_score_config *config, size_t Tq, size_t Tk, size_t length) {
    ptrdiff_t everything = (ptrdiff_t)(Tq + Tk);
    ptrdiff_t window = hl__mask_windowed(config->mask) ? (ptrdiff_t)hl__min(config->window, Tq + Tk) : everything;
    return (hl__sight){.shift = (ptrdiff_t)Tk - (ptrdiff_t)Tq,
                       .before = window,
                       .after = hl__mask_causal(config->mask) ? 1 : window,
                       .n_queries = Tq,
                       .n_keys = hl__min(length, Tk)};
}

/* The keys that some query of i0..i1-1 sees. */
static inline hl__range hl__keys_seen(const hl__sight *sight, size_t i0, size_t i1) {
    size_t end = hl__clamp((ptrdiff_t)i1 - 1 + sight->shift + sight->after, sight->n_keys);
    size_t begin = hl__clamp((ptrdiff_t)i0 + sight->shift - sight->before + 1, end);
    return (hl__range){begin, end};
}

/* The queries that see key j. */
static inline hl__range hl__queries_seeing(const hl__sight *sight, size_t j) {
    if (j >= sight->n_keys) return (hl__range){0, 0};
    size_t end = hl__clamp((ptrdiff_t)j - sight->shift + sight->before, sight->n_queries);
    size_t begin = hl__clamp((ptrdiff_t)j - sight->shift - sight->after + 1, end);
    return (hl__range){begin, end};
}

/* True where every query of i0..i1-1 sees every key of j0..j1-1. */
static inline bool hl__sees_all(const hl__sight *sight, size_t i0, size_t i1, size_t j0, size_t j1) {
    hl__range first = hl__keys_seen(sight, i0, i0 + 1), last = hl__keys_seen(sight, i1 - 1, i1);
    return last.begin <= j0 && j1 <= first.end;
}

static inline float hl__score_scale(const hl_score_config *config, size_t D) {
    return config->scale != 0 ? config->scale : (float)(1 / sqrt((double)D));
}

/* ---- bias: [B or 1, H or 1, Tq or 1, Tk] ---- */

/* Index along an axis that may be broadcast. */
static inline size_t hl__broadcast(const hl_view *view, size_t axis, size_t i) {
    return view->shape.extent[axis] == 1 ? 0 : i;
}

/* First element of row i of a broadcast bias. */
static inline float *hl__bias_row(const hl_view *bias, size_t b, size_t h, size_t i) {
    return hl__f32(bias) + hl__broadcast(bias, 0, b) * bias->stride[0] + hl__broadcast(bias, 1, h) * bias->stride[1] +
           hl__broadcast(bias, 2, i) * bias->stride[2];
}

/* What the scores of query i are relative to: the largest bias that it sees, 0 where that is -infinity. A bias that all
 * keys of a row share, however large, then leaves the scores their digits, and none overflows in another unit. */
static inline float hl__bias_base(const hl_view *bias, size_t b, size_t h, size_t i, hl__range seen) {
    float most = hl__row_max(hl__bias_row(bias, b, h, i) + seen.begin, seen.end - seen.begin);
    return most == -INFINITY ? 0 : most;
}

/* s[j] += unit * (bias[j] - base). A bias of -infinity masks its pair, whatever the score is. */
static inline void hl__add_bias(float *s, const float *bias, float base, float unit, size_t n) {
    for (size_t j = 0; j < n; j++) s[j] = bias[j] == -INFINITY ? -INFINITY : s[j] + (bias[j] - base) * unit;
}

/* sum[j] += x[j], where rest[j] is what sum[j] has lost so far, which it gets as soon as it can hold it. */
static inline void hl__row_add_kept(float *sum, float *rest, const float *x, size_t n) {
    for (size_t j = 0; j < n; j++) {
        float more = x[j] + rest[j], grown = sum[j] + more;
        rest[j] = grown * 0 == 0 ? more - (grown - sum[j]) : 0;
        sum[j] = grown;
    }
}

/* Narrows one axis of a box to begin..end-1, or leaves its one element where the axis is broadcast. */
static inline void hl__box_narrow(hl_box *box, const hl_view *view, size_t axis, size_t begin, size_t end) {
    if (view->shape.extent[axis] == 1) return;
    box->begin[axis] = begin;
    box->end[axis] = end;
}

/* ---- checks ---- */

static inline hl_status hl__refuse_pair(hl_inference *inference, const char *complaint, const char *a_name,
                                        const hl_view *a, const char *b_name, const hl_view *b) {
    char a_text[HL_SHAPE_TEXT], b_text[HL_SHAPE_TEXT];
    return hl_refuse(inference, HL_SHAPE_MISMATCH, "%s: %s %s, %s %s", complaint, a_name,
                     hl_shape_text(&a->shape, a_text, sizeof a_text), b_name,
                     hl_shape_text(&b->shape, b_text, sizeof b_text));
}

/* a and b are [batch, heads, tokens, size] of the same batch. */
static inline hl_status hl__check_batches(hl_inference *inference, const char *a_name, const hl_view *a,
                                          const char *b_name, const hl_view *b) {
    if (a->dtype != HL_F32 || b->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "%s (%s) and %s (%s) must be f32", a_name,
                         hl_dtype_name(a->dtype), b_name, hl_dtype_name(b->dtype));
    if (a->shape.rank != 4 || b->shape.rank != 4)
        return hl__refuse_pair(inference, "both must have rank 4, [batch, heads, tokens, size]", a_name, a, b_name, b);
    if (a->shape.extent[0] != b->shape.extent[0])
        return hl__refuse_pair(inference, "the batches differ", a_name, a, b_name, b);
    return HL_OK;
}

/* And each head of b serves equally many heads of a. */
static inline hl_status hl__check_shared_heads(hl_inference *inference, const char *a_name, const hl_view *a,
                                               const char *b_name, const hl_view *b) {
    hl_status status = hl__check_batches(inference, a_name, a, b_name, b);
    if (status != HL_OK || a->shape.extent[1] % b->shape.extent[1] == 0) return status;
    return hl__refuse_pair(inference, "the number of heads is no multiple of the number of shared heads", a_name, a,
                           b_name, b);
}

/* Input i, where it is given at all. */
static inline const hl_view *hl__optional_input(const hl_inference *inference, size_t i) {
    return i < inference->n_inputs && hl_view_present(&inference->input[i]) ? &inference->input[i] : NULL;
}

static inline hl_status hl__check_bias(hl_inference *inference, size_t input, const hl_shape *scores) {
    const hl_view *bias = hl__optional_input(inference, input);
    if (!bias) return HL_OK;
    if (bias->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "bias is %s, not f32", hl_dtype_name(bias->dtype));
    bool fits = bias->shape.rank == 4 && bias->shape.extent[3] == scores->extent[3];
    for (size_t i = 0; fits && i < 3; i++)
        fits = bias->shape.extent[i] == 1 || bias->shape.extent[i] == scores->extent[i];
    if (fits) return HL_OK;
    char text[HL_SHAPE_TEXT], scores_text[HL_SHAPE_TEXT];
    return hl_refuse(inference, HL_SHAPE_MISMATCH,
                     "bias %s %s does not spread over the scores %s (extents may be 1 on the first three axes)",
                     hl_dtype_name(bias->dtype), hl_shape_text(&bias->shape, text, sizeof text),
                     hl_shape_text(scores, scores_text, sizeof scores_text));
}

/* A dropout configuration and its step (input number `step`), which is needed where something is dropped. */
static inline hl_status hl__check_dropout(hl_inference *inference, const hl_dropout_config *config, size_t step) {
    const hl_view *view = hl__optional_input(inference, step);
    if (!(config->rate >= 0 && config->rate < 1))
        return hl_refuse(inference, HL_OUT_OF_RANGE, "dropout rate %g is not in [0, 1)", (double)config->rate);
    if (!view)
        return config->rate == 0
                   ? HL_OK
                   : hl_refuse(inference, HL_INVALID_ARGUMENT, "dropout at rate %g needs a step", (double)config->rate);
    char text[HL_SHAPE_TEXT];
    if (view->dtype != HL_I32 || view->shape.rank != 0)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "the step must be an i32 scalar, not %s %s",
                         hl_dtype_name(view->dtype), hl_shape_text(&view->shape, text, sizeof text));
    return HL_OK;
}

static inline hl_status hl__check_lengths(hl_inference *inference, size_t input, const hl_shape *scores) {
    size_t B = scores->extent[0], Tk = scores->extent[3];
    const hl_view *lengths = hl__optional_input(inference, input);
    if (!lengths) return HL_OK;
    if (lengths->dtype != HL_I32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "lengths must be i32, not %s", hl_dtype_name(lengths->dtype));
    if (lengths->shape.rank != 1 || lengths->shape.extent[0] != B) {
        char text[HL_SHAPE_TEXT], scores_text[HL_SHAPE_TEXT];
        return hl_refuse(inference, HL_SHAPE_MISMATCH,
                         "lengths %s must be [%zu], one for each batch element of the scores %s",
                         hl_shape_text(&lengths->shape, text, sizeof text), B,
                         hl_shape_text(scores, scores_text, sizeof scores_text));
    }
    if (Tk > INT32_MAX) return hl_refuse(inference, HL_OUT_OF_RANGE, "%zu keys exceed an i32 length", Tk);
    inference->index_min[input] = 0;
    inference->index_max[input] = (int32_t)Tk;
    return HL_OK;
}

/* query, key, bias and lengths (inputs numbered by the caller) under a score configuration; the scores' shape on
 * success. */
static inline hl_status hl__check_scores(hl_inference *inference, const hl_score_config *config, size_t bias,
                                         size_t lengths, hl_shape *scores) {
    const hl_view *q = &inference->input[0], *k = &inference->input[1];
    hl_status status = hl__check_shared_heads(inference, "query", q, "key", k);
    if (status != HL_OK) return status;
    if (q->shape.extent[3] != k->shape.extent[3])
        return hl__refuse_pair(inference, "the head sizes differ", "query", q, "key", k);
    if ((unsigned)config->mask > HL_MASK_CAUSAL_WINDOW)
        return hl_refuse(inference, HL_INVALID_ARGUMENT, "%d is no mask", (int)config->mask);
    if (hl__mask_windowed(config->mask) && config->window == 0)
        return hl_refuse(inference, HL_INVALID_ARGUMENT, "a window of 0 keys; at least 1 is needed");
    if (!isfinite(config->scale)) return hl_refuse(inference, HL_INVALID_ARGUMENT, "the scale is not finite");
    *scores = q->shape;
    scores->extent[3] = k->shape.extent[2];
    status = hl__check_bias(inference, bias, scores);
    if (status != HL_OK) return status;
    return hl__check_lengths(inference, lengths, scores);
}

#endif

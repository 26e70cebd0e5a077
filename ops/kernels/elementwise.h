/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loops of all operators that treat elements alike: one operand or two that broadcast as numpy's arrays do, any
 * strides. */
#ifndef HL_OPS_ELEMENTWISE_H
#define HL_OPS_ELEMENTWISE_H

#include "ops/kernels/vector.h"
#include "ops/op.h"

typedef hl__floats hl__unary(hl__floats x, const void *options);
typedef hl__floats hl__binary(hl__floats a, hl__floats b, const void *options);

/* ---- checks ---- */

static inline hl_status hl__unary_infer(hl_inference *i) {
    if (i->input[0].dtype != HL_F32)
        return hl_refuse(i, HL_TYPE_MISMATCH, "x is %s, not f32", hl_dtype_name(i->input[0].dtype));
    i->output[0] = i->input[0].shape;
    return HL_OK;
}

/* ---- rows ---- */

/* Strides of a view along the axes of a shape that it broadcasts to: 0 where it has one element for all. */
static inline void hl__broadcast_strides(const hl_view *view, const hl_shape *to, size_t stride[HL_MAX_RANK]) {
    for (size_t i = 0; i < to->rank; i++) stride[i] = 0;
    size_t shift = to->rank - view->shape.rank;
    for (size_t i = 0; i < view->shape.rank; i++)
        if (view->shape.extent[i] != 1) stride[shift + i] = view->stride[i];
}

static inline size_t hl__dot(const size_t *index, const size_t *stride, size_t rank) {
    size_t offset = 0;
    for (size_t i = 0; i < rank; i++) offset += index[i] * stride[i];
    return offset;
}

/* n elements at distance `stride` (0: one for all), the other lanes 0. */
static inline hl__floats hl__gather_some(const float *p, size_t stride, size_t n) {
    if (stride == 1) return n == HL__LANES ? hl__load(p) : hl__load_some(p, n, 0);
    if (stride == 0) return hl__splat(*p);
    float lane[HL__LANES] = {0};
    for (size_t i = 0; i < n; i++) lane[i] = p[i * stride];
    return hl__load(lane);
}

static inline void hl__put_some(float *p, hl__floats v, size_t n) {
    if (n == HL__LANES) hl__store(p, v);
    else hl__store_some(p, v, n);
}

/* ---- grids: tiles of the last operand, which is written ---- */

static inline const hl_view *hl__written(const hl_call *call) { return &call->operand[call->n_reads]; }

static inline void hl__elementwise_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&hl__written(call)->shape, 0).n_tiles;
}

static inline hl_box hl__elementwise_box(const hl_call *call, const hl_tile *tile) {
    hl__cut cut = hl__cut_rows(&hl__written(call)->shape, 0);
    return hl__cut_box(&cut, &hl__written(call)->shape, tile->index[0]);
}

/* The part of an operand that meets a box of the shape it broadcasts to. */
static inline hl_box hl__broadcast_box(const hl_view *view, const hl_shape *to, const hl_box *box) {
    hl_box part = hl__box_whole(view);
    size_t shift = to->rank - view->shape.rank;
    for (size_t i = 0; i < view->shape.rank; i++) {
        if (view->shape.extent[i] == 1) continue;
        part.begin[i] = box->begin[shift + i];
        part.end[i] = box->end[shift + i];
    }
    return part;
}

static inline void hl__elementwise_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_box box = hl__elementwise_box(call, tile);
    const hl_shape *to = &hl__written(call)->shape;
    for (size_t i = 0; i <= call->n_reads; i++) boxes[i] = hl__broadcast_box(&call->operand[i], to, &box);
}

/* ---- kernels ---- */

/* y = f(x), all of one shape. */
static inline void hl__unary_tile(const hl_call *call, const hl_tile *tile, hl__unary *f) {
    const hl_view *x = &call->operand[0], *y = &call->operand[1];
    hl_box box = hl__elementwise_box(call, tile);
    size_t rank = y->shape.rank, at[HL_MAX_RANK] = {0}, n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    size_t step = rank ? x->stride[rank - 1] : 1;
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        const float *x_i = hl__f32(x) + hl__offset(x, at);
        float *y_i = hl__f32(y) + hl__offset(y, at);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__put_some(y_i + j, f(hl__gather_some(x_i + j * step, step, some), call->options), some);
        }
    }
}

/* y = f(a, b), broadcast to y's shape. */
static inline void hl__binary_tile(const hl_call *call, const hl_tile *tile, hl__binary *f) {
    const hl_view *a = &call->operand[0], *b = &call->operand[1], *y = &call->operand[2];
    hl_box box = hl__elementwise_box(call, tile);
    size_t rank = y->shape.rank, at[HL_MAX_RANK] = {0}, sa[HL_MAX_RANK], sb[HL_MAX_RANK];
    size_t n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    hl__broadcast_strides(a, &y->shape, sa);
    hl__broadcast_strides(b, &y->shape, sb);
    size_t a_step = rank ? sa[rank - 1] : 0, b_step = rank ? sb[rank - 1] : 0;
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        const float *a_i = hl__f32(a) + hl__dot(at, sa, rank), *b_i = hl__f32(b) + hl__dot(at, sb, rank);
        float *y_i = hl__f32(y) + hl__offset(y, at);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__floats va = hl__gather_some(a_i + j * a_step, a_step, some);
            hl__floats vb = hl__gather_some(b_i + j * b_step, b_step, some);
            hl__put_some(y_i + j, f(va, vb, call->options), some);
        }
    }
}

#endif

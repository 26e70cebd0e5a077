/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loops of all operators that treat elements alike: one operand or two that broadcast as numpy's arrays do, any
 * strides; and sums over the axes along which an operand was broadcast, for its gradient. */
#ifndef HL_OPS_ELEMENTWISE_H
#define HL_OPS_ELEMENTWISE_H

#include "ops/op.h"
#include "ops/vector.h"

typedef hl__floats hl__unary(hl__floats x, const void *options);
typedef hl__floats hl__binary(hl__floats a, hl__floats b);
typedef hl__floats hl__ternary(hl__floats d, hl__floats a, hl__floats b);

/* ---- checks ---- */

static inline hl_status hl__unary_infer(hl_inference *i) {
    if (i->input[0].dtype != HL_F32)
        return hl_refuse(i, HL_TYPE_MISMATCH, "x is %s, not f32", hl_dtype_name(i->input[0].dtype));
    i->output[0] = i->input[0].shape;
    return HL_OK;
}

static inline hl_status hl__binary_infer(hl_inference *i) {
    const hl_shape *a = &i->input[0].shape, *b = &i->input[1].shape;
    char at[HL_SHAPE_TEXT], bt[HL_SHAPE_TEXT];
    for (size_t k = 0; k < 2; k++)
        if (i->input[k].dtype != HL_F32)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not f32", k, hl_dtype_name(i->input[k].dtype));
    hl_shape y = {.rank = hl__max(a->rank, b->rank)};
    for (size_t k = 0; k < y.rank; k++) {
        size_t ea = k < a->rank ? a->extent[a->rank - 1 - k] : 1, eb = k < b->rank ? b->extent[b->rank - 1 - k] : 1;
        if (ea != eb && ea != 1 && eb != 1)
            return hl_refuse(i, HL_SHAPE_MISMATCH, "a %s and b %s do not broadcast", hl_shape_text(a, at, sizeof at),
                             hl_shape_text(b, bt, sizeof bt));
        y.extent[y.rank - 1 - k] = hl__max(ea, eb);
    }
    i->output[0] = y;
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
            hl__put_some(y_i + j, f(va, vb), some);
        }
    }
}

/* ---- the gradient of an operand that was broadcast ----
 *
 * Operand 0 is dY, operands 1 and 2 are a and b (where the pass reads them), the last is the gradient to make, of an
 * operand that broadcasts to dY's shape: each of its elements is the sum over the broadcast axes, in row-major order,
 * of f(dY, a, b). Where the last axis is summed itself, the lanes take turns along it and are added up at the end. */

#define HL__REDUCE_COLUMNS 16 /* elements of a tile: a cache line of each row that is read */

static inline hl__cut hl__reduce_cut(const hl_shape *shape) {
    size_t total = 1;
    for (size_t i = 0; i < shape->rank; i++) total *= shape->extent[i];
    hl__cut cut = {.rank = shape->rank, .n_tiles = 1};
    size_t target = hl__min(hl__max(HL__REDUCE_COLUMNS, total / HL__MIN_TILES), HL__TILE_ELEMENTS), elements = 1;
    for (size_t i = shape->rank; i-- > 0;) {
        cut.block[i] = hl__min(shape->extent[i], hl__max(1, target / elements));
        cut.count[i] = hl__ceil_div(shape->extent[i], cut.block[i]);
        cut.n_tiles *= cut.count[i];
        elements *= cut.block[i];
        if (cut.count[i] > 1) target = 1;
    }
    return cut;
}

static inline void hl__reduce_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__reduce_cut(&hl__written(call)->shape).n_tiles;
}

/* The box of dY that a box of the gradient sums up. */
static inline hl_box hl__reduce_box(const hl_call *call, const hl_tile *tile, hl_box *made) {
    const hl_view *dy = &call->operand[0], *out = hl__written(call);
    hl__cut cut = hl__reduce_cut(&out->shape);
    *made = hl__cut_box(&cut, &out->shape, tile->index[0]);
    hl_box box = hl__box_whole(dy);
    size_t shift = dy->shape.rank - out->shape.rank;
    for (size_t i = 0; i < out->shape.rank; i++) {
        if (out->shape.extent[i] == 1) continue;
        box.begin[shift + i] = made->begin[i];
        box.end[shift + i] = made->end[i];
    }
    return box;
}

static inline void hl__reduce_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_box made, box = hl__reduce_box(call, tile, &made);
    for (size_t i = 0; i < call->n_reads; i++)
        boxes[i] = hl__broadcast_box(&call->operand[i], &call->operand[0].shape, &box);
    boxes[call->n_reads] = made;
}

static inline void hl__reduce_tile(const hl_call *call, const hl_tile *tile, hl__ternary *f) {
    const hl_view *dy = &call->operand[0], *out = hl__written(call);
    const hl_view *a = call->n_reads > 1 ? &call->operand[1] : dy, *b = call->n_reads > 2 ? &call->operand[2] : dy;
    hl_box made, box = hl__reduce_box(call, tile, &made);
    size_t rank = dy->shape.rank, at[HL_MAX_RANK] = {0};
    size_t sd[HL_MAX_RANK], sa[HL_MAX_RANK], sb[HL_MAX_RANK], so[HL_MAX_RANK];
    hl__broadcast_strides(dy, &dy->shape, sd);
    hl__broadcast_strides(a, &dy->shape, sa);
    hl__broadcast_strides(b, &dy->shape, sb);
    hl__broadcast_strides(out, &dy->shape, so);
    size_t last = rank ? rank - 1 : 0, n = rank ? box.end[last] - box.begin[last] : 1;
    bool along = rank && so[last] == 0; /* the last axis is summed */
    /* Zero the tile, then let every row of dY add to its row of the tile. */
    size_t out_at[HL_MAX_RANK] = {0}, out_rank = out->shape.rank;
    size_t run = out_rank ? made.end[out_rank - 1] - made.begin[out_rank - 1] : 1;
    for (bool started = false; hl__next_row(&made, out_rank, out_at, &started);)
        memset(hl__f32(out) + hl__offset(out, out_at), 0, run * sizeof(float));
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        const float *d_i = hl__f32(dy) + hl__dot(at, sd, rank), *a_i = hl__f32(a) + hl__dot(at, sa, rank);
        const float *b_i = hl__f32(b) + hl__dot(at, sb, rank);
        float *o_i = hl__f32(out) + hl__dot(at, so, rank);
        hl__floats sum = hl__splat(0);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__floats v = f(hl__gather_some(d_i + j * (rank ? sd[last] : 0), rank ? sd[last] : 0, some),
                             hl__gather_some(a_i + j * (rank ? sa[last] : 0), rank ? sa[last] : 0, some),
                             hl__gather_some(b_i + j * (rank ? sb[last] : 0), rank ? sb[last] : 0, some));
            if (along) {
                for (size_t k = some; k < HL__LANES; k++) v[k] = 0;
                sum += v;
            } else {
                hl__put_some(o_i + j, hl__load_some(o_i + j, some, 0) + v, some);
            }
        }
        if (along) *o_i += hl__sum_lanes(sum);
    }
}

/* ---- shapes of gradients ---- */

/* True where an operand has the shape it is broadcast to, so that nothing is summed. */
static inline bool hl__not_broadcast(const hl_call *call, const hl_view *source, hl_view *view) {
    (void)call;
    if (!hl__shape_equal(&source->shape, &view->shape)) return false;
    for (size_t i = 0; i < source->shape.rank; i++) view->stride[i] = source->stride[i];
    return true;
}

#endif

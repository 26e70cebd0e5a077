/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums over axes, shared by sum and mean. The reduced tensor is seen with all its axes (extent 1 where reduced), so
 * that the loops for broadcast gradients serve: y is the gradient of something that was broadcast to x's shape. */
#ifndef HL_OPS_REDUCE_H
#define HL_OPS_REDUCE_H

#include "ops/elementwise.h"

static inline const hl_axes_config *hl__axes_of(const hl_call *call) { return call->options; }

static inline bool hl__reduced(const hl_axes_config *config, size_t axis) {
    return config->axes == 0 || (config->axes >> axis & 1);
}

static inline hl_status hl__reduce_infer(hl_inference *i) {
    const hl_axes_config *config = i->options;
    const hl_shape *x = &i->input[0].shape;
    char a[HL_SHAPE_TEXT];
    if (i->input[0].dtype != HL_F32)
        return hl_refuse(i, HL_TYPE_MISMATCH, "x is %s, not f32", hl_dtype_name(i->input[0].dtype));
    if (config->axes >> x->rank)
        return hl_refuse(i, HL_OUT_OF_RANGE, "axes 0x%x are not all axes of x %s", (unsigned)config->axes,
                         hl_shape_text(x, a, sizeof a));
    for (size_t axis = 0; axis < x->rank; axis++) {
        if (!hl__reduced(config, axis)) i->output[0].extent[i->output[0].rank++] = x->extent[axis];
        else if (config->keep) i->output[0].extent[i->output[0].rank++] = 1;
    }
    return HL_OK;
}

/* The reduced operand with an axis for each of x's. */
static inline hl_view hl__keep_axes(const hl_call *call, const hl_view *reduced, const hl_shape *x) {
    hl_view kept = {.data = reduced->data, .dtype = reduced->dtype, .shape = *x};
    for (size_t axis = 0, at = 0; axis < x->rank; axis++) {
        bool gone = hl__reduced(hl__axes_of(call), axis);
        kept.shape.extent[axis] = gone ? 1 : reduced->shape.extent[at];
        kept.stride[axis] = gone ? 1 : reduced->stride[at];
        at += !gone || hl__axes_of(call)->keep;
    }
    return kept;
}

/* A box of the kept form as one of the operand itself. */
static inline hl_box hl__drop_axes(const hl_call *call, const hl_box *kept, size_t rank) {
    hl_box box = {{0}, {0}};
    size_t at = 0;
    for (size_t axis = 0; axis < rank; axis++) {
        if (hl__reduced(hl__axes_of(call), axis) && !hl__axes_of(call)->keep) continue;
        box.begin[at] = kept->begin[axis];
        box.end[at++] = kept->end[axis];
    }
    return box;
}

/* The call as the loops see it: x, then y with all axes. */
static inline hl_call hl__reduce_call(const hl_call *call, hl_view views[2]) {
    views[0] = call->operand[0];
    views[1] = hl__keep_axes(call, &call->operand[1], &call->operand[0].shape);
    hl_call seen = *call;
    seen.operand = views;
    return seen;
}

static inline void hl__sum_grid(const hl_call *call, hl_grid *grid) {
    hl_view views[2];
    hl_call seen = hl__reduce_call(call, views);
    hl__reduce_grid(&seen, grid);
}

static inline void hl__sum_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_view views[2];
    hl_call seen = hl__reduce_call(call, views);
    hl_box kept[2];
    hl__reduce_access(&seen, tile, kept);
    boxes[0] = kept[0];
    boxes[1] = hl__drop_axes(call, &kept[1], views[0].shape.rank);
}

static inline hl__floats hl__first_of(hl__floats d, hl__floats a, hl__floats b) {
    (void)a;
    (void)b;
    return d;
}

static inline void hl__sum_kernel(const hl_call *call, const hl_tile *tile) {
    hl_view views[2];
    hl_call seen = hl__reduce_call(call, views);
    hl__reduce_tile(&seen, tile, hl__first_of);
}

/* Backward: operand 0 is dy, operand 1 dx; every element of dx is factor times its dy. */
static inline void hl__spread_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_view kept = hl__keep_axes(call, &call->operand[0], &call->operand[1].shape);
    boxes[1] = hl__elementwise_box(call, tile);
    hl_box part = hl__broadcast_box(&kept, &call->operand[1].shape, &boxes[1]);
    boxes[0] = hl__drop_axes(call, &part, kept.shape.rank);
}

static inline void hl__spread_kernel(const hl_call *call, const hl_tile *tile, float factor) {
    const hl_view *dx = &call->operand[1];
    hl_view dy = hl__keep_axes(call, &call->operand[0], &dx->shape);
    hl_box box = hl__elementwise_box(call, tile);
    size_t rank = dx->shape.rank, at[HL_MAX_RANK] = {0}, stride[HL_MAX_RANK];
    hl__broadcast_strides(&dy, &dx->shape, stride);
    size_t n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1, step = rank ? stride[rank - 1] : 0;
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        const float *dy_i = hl__f32(&dy) + hl__dot(at, stride, rank);
        float *dx_i = hl__f32(dx) + hl__offset(dx, at);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__put_some(dx_i + j, factor * hl__gather_some(dy_i + j * step, step, some), some);
        }
    }
}

#endif

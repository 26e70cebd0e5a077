/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sum and mean over named axes: their shape rule, the first pass of the reduction (ops/kernels/reduce.h), and the
 * gradient, which is dy spread over the axes. The reduced tensor is seen with all its axes, of extent 1 where reduced.
 * The operator's file includes this, defines the function that is declared first, and names the passes in its
 * descriptor. */
#ifndef HL_OPS_AXES_H
#define HL_OPS_AXES_H

#include "ops/kernels/reduce.h"

/* What each of the n elements that make one of y counts for. */
static double share_of(size_t n);

static inline bool hl__reduced(const hl_axes_config *config, size_t axis) {
    return config->axes == 0 || (config->axes >> axis & 1);
}

/* How many elements of x go into one of y. */
static inline size_t hl__axes_count(const hl_axes_config *config, const hl_shape *x) {
    size_t n = 1;
    for (size_t axis = 0; axis < x->rank; axis++)
        if (hl__reduced(config, axis)) n *= x->extent[axis];
    return n;
}

static inline hl__reduction hl__axes_reduction(const hl_axes_config *config, const hl_shape *x) {
    hl_shape kept = *x;
    for (size_t axis = 0; axis < x->rank; axis++)
        if (hl__reduced(config, axis)) kept.extent[axis] = 1;
    return hl__reduction_of(x, &kept);
}

/* ---- shape rule ---- */

static inline hl_status hl__axes_infer(hl_inference *i) {
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
    hl__reduction r = hl__axes_reduction(config, x);
    i->temp[0] = hl__reduce_temp(&r);
    return HL_OK;
}

/* ---- forward: operands x, the temporary ---- */

static inline void hl__axes_grid(const hl_call *call, hl_grid *grid) {
    hl__reduction r = hl__axes_reduction(call->options, &call->operand[0].shape);
    hl__reduce_grid(&r, grid);
}

static inline void hl__axes_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__reduction r = hl__axes_reduction(call->options, &call->operand[0].shape);
    hl_box made;
    boxes[0] = hl__reduce_box(&r, tile, &made);
    boxes[1] = hl__reduce_temp_box(&r, tile, &made);
}

static inline size_t hl__axes_scratch(const hl_call *call) {
    hl__reduction r = hl__axes_reduction(call->options, &call->operand[0].shape);
    return hl__reduce_scratch(&r);
}

/* Each part of a sum takes its share, so that none overflows that the whole does not. */
static inline void hl__axes_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[0];
    hl__reduction r = hl__axes_reduction(call->options, &x->shape);
    r.factor = share_of(hl__axes_count(call->options, &x->shape));
    hl__reduce_tile(&r, tile, (const hl_view *const[]){x, x, x}, hl__first_of, hl__f32(&call->operand[1]));
}

/* ---- backward: operand 0 is dy, operand 1 dx; every element of dx is its share of dy ---- */

/* dy with an axis for each of x's. */
static inline hl_view hl__keep_axes(const hl_axes_config *config, const hl_view *dy, const hl_shape *x) {
    hl_view kept = {.data = dy->data, .dtype = dy->dtype, .shape = *x};
    for (size_t axis = 0, at = 0; axis < x->rank; axis++) {
        bool gone = hl__reduced(config, axis);
        kept.shape.extent[axis] = gone ? 1 : dy->shape.extent[at];
        kept.stride[axis] = gone ? 1 : dy->stride[at];
        at += !gone || config->keep;
    }
    return kept;
}

/* A box of the kept form as one of dy itself. */
static inline hl_box hl__drop_axes(const hl_axes_config *config, const hl_box *kept, size_t rank) {
    hl_box box = {{0}, {0}};
    size_t at = 0;
    for (size_t axis = 0; axis < rank; axis++) {
        if (hl__reduced(config, axis) && !config->keep) continue;
        box.begin[at] = kept->begin[axis];
        box.end[at++] = kept->end[axis];
    }
    return box;
}

static inline void hl__spread_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_view kept = hl__keep_axes(call->options, &call->operand[0], &call->operand[1].shape);
    boxes[1] = hl__elementwise_box(call, tile);
    hl_box part = hl__broadcast_box(&kept, &call->operand[1].shape, &boxes[1]);
    boxes[0] = hl__drop_axes(call->options, &part, kept.shape.rank);
}

static inline void hl__spread_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *dx = &call->operand[1];
    float share = (float)share_of(hl__axes_count(call->options, &dx->shape));
    hl_view dy = hl__keep_axes(call->options, &call->operand[0], &dx->shape);
    hl_box box = hl__elementwise_box(call, tile);
    size_t rank = dx->shape.rank, at[HL_MAX_RANK] = {0}, stride[HL_MAX_RANK];
    hl__broadcast_strides(&dy, &dx->shape, stride);
    size_t n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1, step = rank ? stride[rank - 1] : 0;
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        const float *dy_i = hl__f32(&dy) + hl__dot(at, stride, rank);
        float *dx_i = hl__f32(dx) + hl__offset(dx, at);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__put_some(dx_i + j, share * hl__gather_some(dy_i + j * step, step, some), some);
        }
    }
}

/* ---- passes ---- */

/* reads x, writes the temporary, from which hl__combine makes y */
static const hl_pass hl__axes_forward = {.name = "forward",
                                         .grid = hl__axes_grid,
                                         .access = hl__axes_access,
                                         .scratch = hl__axes_scratch,
                                         .kernel = hl__axes_kernel,
                                         .layout = {HL_LAYOUT_ANY}};

/* reads dy, writes dx */
static const hl_pass hl__axes_dx = {.name = "dx",
                                    .grid = hl__elementwise_grid,
                                    .access = hl__spread_access,
                                    .kernel = hl__spread_kernel,
                                    .layout = {HL_LAYOUT_ANY}};

#endif

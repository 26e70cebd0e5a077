/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Operators whose operands broadcast: their shape rules, and the gradients, which are summed over the axes along
 * which the operand was broadcast (ops/kernels/reduce.h). */
#ifndef HL_OPS_BROADCAST_H
#define HL_OPS_BROADCAST_H

#include "ops/kernels/reduce.h"

/* An operand's shape with an axis for each of y's. */
static inline hl_shape hl__broadcast_kept(const hl_shape *operand, const hl_shape *y) {
    hl_shape kept = *y;
    for (size_t k = 0; k < y->rank; k++)
        kept.extent[y->rank - 1 - k] = k < operand->rank ? operand->extent[operand->rank - 1 - k] : 1;
    return kept;
}

static inline hl__reduction hl__broadcast_reduction(const hl_shape *operand, const hl_shape *y) {
    hl_shape kept = hl__broadcast_kept(operand, y);
    return hl__reduction_of(y, &kept);
}

/* ---- shape rules ---- */

/* y: what all inputs broadcast to. */
static inline hl_status hl__broadcast_shape(hl_inference *i) {
    char yt[HL_SHAPE_TEXT], kt[HL_SHAPE_TEXT];
    hl_shape y = i->input[0].shape;
    for (size_t k = 1; k < i->n_inputs; k++) {
        const hl_shape *shape = &i->input[k].shape;
        hl_shape before = y;
        y.rank = hl__max(before.rank, shape->rank);
        for (size_t a = 0; a < y.rank; a++) {
            size_t one = a < before.rank ? before.extent[before.rank - 1 - a] : 1;
            size_t other = a < shape->rank ? shape->extent[shape->rank - 1 - a] : 1;
            if (one != other && one != 1 && other != 1)
                return hl_refuse(i, HL_SHAPE_MISMATCH, "%s and %s (input %zu) do not broadcast",
                                 hl_shape_text(&before, yt, sizeof yt), hl_shape_text(shape, kt, sizeof kt), k);
            y.extent[y.rank - 1 - a] = hl__max(one, other);
        }
    }
    i->output[0] = y;
    return HL_OK;
}

/* Inputs from number `first` on are floats. */
static inline hl_status hl__broadcast_floats(hl_inference *i, size_t first) {
    for (size_t k = first; k < i->n_inputs; k++)
        if (i->input[k].dtype != HL_F32)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not f32", k, hl_dtype_name(i->input[k].dtype));
    return HL_OK;
}

/* The temporary of the gradient of each input from number `first` on. */
static inline void hl__broadcast_temps(hl_inference *i, size_t first) {
    for (size_t k = first; k < i->n_inputs; k++) {
        hl__reduction r = hl__broadcast_reduction(&i->input[k].shape, &i->output[0]);
        i->temp[k - first] = hl__reduce_temp(&r);
    }
}

/* Two floats and their gradients. */
static inline hl_status hl__broadcast_infer(hl_inference *i) {
    hl_status status = hl__broadcast_floats(i, 0);
    if (status == HL_OK) status = hl__broadcast_shape(i);
    if (status == HL_OK) hl__broadcast_temps(i, 0);
    return status;
}

/* ---- gradient of one operand: reads dY, the operand for its shape, and where f looks at them the other operand and
 * the operand itself; writes the temporary ---- */

static inline hl__reduction hl__gradient_reduction(const hl_call *call) {
    return hl__broadcast_reduction(&call->operand[1].shape, &call->operand[0].shape);
}

static inline void hl__gradient_grid(const hl_call *call, hl_grid *grid) {
    hl__reduction r = hl__gradient_reduction(call);
    hl__reduce_grid(&r, grid);
}

static inline void hl__gradient_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__reduction r = hl__gradient_reduction(call);
    hl_box made;
    boxes[0] = hl__reduce_box(&r, tile, &made);
    boxes[1] = hl__box_empty();
    for (size_t i = 2; i < call->n_reads; i++) boxes[i] = hl__broadcast_box(&call->operand[i], &r.full, &boxes[0]);
    boxes[call->n_reads] = hl__reduce_temp_box(&r, tile, &made);
}

static inline size_t hl__broadcast_scratch(const hl_call *call) {
    hl__reduction r = hl__gradient_reduction(call);
    return hl__reduce_scratch(&r);
}

/* f(dY, the operand itself, the other one); dY stands for those that are not read. */
static inline void hl__gradient_tile(const hl_call *call, const hl_tile *tile, hl__ternary *f) {
    hl__reduction r = hl__gradient_reduction(call);
    const hl_view *dy = &call->operand[0], *other = call->n_reads > 2 ? &call->operand[2] : dy;
    const hl_view *itself = call->n_reads > 3 ? &call->operand[3] : dy;
    hl__reduce_tile(&r, tile, (const hl_view *const[]){dy, itself, other}, f, hl__f32(hl__written(call)));
}

/* Where f is dY itself and nothing is summed, so that the gradient is a view of it. */
static inline bool hl__gradient_alias(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    (void)offset;
    if (!hl__shape_equal(&source->shape, &view->shape)) return false;
    for (size_t i = 0; i < source->shape.rank; i++) view->stride[i] = source->stride[i];
    return true;
}

#endif

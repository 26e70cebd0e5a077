/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Moving elements, 32 bits each, whatever they mean: the loops of copy, append, slice and split, and the pass that
 * copies a tensor of any strides, which the graph also puts before kernels that need a dense operand. */
#ifndef HL_OPS_MOVE_H
#define HL_OPS_MOVE_H

#include <string.h>

#include "ops/op.h"

/* Copies box `box` of `to`, whose element `index` is element `index + shift` of `from` along `axis`. Rows in which no
 * element lies inside of `from` along the axis are left alone; so are single elements outside. */
static inline void hl__move_box(const hl_view *from, const hl_view *to, const hl_box *box, size_t axis,
                                ptrdiff_t shift) {
    size_t rank = to->shape.rank, last = rank ? rank - 1 : 0, at[HL_MAX_RANK] = {0};
    size_t begin = rank ? box->begin[last] : 0, end = rank ? box->end[last] : 1;
    size_t extent = rank ? from->shape.extent[axis] : 1;
    if (rank && axis == last) {
        ptrdiff_t low = -shift, high = (ptrdiff_t)extent - shift;
        if ((ptrdiff_t)begin < low) begin = low < 0 ? 0 : (size_t)low;
        if (high < (ptrdiff_t)end) end = high < 0 ? 0 : (size_t)high;
        if (begin >= end) return;
    }
    size_t from_step = rank ? from->stride[last] : 1, to_step = rank ? to->stride[last] : 1;
    for (bool started = false; hl__next_row(box, rank, at, &started);) {
        size_t source[HL_MAX_RANK];
        memcpy(source, at, sizeof source);
        if (rank) {
            source[last] = at[last] = begin;
            source[axis] = (size_t)((ptrdiff_t)source[axis] + shift);
            if (axis != last && source[axis] >= extent) {
                at[last] = box->begin[last];
                continue;
            }
        }
        const uint32_t *in = (const uint32_t *)from->data + hl__offset(from, source);
        uint32_t *out = (uint32_t *)to->data + hl__offset(to, at);
        if (from_step == 1 && to_step == 1) memcpy(out, in, (end - begin) * sizeof *out);
        else
            for (size_t j = 0; j < end - begin; j++) out[j * to_step] = in[j * from_step];
        if (rank) at[last] = box->begin[last];
    }
}

/* The tiles of a dense tensor that is written. */
static inline hl_box hl__move_tile(const hl_view *to, const hl_tile *tile) {
    hl__cut cut = hl__cut_rows(&to->shape, 0);
    return hl__cut_box(&cut, &to->shape, tile->index[0]);
}

static inline void hl__zero_box(const hl_view *to, const hl_box *box) {
    size_t rank = to->shape.rank, at[HL_MAX_RANK] = {0};
    size_t n = rank ? box->end[rank - 1] - box->begin[rank - 1] : 1;
    for (bool started = false; hl__next_row(box, rank, at, &started);)
        memset((uint32_t *)to->data + hl__offset(to, at), 0, n * sizeof(uint32_t));
}

/* ---- the copying pass: operand 0 to operand 1, of one shape ---- */

static inline void hl__copy_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[1].shape, 0).n_tiles;
}

static inline void hl__copy_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    boxes[0] = boxes[1] = hl__move_tile(&call->operand[1], tile);
}

static inline void hl__copy_kernel(const hl_call *call, const hl_tile *tile) {
    hl_box box = hl__move_tile(&call->operand[1], tile);
    hl__move_box(&call->operand[0], &call->operand[1], &box, 0, 0);
}

/* A view of the same shape. */
static inline bool hl__same_view(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    (void)offset;
    for (size_t i = 0; i < source->shape.rank; i++) view->stride[i] = source->stride[i];
    return true;
}

/* ---- reshaping: row-major order kept; a view where the source is dense ---- */

static inline bool hl__reshape_view(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    (void)offset;
    if (!hl__view_dense(source)) return false;
    hl__dense_strides(view);
    return true;
}

/* The source is dense here (the pass asks for it), so the copy is one run. */
static inline void hl__reshape_kernel(const hl_call *call, const hl_tile *tile) {
    size_t begin = tile->index[0] * (size_t)HL__TILE_ELEMENTS, n = 1;
    for (size_t i = 0; i < call->operand[1].shape.rank; i++) n *= call->operand[1].shape.extent[i];
    memcpy((uint32_t *)call->operand[1].data + begin, (const uint32_t *)call->operand[0].data + begin,
           hl__min(HL__TILE_ELEMENTS, n - begin) * sizeof(uint32_t));
}

#endif

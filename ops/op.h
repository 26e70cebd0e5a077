/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every operator file includes: the contract, the name of its one symbol, and the small helpers for shapes, grids
 * and boxes that all of them share. Operators know no thread, no allocation and no graph.
 *
 * Each operator file is compiled once per instruction set (HL__ISA), so everything here is static inline and the
 * descriptor is the only symbol that a file exports. */
#ifndef HL_OPS_OP_H
#define HL_OPS_OP_H

#include "headloom/operator.h"
#include "headloom/options.h"

#define HL__PASTE_(a, b) a##_##b
#define HL__PASTE(a, b) HL__PASTE_(a, b)
/* hl__op_softmax_avx512 and so on: a name of this instruction set. */
#define HL__ISA_NAME(name) HL__PASTE(name, HL__ISA)

/* Opens the descriptor: HL__DEFINE_OPERATOR(softmax) = {.name = "softmax", ...}; */
#define HL__DEFINE_OPERATOR(operator_name)                         \
    extern const hl_operator HL__ISA_NAME(hl__op_##operator_name); \
    const hl_operator HL__ISA_NAME(hl__op_##operator_name)

static inline size_t hl__min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t hl__max(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t hl__ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

/* Operand i of a call: reads first, then writes. */
static inline const hl_view *hl__operand(const hl_call *call, size_t i) { return &call->operand[i]; }

static inline bool hl__shape_equal(const hl_shape *a, const hl_shape *b) {
    if (a->rank != b->rank) return false;
    for (size_t i = 0; i < a->rank; i++)
        if (a->extent[i] != b->extent[i]) return false;
    return true;
}

static inline bool hl__view_dense(const hl_view *view) {
    size_t stride = 1;
    for (size_t i = view->shape.rank; i-- > 0;) {
        if (view->shape.extent[i] != 1 && view->stride[i] != stride) return false;
        stride *= view->shape.extent[i];
    }
    return true;
}

static inline void hl__dense_strides(hl_view *view) {
    size_t stride = 1;
    for (size_t i = view->shape.rank; i-- > 0;) {
        view->stride[i] = stride;
        stride *= view->shape.extent[i];
    }
}

/* The whole of an operand. */
static inline hl_box hl__box_whole(const hl_view *view) {
    hl_box box = {{0}, {0}};
    for (size_t i = 0; i < view->shape.rank; i++) box.end[i] = view->shape.extent[i];
    return box;
}

/* A box that touches nothing. */
static inline hl_box hl__box_empty(void) { return (hl_box){{0}, {0}}; }

/* How a tensor is cut into boxes for operators that treat its elements (or its rows) alike: inner axes whole, the next
 * axis in blocks, outer axes one index at a time. */
typedef struct hl__cut {
    size_t rank;
    size_t block[HL_MAX_RANK]; /* extent of a full tile along each axis */
    size_t count[HL_MAX_RANK]; /* tiles along each axis */
    size_t n_tiles;
} hl__cut;

#define HL__TILE_ELEMENTS 8192 /* a tile of an elementwise operator: some 2 us of work against 0.2 us of scheduling */
#define HL__MIN_TILES 16       /* aimed at, so that small tensors still fill some workers */

/* Cuts shape into tiles of about `target` elements. The last `whole` axes are never cut (1 for row operators). */
static inline hl__cut hl__cut_into(const hl_shape *shape, size_t whole, size_t target) {
    hl__cut cut = {.rank = shape->rank, .n_tiles = 1};
    size_t elements = 1;
    bool full = false;
    for (size_t i = shape->rank; i-- > 0;) {
        size_t extent = shape->extent[i];
        size_t block = extent;
        if (shape->rank - i > whole) {
            if (full) block = 1;
            else if (elements * extent > target) {
                block = hl__max(1, target / elements);
                full = true;
            }
        }
        cut.block[i] = block;
        cut.count[i] = hl__ceil_div(extent, block);
        cut.n_tiles *= cut.count[i];
        elements *= block;
    }
    return cut;
}

/* Cuts shape into tiles of about HL__TILE_ELEMENTS elements, at least HL__MIN_TILES where the axes that may be cut
 * allow it. Depends on the shape alone. */
static inline hl__cut hl__cut_rows(const hl_shape *shape, size_t whole) {
    size_t total = 1;
    for (size_t i = 0; i < shape->rank; i++) total *= shape->extent[i];
    return hl__cut_into(shape, whole, hl__max(1, hl__min(HL__TILE_ELEMENTS, hl__ceil_div(total, HL__MIN_TILES))));
}

/* Box number `tile` of a cut, row-major over the tiles. */
static inline hl_box hl__cut_box(const hl__cut *cut, const hl_shape *shape, size_t tile) {
    hl_box box = {{0}, {0}};
    for (size_t i = cut->rank; i-- > 0;) {
        size_t at = tile % cut->count[i];
        tile /= cut->count[i];
        box.begin[i] = at * cut->block[i];
        box.end[i] = hl__min(box.begin[i] + cut->block[i], shape->extent[i]);
    }
    return box;
}

static inline size_t hl__box_elements(const hl_box *box, size_t rank) {
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= box->end[i] - box->begin[i];
    return n;
}

/* Steps through the rows (runs along the last axis) of a box: call with *started false first; index then holds the
 * coordinates of the row's first element. False when there is no further row. */
static inline bool hl__next_row(const hl_box *box, size_t rank, size_t index[HL_MAX_RANK], bool *started) {
    if (!*started) {
        *started = true;
        for (size_t i = 0; i < rank; i++) {
            if (box->begin[i] >= box->end[i]) return false;
            index[i] = box->begin[i];
        }
        return true;
    }
    for (size_t i = rank > 0 ? rank - 1 : 0; i-- > 0;) {
        if (++index[i] < box->end[i]) return true;
        index[i] = box->begin[i];
    }
    return false;
}

/* Offset in elements of a coordinate. */
static inline size_t hl__offset(const hl_view *view, const size_t index[HL_MAX_RANK]) {
    size_t offset = 0;
    for (size_t i = 0; i < view->shape.rank; i++) offset += index[i] * view->stride[i];
    return offset;
}

static inline float *hl__f32(const hl_view *view) { return (float *)view->data; }
static inline int32_t *hl__i32(const hl_view *view) { return (int32_t *)view->data; }

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums over some axes of a tensor, for sum and mean and for the gradients of operands that were broadcast:
 *
 *   y[k] = sum over s of f(d[k, s], a[k, s], b[k, s])
 *
 * where k runs over the axes that stay and s over the axes that are summed, which y has with extent 1; a and b
 * broadcast to d's shape. The work is cut along both. A tile of the first pass sums one part of the summed axes for one
 * block of y's elements into a temporary [parts, elements of y]; the second pass adds the parts up in their order.
 * Where y alone gives tiles enough there is one part, and the second pass is a view of it.
 *
 * Within a part, elements are added in row-major order. Where the last axis is summed itself, the lanes take turns
 * along it and are added up at the end of the row. Both passes add in double precision, so that a sum of any length
 * is off by one rounding of each part and one of the whole; reading the terms from memory takes longer. */
#ifndef HL_OPS_REDUCE_H
#define HL_OPS_REDUCE_H

#include "ops/kernels/elementwise.h"

#define HL__REDUCE_COLUMNS 16    /* elements of y in a tile, at least: a cache line of each row that is read */
#define HL__REDUCE_MAX_TILES 256 /* aimed at: more parts would cost more to add up than they save */

typedef hl__floats hl__ternary(hl__floats d, hl__floats a, hl__floats b);

/* Terms that are d itself. */
static inline hl__floats hl__first_of(hl__floats d, hl__floats a, hl__floats b) {
    (void)a;
    (void)b;
    return d;
}

/* A reduction: both shapes with all axes, and how each is cut. */
typedef struct hl__reduction {
    hl_shape full, kept; /* d's; y's, with extent 1 along every axis that is summed */
    hl__cut blocks;      /* of y: each a run of its elements in memory */
    hl_shape summed;     /* extents of the summed axes, 1 along the others */
    hl__cut parts;       /* of the summed axes */
    double factor;       /* of each part's sum: 1, or 1 / n for a mean */
} hl__reduction;

/* Blocks of y that are runs of its elements. */
static inline hl__cut hl__reduce_blocks(const hl_shape *y) {
    hl__cut cut = {.rank = y->rank, .n_tiles = 1};
    size_t elements = 1;
    size_t target = hl__min(hl__max(HL__REDUCE_COLUMNS, hl_shape_elements(y) / HL__MIN_TILES), HL__TILE_ELEMENTS);
    for (size_t i = y->rank; i-- > 0;) {
        cut.block[i] = hl__min(y->extent[i], hl__max(1, target / elements));
        cut.count[i] = hl__ceil_div(y->extent[i], cut.block[i]);
        cut.n_tiles *= cut.count[i];
        elements *= cut.block[i];
        if (cut.count[i] > 1) target = 1;
    }
    return cut;
}

/* kept: y's shape with as many axes as full has. */
static inline hl__reduction hl__reduction_of(const hl_shape *full, const hl_shape *kept) {
    hl__reduction r = {.full = *full, .kept = *kept, .blocks = hl__reduce_blocks(kept), .summed = *full, .factor = 1};
    for (size_t i = 0; i < full->rank; i++)
        if (full->extent[i] == kept->extent[i]) r.summed.extent[i] = 1;
    size_t wanted = hl__ceil_div(hl_shape_elements(full), HL__TILE_ELEMENTS), n_summed = hl_shape_elements(&r.summed);
    wanted = hl__min(hl__max(wanted, HL__MIN_TILES), HL__REDUCE_MAX_TILES);
    r.parts = hl__cut_into(&r.summed, 0, hl__ceil_div(n_summed, hl__ceil_div(wanted, r.blocks.n_tiles)));
    return r;
}

/* Shape of the temporary that the first pass writes: d's where nothing is summed, so that the pass can be a view. */
static inline hl_shape hl__reduce_temp(const hl__reduction *r) {
    if (hl__shape_equal(&r->full, &r->kept)) return r->full;
    return HL_SHAPE(r->parts.n_tiles, hl_shape_elements(&r->kept));
}

/* ---- first pass: grid [block of y, part of the summed axes]; the temporary is the last operand ---- */

static inline void hl__reduce_grid(const hl__reduction *r, hl_grid *grid) {
    grid->extent[0] = r->blocks.n_tiles;
    grid->extent[1] = r->parts.n_tiles;
}

/* The boxes of a tile: of y, and of all that it sums. */
static inline hl_box hl__reduce_box(const hl__reduction *r, const hl_tile *tile, hl_box *made) {
    *made = hl__cut_box(&r->blocks, &r->kept, tile->index[0]);
    hl_box box = *made, part = hl__cut_box(&r->parts, &r->summed, tile->index[1]);
    for (size_t i = 0; i < r->full.rank; i++) {
        if (r->summed.extent[i] == 1) continue;
        box.begin[i] = part.begin[i];
        box.end[i] = part.end[i];
    }
    return box;
}

/* Elements of y that lie before a box of it. */
static inline size_t hl__reduce_before(const hl__reduction *r, const hl_box *made) {
    size_t before = 0;
    for (size_t i = 0; i < r->kept.rank; i++) before = before * r->kept.extent[i] + made->begin[i];
    return before;
}

/* Where a tile's sums begin in the temporary. */
static inline size_t hl__reduce_at(const hl__reduction *r, const hl_tile *tile, const hl_box *made) {
    return tile->index[1] * hl_shape_elements(&r->kept) + hl__reduce_before(r, made);
}

static inline hl_box hl__reduce_temp_box(const hl__reduction *r, const hl_tile *tile, const hl_box *made) {
    if (hl__shape_equal(&r->full, &r->kept)) return *made;
    size_t before = hl__reduce_before(r, made), part = tile->index[1];
    return (hl_box){{part, before}, {part + 1, before + hl__box_elements(made, r->kept.rank)}};
}

/* Scratch of a tile: a number in double precision for each element of its block. */
static inline size_t hl__reduce_scratch(const hl__reduction *r) {
    size_t elements = 1;
    for (size_t i = 0; i < r->kept.rank; i++) elements *= r->blocks.block[i];
    return elements * sizeof(double);
}

/* The operands of a tile at one row: first elements, and steps along the last axis. */
typedef struct hl__reduce_row {
    const float *first[3];
    size_t step[3], n;
} hl__reduce_row;

/* The terms of n elements from the j-th. */
static inline hl__floats hl__reduce_terms(const hl__reduce_row *row, hl__ternary *f, size_t j, size_t n) {
    return f(hl__gather_some(row->first[0] + j * row->step[0], row->step[0], n),
             hl__gather_some(row->first[1] + j * row->step[1], row->step[1], n),
             hl__gather_some(row->first[2] + j * row->step[2], row->step[2], n));
}

/* A row of terms whose sum is one number. */
static inline double hl__reduce_sum(const hl__reduce_row *row, hl__ternary *f) {
    hl__doubles lower = {0}, upper = {0};
    for (size_t j = 0; j < row->n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, row->n - j);
        hl__floats v = hl__reduce_terms(row, f, j, some);
        for (size_t k = some; k < HL__LANES; k++) v[k] = 0;
        lower += hl__lower_doubles(v);
        upper += hl__upper_doubles(v);
    }
    return hl__sum_doubles(lower + upper);
}

/* Where nothing is summed: a row of terms is a row of y. */
static inline void hl__reduce_put(const hl__reduce_row *row, hl__ternary *f, float factor, float *y_i) {
    for (size_t j = 0; j < row->n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, row->n - j);
        hl__put_some(y_i + j, factor * hl__reduce_terms(row, f, j, some), some);
    }
}

static inline void hl__reduce_tile(const hl__reduction *r, const hl_tile *tile, const hl_view *const of[3],
                                   hl__ternary *f, float *temp) {
    hl_box made, box = hl__reduce_box(r, tile, &made);
    hl_view y = {.shape = r->kept};
    hl__dense_strides(&y);
    size_t rank = r->full.rank, last = rank ? rank - 1 : 0, at[HL_MAX_RANK] = {0};
    size_t stride[3][HL_MAX_RANK], y_stride[HL_MAX_RANK];
    for (size_t k = 0; k < 3; k++) hl__broadcast_strides(of[k], &r->full, stride[k]);
    hl__broadcast_strides(&y, &r->full, y_stride);
    hl__reduce_row row = {.n = rank ? box.end[last] - box.begin[last] : 1};
    for (size_t k = 0; rank && k < 3; k++) row.step[k] = stride[k][last];
    size_t before = hl__reduce_before(r, &made), n_made = hl__box_elements(&made, rank);
    bool summed = hl__box_elements(&box, rank) != n_made, along = rank && y_stride[last];
    float *made_sums = temp + hl__reduce_at(r, tile, &made);
    double *sums = tile->scratch;
    for (size_t j = 0; summed && j < n_made; j++) sums[j] = 0;
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        size_t i = hl__dot(at, y_stride, rank) - before;
        for (size_t k = 0; k < 3; k++) row.first[k] = hl__f32(of[k]) + hl__dot(at, stride[k], rank);
        if (!summed) hl__reduce_put(&row, f, (float)r->factor, made_sums + i);
        else if (!along) sums[i] += hl__reduce_sum(&row, f);
        else
            for (size_t j = 0; j < row.n; j += HL__LANES) {
                size_t some = hl__min(HL__LANES, row.n - j);
                hl__add_doubles(sums + i + j, hl__reduce_terms(&row, f, j, some), some);
            }
    }
    for (size_t j = 0; summed && j < n_made; j++) made_sums[j] = (float)(r->factor * sums[j]);
}

/* ---- second pass: operand 0 the temporary, operand 1 y ---- */

static inline void hl__combine_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__reduce_blocks(&call->operand[1].shape).n_tiles;
}

static inline void hl__combine_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *y = &call->operand[1].shape;
    hl__cut cut = hl__reduce_blocks(y);
    hl__reduction r = {.kept = *y};
    boxes[1] = hl__cut_box(&cut, y, tile->index[0]);
    boxes[0].begin[1] = hl__reduce_before(&r, &boxes[1]);
    boxes[0].end[1] = boxes[0].begin[1] + hl__box_elements(&boxes[1], y->rank);
}

static inline void hl__combine_kernel(const hl_call *call, const hl_tile *tile) {
    hl_box boxes[2] = {hl__box_whole(&call->operand[0]), hl__box_whole(&call->operand[1])};
    hl__combine_access(call, tile, boxes);
    size_t parts = call->operand[0].shape.extent[0], n_y = call->operand[0].shape.extent[1];
    size_t first = boxes[0].begin[1], n = boxes[0].end[1] - first;
    const float *temp = hl__f32(&call->operand[0]) + first;
    float *y = hl__f32(&call->operand[1]) + first;
    for (size_t j = 0; j < n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, n - j);
        double sums[HL__LANES] = {0};
        for (size_t part = 0; part < parts; part++)
            hl__add_doubles(sums, hl__gather_some(temp + part * n_y + j, 1, some), some);
        for (size_t k = 0; k < some; k++) y[j + k] = (float)sums[k];
    }
}

/* One part, or nothing summed at all: y is a view of what the first pass made, [1, elements] or y's own shape behind
 * axes of extent 1. */
static inline bool hl__combine_alias(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    (void)offset;
    if (hl_shape_elements(&source->shape) != hl_shape_elements(&view->shape)) return false;
    size_t shift = source->shape.rank - view->shape.rank;
    bool same = source->shape.rank >= view->shape.rank;
    for (size_t i = 0; same && i < view->shape.rank; i++)
        same = source->shape.extent[shift + i] == view->shape.extent[i];
    if (!same) hl__dense_strides(view);
    for (size_t i = 0; same && i < view->shape.rank; i++) view->stride[i] = source->stride[shift + i];
    return true;
}

static const hl_pass hl__combine = {
    .name = "combine", .grid = hl__combine_grid, .access = hl__combine_access, .kernel = hl__combine_kernel};

#endif

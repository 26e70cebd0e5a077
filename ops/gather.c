/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gather: entries of x along an axis, as numpy.take does.
 *
 *   y[a, i, b] = x[a, index[i], b]        dx[a, v, b] = sum of dy[a, i, b] over the i with index[i] = v
 *   x [A, V, B] (A and B stand for any axes before and behind the axis), index [...] in 0 .. V - 1, y [A, ..., B] */
#include <string.h>

#include "ops/kernels/scatter.h"
#include "ops/op.h"

/* x seen as [A, V, B] and the index as [N]. */
typedef struct extents {
    size_t A, V, B, N;
} extents;

static extents extents_of(const hl_call *call, const hl_shape *x, const hl_shape *index) {
    const hl_axis_config *config = call->options;
    extents e = {1, x->extent[config->axis], 1, 1};
    for (size_t i = 0; i < config->axis; i++) e.A *= x->extent[i];
    for (size_t i = config->axis + 1; i < x->rank; i++) e.B *= x->extent[i];
    for (size_t i = 0; i < index->rank; i++) e.N *= index->extent[i];
    return e;
}

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_axis_config *config = i->options;
    const hl_shape *x = &i->input[0].shape, *index = &i->input[1].shape;
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT];
    hl_shape_text(x, a, sizeof a);
    hl_shape_text(index, b, sizeof b);
    if (i->input[0].dtype != HL_F32 || i->input[1].dtype != HL_I32)
        return hl_refuse(i, HL_TYPE_MISMATCH, "x is %s and index %s, not f32 and i32", hl_dtype_name(i->input[0].dtype),
                         hl_dtype_name(i->input[1].dtype));
    if (config->axis >= x->rank || x->extent[config->axis] > INT32_MAX)
        return hl_refuse(i, HL_OUT_OF_RANGE, "x %s has no axis %zu that 32-bit indices reach", a, config->axis);
    if (x->rank - 1 + index->rank > HL_MAX_RANK)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "x %s with index %s in place of an axis has more than %d axes", a, b,
                         HL_MAX_RANK);
    hl_shape *y = &i->output[0];
    for (size_t k = 0; k < config->axis; k++) y->extent[y->rank++] = x->extent[k];
    for (size_t k = 0; k < index->rank; k++) y->extent[y->rank++] = index->extent[k];
    for (size_t k = config->axis + 1; k < x->rank; k++) y->extent[y->rank++] = x->extent[k];
    i->index_min[1] = 0;
    i->index_max[1] = (int32_t)x->extent[config->axis] - 1;
    return HL_OK;
}

/* ---- forward ---- */

enum { FX, FINDEX, FY };

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[FX], *index = &call->operand[FINDEX], *y = &call->operand[FY];
    extents e = extents_of(call, &x->shape, &index->shape);
    size_t axis = ((const hl_axis_config *)call->options)->axis;
    hl__cut cut = hl__cut_rows(&y->shape, y->shape.rank - axis - index->shape.rank);
    hl_box box = hl__cut_box(&cut, &y->shape, tile->index[0]);
    /* One position of A and of the index at a time: the box is whole along B. */
    size_t rank = axis + index->shape.rank, at[HL_MAX_RANK] = {0};
    size_t n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        size_t a = 0, i = 0;
        for (size_t k = 0; k < axis; k++) a = a * y->shape.extent[k] + at[k];
        for (size_t k = axis; k < rank; k++) i = i * y->shape.extent[k] + at[k];
        bool along = index->shape.rank > 0; /* the row runs along the index, else along A */
        for (size_t j = 0; j < n; j++) {
            size_t a_j = along ? a : a + j, i_j = along ? i + j : i;
            const float *from = hl__f32(x) + (a_j * e.V + (size_t)hl__i32(index)[i_j]) * e.B;
            memcpy(hl__f32(y) + (a_j * e.N + i_j) * e.B, from, e.B * sizeof(float));
        }
    }
}

/* ---- backward: a tile owns some entries of dx, for all of A or for one position of it ---- */

enum { BINDEX, BDY, BDX };

static size_t entries_of_tile(const extents *e) {
    return hl__ceil_div(e->V, hl__min(e->V, hl__ceil_div(HL__MIN_TILES, e->A)));
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *index = &call->operand[BINDEX], *dx = &call->operand[BDX];
    extents e = extents_of(call, &dx->shape, &index->shape);
    size_t a = tile->index[0], begin = tile->index[1] * entries_of_tile(&e);
    hl__scatter scatter = {.index = hl__i32(index),
                           .n = e.N,
                           .begin = begin,
                           .end = hl__min(begin + entries_of_tile(&e), e.V),
                           .columns = e.B};
    float *entries = hl__f32(dx) + (a * e.V + begin) * e.B;
    memset(entries, 0, (scatter.end - begin) * e.B * sizeof *entries);
    hl__scatter_add(&scatter, tile->scratch, hl__f32(&call->operand[BDY]) + a * e.N * e.B, entries);
}

/* ---- tiling and access ---- */

static void forward_grid(const hl_call *call, hl_grid *grid) {
    const hl_shape *y = &call->operand[FY].shape, *index = &call->operand[FINDEX].shape;
    size_t axis = ((const hl_axis_config *)call->options)->axis;
    grid->extent[0] = hl__cut_rows(y, y->rank - axis - index->rank).n_tiles;
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *y = &call->operand[FY].shape, *index = &call->operand[FINDEX].shape;
    size_t axis = ((const hl_axis_config *)call->options)->axis;
    hl__cut cut = hl__cut_rows(y, y->rank - axis - index->rank);
    boxes[FY] = hl__cut_box(&cut, y, tile->index[0]);
    for (size_t k = 0; k < axis; k++) {
        boxes[FX].begin[k] = boxes[FY].begin[k];
        boxes[FX].end[k] = boxes[FY].end[k];
    }
    for (size_t k = 0; k < index->rank; k++) {
        boxes[FINDEX].begin[k] = boxes[FY].begin[axis + k];
        boxes[FINDEX].end[k] = boxes[FY].end[axis + k];
    }
}

static void dx_grid(const hl_call *call, hl_grid *grid) {
    extents e = extents_of(call, &call->operand[BDX].shape, &call->operand[BINDEX].shape);
    grid->extent[0] = e.A;
    grid->extent[1] = hl__ceil_div(e.V, entries_of_tile(&e));
}

static size_t dx_scratch(const hl_call *call) {
    extents e = extents_of(call, &call->operand[BDX].shape, &call->operand[BINDEX].shape);
    return hl__scatter_scratch(e.N, entries_of_tile(&e));
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *dx = &call->operand[BDX].shape;
    extents e = extents_of(call, dx, &call->operand[BINDEX].shape);
    size_t axis = ((const hl_axis_config *)call->options)->axis, a = tile->index[0];
    for (size_t k = axis; k-- > 0; a /= dx->extent[k]) {
        boxes[BDX].begin[k] = boxes[BDY].begin[k] = a % dx->extent[k];
        boxes[BDX].end[k] = boxes[BDY].end[k] = a % dx->extent[k] + 1;
    }
    boxes[BDX].begin[axis] = tile->index[1] * entries_of_tile(&e);
    boxes[BDX].end[axis] = hl__min(boxes[BDX].begin[axis] + entries_of_tile(&e), e.V);
}

/* ---- descriptor ---- */

static const hl_pass forward = {
    .name = "forward", .grid = forward_grid, .access = forward_access, .kernel = forward_kernel};
static const hl_pass dx = {
    .name = "dx", .grid = dx_grid, .access = dx_access, .scratch = dx_scratch, .kernel = dx_kernel, .background = true};

HL__DEFINE_OPERATOR(gather) = {.name = "gather",
                               .min_inputs = 2,
                               .max_inputs = 2,
                               .n_outputs = 1,
                               .options_bytes = sizeof(hl_axis_config),
                               .infer = infer,
                               .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
                               .backward = {{.pass = &dx, .reads = {HL_IN(1), HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

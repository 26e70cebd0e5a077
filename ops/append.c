/* SPDX-License-Identifier: BSD-3-Clause
 *
 * append: up to 16 tensors one behind the other along an axis; the other axes agree. dx_k is the part of dy that x_k
 * became. */
#include "ops/kernels/move.h"

static const hl_axis_config *config_of(const hl_call *call) { return call->options; }

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    size_t axis = ((const hl_axis_config *)i->options)->axis;
    const hl_shape *first = &i->input[0].shape;
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT];
    hl_shape_text(first, a, sizeof a);
    if (axis >= first->rank) return hl_refuse(i, HL_OUT_OF_RANGE, "input 0 %s has no axis %zu", a, axis);
    hl_shape y = *first;
    y.extent[axis] = 0;
    for (size_t k = 0; k < i->n_inputs; k++) {
        hl_shape x = i->input[k].shape;
        if (i->input[k].dtype != i->input[0].dtype)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, input 0 %s", k, hl_dtype_name(i->input[k].dtype),
                             hl_dtype_name(i->input[0].dtype));
        size_t extent = axis < x.rank ? x.extent[axis] : 0;
        if (axis < x.rank) x.extent[axis] = first->extent[axis];
        if (!hl__shape_equal(&x, first))
            return hl_refuse(i, HL_SHAPE_MISMATCH, "input %zu %s does not go behind input 0 %s along axis %zu", k,
                             hl_shape_text(&i->input[k].shape, b, sizeof b), a, axis);
        y.extent[axis] += extent;
    }
    i->output[0] = y;
    i->output_dtype[0] = i->input[0].dtype;
    return HL_OK;
}

/* ---- forward ---- */

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *y = &call->operand[call->n_reads];
    hl_box box = hl__move_tile(y, tile);
    size_t axis = config_of(call)->axis, begin = 0;
    for (size_t k = 0; k < call->n_reads; k++) {
        if (!hl_view_present(&call->operand[k])) continue;
        size_t extent = call->operand[k].shape.extent[axis];
        hl_box part = box;
        part.begin[axis] = hl__max(box.begin[axis], begin);
        part.end[axis] = hl__min(box.end[axis], begin + extent);
        if (part.begin[axis] < part.end[axis]) hl__move_box(&call->operand[k], y, &part, axis, -(ptrdiff_t)begin);
        begin += extent;
    }
}

/* ---- backward: operand 0 is dy, then the inputs for their shapes, then their gradients ---- */

static size_t begin_of(const hl_call *call, size_t k) {
    size_t begin = 0;
    for (size_t i = 0; i < k; i++) begin += call->operand[1 + i].shape.extent[config_of(call)->axis];
    return begin;
}

/* Tile index[1] of gradient index[0]; those of smaller gradients beyond their last tile do nothing. */
static bool dx_box(const hl_call *call, const hl_tile *tile, hl_box *box) {
    const hl_view *dx = &call->operand[call->n_reads + tile->index[0]];
    if (!hl_view_present(dx)) return false;
    hl__cut cut = hl__cut_rows(&dx->shape, 0);
    if (tile->index[1] >= cut.n_tiles) return false;
    *box = hl__cut_box(&cut, &dx->shape, tile->index[1]);
    return true;
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl_box box;
    if (!dx_box(call, tile, &box)) return;
    size_t axis = config_of(call)->axis, begin = begin_of(call, tile->index[0]);
    hl__move_box(&call->operand[0], &call->operand[call->n_reads + tile->index[0]], &box, axis, (ptrdiff_t)begin);
}

/* ---- tiling and access ---- */

static void forward_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[call->n_reads].shape, 0).n_tiles;
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_box box = hl__move_tile(&call->operand[call->n_reads], tile);
    size_t axis = config_of(call)->axis, begin = 0;
    for (size_t k = 0; k < call->n_reads; k++) {
        if (!hl_view_present(&call->operand[k])) continue;
        size_t extent = call->operand[k].shape.extent[axis];
        size_t low = hl__max(box.begin[axis], begin), high = hl__min(box.end[axis], begin + extent);
        boxes[k] = box;
        boxes[k].begin[axis] = low < high ? low - begin : 0;
        boxes[k].end[axis] = low < high ? high - begin : 0;
        begin += extent;
    }
    boxes[call->n_reads] = box;
}

static void dx_grid(const hl_call *call, hl_grid *grid) {
    for (size_t k = 0; k < call->n_writes; k++) {
        const hl_view *dx = &call->operand[call->n_reads + k];
        if (!hl_view_present(dx)) continue;
        grid->extent[0] = k + 1;
        grid->extent[1] = hl__max(grid->extent[1], hl__cut_rows(&dx->shape, 0).n_tiles);
    }
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_box box;
    bool works = dx_box(call, tile, &box);
    for (size_t i = 0; i < call->n_reads + call->n_writes; i++) boxes[i] = hl__box_empty();
    if (!works) return;
    size_t axis = config_of(call)->axis, begin = begin_of(call, tile->index[0]);
    boxes[call->n_reads + tile->index[0]] = boxes[0] = box;
    boxes[0].begin[axis] += begin;
    boxes[0].end[axis] += begin;
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = forward_grid,
                                .access = forward_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY,
                                           HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY,
                                           HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY,
                                           HL_LAYOUT_ANY}};
static const hl_pass dx = {
    .name = "dx", .grid = dx_grid, .access = dx_access, .kernel = dx_kernel, .layout = {HL_LAYOUT_ANY}};

#define INPUTS                                                                                                     \
    HL_IN(0), HL_IN(1), HL_IN(2), HL_IN(3), HL_IN(4), HL_IN(5), HL_IN(6), HL_IN(7), HL_IN(8), HL_IN(9), HL_IN(10), \
        HL_IN(11), HL_IN(12), HL_IN(13), HL_IN(14), HL_IN(15)
#define GRADIENTS                                                                                                 \
    HL_DIN(0), HL_DIN(1), HL_DIN(2), HL_DIN(3), HL_DIN(4), HL_DIN(5), HL_DIN(6), HL_DIN(7), HL_DIN(8), HL_DIN(9), \
        HL_DIN(10), HL_DIN(11), HL_DIN(12), HL_DIN(13), HL_DIN(14), HL_DIN(15)

HL__DEFINE_OPERATOR(append) = {.name = "append",
                               .min_inputs = 1,
                               .max_inputs = 16,
                               .n_outputs = 1,
                               .options_bytes = sizeof(hl_axis_config),
                               .infer = infer,
                               .forward = {{.pass = &forward, .reads = {INPUTS}, .writes = {HL_OUT(0)}}},
                               .backward = {{.pass = &dx, .reads = {HL_DOUT(0), INPUTS}, .writes = {GRADIENTS}}}};

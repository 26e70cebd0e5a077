/* SPDX-License-Identifier: BSD-3-Clause
 *
 * split: x cut into equal parts along an axis, copies in one pass. dx puts the gradients of the parts side by side,
 * zeros where a part has none. */
#include "ops/kernels/move.h"

static const hl_axis_config *config_of(const hl_call *call) { return call->options; }

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_axis_config *config = i->options;
    const hl_shape *x = &i->input[0].shape;
    char a[HL_SHAPE_TEXT];
    hl_shape_text(x, a, sizeof a);
    if (config->axis >= x->rank) return hl_refuse(i, HL_OUT_OF_RANGE, "x %s has no axis %zu", a, config->axis);
    if (config->parts == 0 || config->parts > HL_MAX_OUTPUTS || x->extent[config->axis] % config->parts != 0)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "axis %zu of x %s does not split into %zu equal parts (at most %d)",
                         config->axis, a, config->parts, HL_MAX_OUTPUTS);
    i->n_outputs = config->parts;
    for (size_t part = 0; part < config->parts; part++) {
        i->output[part] = *x;
        i->output[part].extent[config->axis] = x->extent[config->axis] / config->parts;
        i->output_dtype[part] = i->input[0].dtype;
    }
    return HL_OK;
}

/* ---- forward: copies of the parts; operand 1 + k is part k ---- */

/* Tile index[1] of part index[0]. */
static bool part_box(const hl_call *call, const hl_tile *tile, hl_box *box) {
    const hl_view *part = &call->operand[1 + tile->index[0]];
    if (!hl_view_present(part)) return false;
    hl__cut cut = hl__cut_rows(&part->shape, 0);
    *box = hl__cut_box(&cut, &part->shape, tile->index[1]);
    return true;
}

static size_t part_begin(const hl_call *call, size_t part) {
    return part * (call->operand[0].shape.extent[config_of(call)->axis] / config_of(call)->parts);
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    hl_box box;
    if (part_box(call, tile, &box))
        hl__move_box(&call->operand[0], &call->operand[1 + tile->index[0]], &box, config_of(call)->axis,
                     (ptrdiff_t)part_begin(call, tile->index[0]));
}

/* ---- backward: operands are the gradients of the parts, the last is dx ---- */

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *dx = &call->operand[call->n_reads];
    hl_box box = hl__move_tile(dx, tile);
    size_t axis = config_of(call)->axis, parts = config_of(call)->parts, extent = dx->shape.extent[axis] / parts;
    hl__zero_box(dx, &box);
    for (size_t k = 0; k < parts; k++) {
        hl_box part = box;
        part.begin[axis] = hl__max(box.begin[axis], k * extent);
        part.end[axis] = hl__min(box.end[axis], (k + 1) * extent);
        if (hl_view_present(&call->operand[k]) && part.begin[axis] < part.end[axis])
            hl__move_box(&call->operand[k], dx, &part, axis, -(ptrdiff_t)(k * extent));
    }
}

/* ---- tiling and access ---- */

static void forward_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = config_of(call)->parts;
    for (size_t k = 0; k < config_of(call)->parts; k++)
        if (hl_view_present(&call->operand[1 + k]))
            grid->extent[1] = hl__cut_rows(&call->operand[1 + k].shape, 0).n_tiles;
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_box box;
    bool works = part_box(call, tile, &box);
    for (size_t i = 0; i < call->n_reads + call->n_writes; i++) boxes[i] = hl__box_empty();
    if (call->operand[0].shape.rank == 0 || !works) return;
    boxes[0] = boxes[1 + tile->index[0]] = box;
    boxes[0].begin[config_of(call)->axis] += part_begin(call, tile->index[0]);
    boxes[0].end[config_of(call)->axis] += part_begin(call, tile->index[0]);
}

static void dx_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[call->n_reads].shape, 0).n_tiles;
}

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_view *dx = &call->operand[call->n_reads];
    hl_box box = hl__move_tile(dx, tile);
    size_t axis = config_of(call)->axis, parts = config_of(call)->parts, extent = dx->shape.extent[axis] / parts;
    for (size_t k = 0; k < call->n_reads; k++) {
        size_t low = hl__max(box.begin[axis], k * extent), high = hl__min(box.end[axis], (k + 1) * extent);
        boxes[k] = box;
        boxes[k].begin[axis] = low < high ? low - k * extent : 0;
        boxes[k].end[axis] = low < high ? high - k * extent : 0;
    }
    boxes[call->n_reads] = box;
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = forward_grid,
                                .access = forward_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY}};
static const hl_pass dx = {.name = "dx",
                           .grid = dx_grid,
                           .access = dx_access,
                           .kernel = dx_kernel,
                           .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY,
                                      HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(split) = {
    .name = "split",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_axis_config),
    .infer = infer,
    .forward = {{.pass = &forward,
                 .reads = {HL_IN(0)},
                 .writes = {HL_OUT(0), HL_OUT(1), HL_OUT(2), HL_OUT(3), HL_OUT(4), HL_OUT(5), HL_OUT(6), HL_OUT(7)}}},
    .backward = {
        {.pass = &dx,
         .reads = {HL_DOUT(0), HL_DOUT(1), HL_DOUT(2), HL_DOUT(3), HL_DOUT(4), HL_DOUT(5), HL_DOUT(6), HL_DOUT(7)},
         .writes = {HL_DIN(0)}}}};

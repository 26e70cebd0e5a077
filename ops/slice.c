/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slice: elements begin .. end - 1 of x along an axis, a view. dx holds dy there and zeros elsewhere. */
#include "ops/kernels/move.h"

static const hl_slice_config *config_of(const hl_call *call) { return call->options; }

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_slice_config *config = i->options;
    const hl_shape *x = &i->input[0].shape;
    char a[HL_SHAPE_TEXT];
    if (config->axis >= x->rank || config->begin >= config->end || config->end > x->extent[config->axis])
        return hl_refuse(i, HL_OUT_OF_RANGE, "x %s has no elements %zu to %zu along axis %zu",
                         hl_shape_text(x, a, sizeof a), config->begin, config->end, config->axis);
    i->output[0] = *x;
    i->output[0].extent[config->axis] = config->end - config->begin;
    i->output_dtype[0] = i->input[0].dtype;
    return HL_OK;
}

/* ---- forward: a view ---- */

static bool forward_view(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    for (size_t i = 0; i < source->shape.rank; i++) view->stride[i] = source->stride[i];
    *offset = config_of(call)->begin * source->stride[config_of(call)->axis];
    return true;
}

/* ---- backward ---- */

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    hl_box box = hl__move_tile(&call->operand[1], tile);
    hl__zero_box(&call->operand[1], &box);
    hl__move_box(&call->operand[0], &call->operand[1], &box, config_of(call)->axis, -(ptrdiff_t)config_of(call)->begin);
}

/* ---- tiling and access ---- */

static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    size_t axis = config_of(call)->axis, begin = config_of(call)->begin, end = config_of(call)->end;
    boxes[0] = boxes[1] = hl__move_tile(&call->operand[1], tile);
    size_t low = hl__max(boxes[1].begin[axis], begin), high = hl__min(boxes[1].end[axis], end);
    boxes[0].begin[axis] = low < high ? low - begin : 0;
    boxes[0].end[axis] = low < high ? high - begin : 0;
}

/* ---- descriptor ---- */

static const hl_pass view_only = {.name = "view",
                                  .grid = hl__copy_grid,
                                  .access = hl__copy_access,
                                  .kernel = hl__copy_kernel,
                                  .layout = {HL_LAYOUT_ANY}};
static const hl_pass dx = {
    .name = "dx", .grid = hl__copy_grid, .access = dx_access, .kernel = dx_kernel, .layout = {HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(slice) = {
    .name = "slice",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_slice_config),
    .infer = infer,
    .forward = {{.pass = &view_only, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}, .alias = forward_view}},
    .backward = {{.pass = &dx, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

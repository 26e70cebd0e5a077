/* SPDX-License-Identifier: BSD-3-Clause
 *
 * transpose: axis i of y is axis order[i] of x, a view. dx is dy with the axes put back, a view too. A consumer that
 * needs a dense operand gets a copy. */
#include "ops/kernels/move.h"

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_order_config *config = i->options;
    const hl_shape *x = &i->input[0].shape;
    char a[HL_SHAPE_TEXT];
    uint32_t seen = 0;
    i->output[0].rank = x->rank;
    for (size_t axis = 0; axis < x->rank; axis++) {
        size_t from = config->order[axis];
        if (from >= x->rank)
            return hl_refuse(i, HL_OUT_OF_RANGE, "order[%zu]: x %s has no axis %zu", axis,
                             hl_shape_text(x, a, sizeof a), from);
        if (seen >> from & 1)
            return hl_refuse(i, HL_INVALID_ARGUMENT, "order[%zu] = %zu makes no permutation of the axes of x %s", axis,
                             from, hl_shape_text(x, a, sizeof a));
        seen |= 1u << from;
        i->output[0].extent[axis] = x->extent[from];
    }
    i->output_dtype[0] = i->input[0].dtype;
    return HL_OK;
}

/* ---- forward and backward: views ---- */

static bool forward_view(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    const hl_order_config *config = call->options;
    (void)offset;
    for (size_t axis = 0; axis < source->shape.rank; axis++) view->stride[axis] = source->stride[config->order[axis]];
    return true;
}

static bool dx_view(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    const hl_order_config *config = call->options;
    (void)offset;
    for (size_t axis = 0; axis < source->shape.rank; axis++) view->stride[config->order[axis]] = source->stride[axis];
    return true;
}

/* ---- descriptor: the pass is never run, the views always exist ---- */

static const hl_pass view_only = {.name = "view",
                                  .grid = hl__copy_grid,
                                  .access = hl__copy_access,
                                  .kernel = hl__copy_kernel,
                                  .layout = {HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(transpose) = {
    .name = "transpose",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_order_config),
    .infer = infer,
    .forward = {{.pass = &view_only, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}, .alias = forward_view}},
    .backward = {{.pass = &view_only, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}, .alias = dx_view}}};

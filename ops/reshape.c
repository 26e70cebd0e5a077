/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reshape: the same elements in row-major order under another shape; a view where x is dense, else a dense copy of x is
 * made first. dx = dy reshaped back. */
#include "ops/kernels/move.h"

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_shape_config *config = i->options;
    const hl_shape *x = &i->input[0].shape, *y = &config->shape;
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT];
    if (y->rank > HL_MAX_RANK) return hl_refuse(i, HL_INVALID_ARGUMENT, "rank %zu is above %d", y->rank, HL_MAX_RANK);
    if (hl_shape_elements(x) != hl_shape_elements(y))
        return hl_refuse(i, HL_SHAPE_MISMATCH, "x %s has %zu elements, %s has %zu", hl_shape_text(x, a, sizeof a),
                         hl_shape_elements(x), hl_shape_text(y, b, sizeof b), hl_shape_elements(y));
    i->output[0] = *y;
    i->output_dtype[0] = i->input[0].dtype;
    return HL_OK;
}

/* ---- tiling and access: runs of the row-major order; a run is no box, so tiles touch whole operands ---- */

static void grid(const hl_call *call, hl_grid *tiles) {
    size_t n = 1;
    for (size_t i = 0; i < call->operand[1].shape.rank; i++) n *= call->operand[1].shape.extent[i];
    tiles->extent[0] = hl__ceil_div(n, HL__TILE_ELEMENTS);
}

/* ---- descriptor ---- */

static const hl_pass copy = {.name = "copy", .grid = grid, .kernel = hl__reshape_kernel};

HL__DEFINE_OPERATOR(reshape) = {
    .name = "reshape",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_shape_config),
    .infer = infer,
    .forward = {{.pass = &copy, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}, .alias = hl__reshape_view}},
    .backward = {{.pass = &copy, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}, .alias = hl__reshape_view}}};

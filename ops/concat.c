/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Heads side by side: the copy that is left where concat is not fused into the dense layer behind it.
 *
 *   forward:  y[b, t, h D + d] = x[b, h, t, d]      x [B, H, T, D], y [B, T, H D]
 *   backward: dx[b, h, t, d]   = dy[b, t, h D + d] */
#include <string.h>

#include "ops/op.h"

static hl_status concat_infer(hl_inference *inference) {
    const hl_view *x = &inference->input[0];
    char text[HL_SHAPE_TEXT];
    if (x->dtype != HL_F32)
        return hl_refuse(inference, HL_TYPE_MISMATCH, "the heads must be f32, not %s", hl_dtype_name(x->dtype));
    if (x->shape.rank != 4)
        return hl_refuse(inference, HL_SHAPE_MISMATCH, "the heads must be [batch, heads, tokens, size], not %s",
                         hl_shape_text(&x->shape, text, sizeof text));
    const size_t *extent = x->shape.extent;
    inference->output[0] = HL_SHAPE(extent[0], extent[2], extent[1] * extent[3]);
    return HL_OK;
}

enum operand { FROM, TO };

/* Tiles are blocks of tokens of the joined tensor [B, T, H D]. */
static hl_box joined_box(const hl_view *joined, const hl_tile *tile) {
    hl__cut cut = hl__cut_rows(&joined->shape, 1);
    return hl__cut_box(&cut, &joined->shape, tile->index[0]);
}

static hl_box heads_box(const hl_view *heads, const hl_box *joined) {
    return (hl_box){{joined->begin[0], 0, joined->begin[1], 0},
                    {joined->end[0], heads->shape.extent[1], joined->end[1], heads->shape.extent[3]}};
}

/* Copies the tokens of a tile, one way or the other. */
static void copy_tokens(const hl_view *heads, const hl_view *joined, const hl_tile *tile, bool join) {
    hl_box box = joined_box(joined, tile);
    size_t H = heads->shape.extent[1], D = heads->shape.extent[3];
    for (size_t b = box.begin[0]; b < box.end[0]; b++)
        for (size_t t = box.begin[1]; t < box.end[1]; t++)
            for (size_t h = 0; h < H; h++) {
                float *apart = hl__f32(heads) + hl__offset(heads, (size_t[HL_MAX_RANK]){b, h, t});
                float *together = hl__f32(joined) + hl__offset(joined, (size_t[HL_MAX_RANK]){b, t}) + h * D;
                memcpy(join ? together : apart, join ? apart : together, D * sizeof(float));
            }
}

static void forward_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[TO].shape, 1).n_tiles;
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    boxes[TO] = joined_box(&call->operand[TO], tile);
    boxes[FROM] = heads_box(&call->operand[FROM], &boxes[TO]);
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    copy_tokens(&call->operand[FROM], &call->operand[TO], tile, true);
}

static void backward_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[FROM].shape, 1).n_tiles;
}

static void backward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    boxes[FROM] = joined_box(&call->operand[FROM], tile);
    boxes[TO] = heads_box(&call->operand[TO], &boxes[FROM]);
}

static void backward_kernel(const hl_call *call, const hl_tile *tile) {
    copy_tokens(&call->operand[TO], &call->operand[FROM], tile, false);
}

static const hl_pass forward_pass = {
    .name = "forward",
    .grid = forward_grid,
    .access = forward_access,
    .kernel = forward_kernel,
    .layout = {HL_LAYOUT_ROWS},
};

static const hl_pass backward_pass = {
    .name = "backward",
    .grid = backward_grid,
    .access = backward_access,
    .kernel = backward_kernel,
    .layout = {HL_LAYOUT_ROWS},
};

HL__DEFINE_OPERATOR(concat) = {
    .name = "concat",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = concat_infer,
    .forward = {{.pass = &forward_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &backward_pass, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}},
};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * advance: counts a finished training step. step (i32 scalar, state) = step + 1, in place; y is the new count. */
#include "ops/op.h"

static hl_status infer(hl_inference *i) {
    char a[HL_SHAPE_TEXT];
    if (i->input[0].dtype != HL_I32)
        return hl_refuse(i, HL_TYPE_MISMATCH, "step is %s, not i32", hl_dtype_name(i->input[0].dtype));
    if (i->input[0].shape.rank != 0)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "step %s is not a scalar",
                         hl_shape_text(&i->input[0].shape, a, sizeof a));
    i->output[0] = HL_SCALAR;
    i->output_dtype[0] = HL_I32;
    return HL_OK;
}

static void kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    int32_t *step = hl__i32(&call->operand[0]);
    *step = (int32_t)((uint32_t)*step + 1);
    *hl__i32(&call->operand[1]) = *step;
}

static const hl_pass update = {.name = "update", .kernel = kernel, .background = true};

HL__DEFINE_OPERATOR(advance) = {.name = "advance",
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .n_outputs = 1,
                                .infer = infer,
                                .forward = {{.pass = &update, .writes = {HL_IN(0), HL_OUT(0)}}}};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * copy: y = x, dense whatever the strides of x. dx = dy. The graph puts it before kernels that need a dense operand. */
#include "ops/kernels/move.h"

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    i->output[0] = i->input[0].shape;
    i->output_dtype[0] = i->input[0].dtype;
    return HL_OK;
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__copy_grid,
                                .access = hl__copy_access,
                                .kernel = hl__copy_kernel,
                                .layout = {HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(copy) = {
    .name = "copy",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &forward, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}, .alias = hl__same_view}}};

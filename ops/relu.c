/* SPDX-License-Identifier: BSD-3-Clause
 *
 * relu: y = max(x, 0), NaN where x is NaN. dx = dy where y > 0, else 0, NaN where y is NaN. */
#include "ops/kernels/unary.h"

static hl__floats value_of(hl__floats x) { return hl__larger(hl__splat(0), x); /* in this order NaN stays */ }

/* What is not above 0 is 0 or NaN. */
static hl__floats dx_of(hl__floats d, hl__floats y) { return hl__select(y > 0, d, y); }

HL__DEFINE_OPERATOR(relu) = {
    .name = "relu",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = hl__unary_infer,
    .forward = {{.pass = &hl__unary_forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__unary_dx, .reads = {HL_DOUT(0), HL_OUT(0)}, .writes = {HL_DIN(0)}}}};

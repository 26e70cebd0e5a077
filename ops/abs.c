/* SPDX-License-Identifier: BSD-3-Clause
 *
 * abs: y = |x|. dx = dy above 0, -dy below, 0 at 0, NaN where x is NaN. */
#include "ops/kernels/unary.h"

static hl__floats value_of(hl__floats x) { return hl__abs(x); }

/* What is neither above nor below 0 is 0 or NaN. */
static hl__floats dx_of(hl__floats d, hl__floats x) { return hl__select(x > 0, d, hl__select(x < 0, -d, x)); }

HL__DEFINE_OPERATOR(abs) = {
    .name = "abs",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = hl__unary_infer,
    .forward = {{.pass = &hl__unary_forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__unary_dx, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_DIN(0)}}}};

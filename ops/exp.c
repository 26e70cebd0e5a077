/* SPDX-License-Identifier: BSD-3-Clause
 *
 * exp: y = e^x. dx = dy y. */
#include "ops/kernels/unary.h"

static hl__floats value_of(hl__floats x) { return hl__exp(x); }

static hl__floats dx_of(hl__floats d, hl__floats y) { return d * y; }

HL__DEFINE_OPERATOR(exp) = {
    .name = "exp",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = hl__unary_infer,
    .forward = {{.pass = &hl__unary_forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__unary_dx, .reads = {HL_DOUT(0), HL_OUT(0)}, .writes = {HL_DIN(0)}}}};

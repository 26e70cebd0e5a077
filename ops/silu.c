/* SPDX-License-Identifier: BSD-3-Clause
 *
 * silu: y = x s, s = 1 / (1 + e^-x) (Elfwing, Uchibe and Doya 2018). dx = dy s (1 + x (1 - s)). */
#include "ops/kernels/activation.h"
#include "ops/kernels/unary.h"

static hl__floats value_of(hl__floats x) { return hl__silu(x); }

static hl__floats dx_of(hl__floats d, hl__floats x) { return d * hl__silu_gradient(x); }

HL__DEFINE_OPERATOR(silu) = {
    .name = "silu",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = hl__unary_infer,
    .forward = {{.pass = &hl__unary_forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__unary_dx, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_DIN(0)}}}};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gelu: y = x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3): the tanh form of Hendrycks and Gimpel 2016. */
#include "ops/kernels/activation.h"
#include "ops/kernels/unary.h"

static hl__floats value_of(hl__floats x) { return hl__gelu(x); }

static hl__floats dx_of(hl__floats d, hl__floats x) { return d * hl__gelu_gradient(x); }

HL__DEFINE_OPERATOR(gelu) = {
    .name = "gelu",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = hl__unary_infer,
    .forward = {{.pass = &hl__unary_forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__unary_dx, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_DIN(0)}}}};

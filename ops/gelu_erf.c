/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gelu_erf: y = x P(x), P(x) = (1 + erf(x / sqrt 2)) / 2 the normal distribution (Hendrycks and Gimpel 2016).
 * dx = dy (P(x) + x e^(-x^2 / 2) / sqrt(2 pi)). */
#include "ops/kernels/activation.h"
#include "ops/kernels/unary.h"

static hl__floats value_of(hl__floats x) { return hl__gelu_erf(x); }

static hl__floats dx_of(hl__floats d, hl__floats x) { return d * hl__gelu_erf_gradient(x); }

HL__DEFINE_OPERATOR(gelu_erf) = {
    .name = "gelu_erf",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = hl__unary_infer,
    .forward = {{.pass = &hl__unary_forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__unary_dx, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_DIN(0)}}}};

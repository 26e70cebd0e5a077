/* SPDX-License-Identifier: BSD-3-Clause
 *
 * clamp: y = min(max(x, low), high), NaN where x is NaN. dx = dy where low <= x <= high, else 0, NaN where x is NaN. */
#include "ops/kernels/unary_options.h"

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_clamp_config *config = i->options;
    if (!(config->low <= config->high))
        return hl_refuse(i, HL_OUT_OF_RANGE, "there is no range from %g to %g", (double)config->low,
                         (double)config->high);
    return hl__unary_infer(i);
}

/* ---- forward ---- */

static hl__floats value_by(hl__floats x, const void *options) {
    const hl_clamp_config *config = options;
    return hl__smaller(hl__splat(config->high), hl__larger(hl__splat(config->low), x)); /* in this order NaN stays */
}

/* ---- backward, from dy and x ---- */

static hl__floats dx_by(hl__floats d, hl__floats x, const void *options) {
    const hl_clamp_config *config = options;
    hl__ints inside = (x >= config->low) & (x <= config->high), outside = (x < config->low) | (x > config->high);
    return hl__select(inside, d, hl__select(outside, hl__splat(0), x)); /* neither: NaN */
}

/* ---- descriptor ---- */

HL__DEFINE_OPERATOR(clamp) = {
    .name = "clamp",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_clamp_config),
    .infer = infer,
    .forward = {{.pass = &hl__unary_forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__unary_dx, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_DIN(0)}}}};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mean: y = mean of x over the given axes (all where none is given). dx = dy / n for each of the n elements. */
#include "ops/kernels/axes.h"

static double share_of(size_t n) { return 1.0 / (double)n; }

HL__DEFINE_OPERATOR(mean) = {
    .name = "mean",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_axes_config),
    .infer = hl__axes_infer,
    .forward = {{.pass = &hl__axes_forward, .reads = {HL_IN(0)}, .writes = {HL_TEMP(0)}},
                {.pass = &hl__combine, .reads = {HL_TEMP(0)}, .writes = {HL_OUT(0)}, .alias = hl__combine_alias}},
    .backward = {{.pass = &hl__axes_dx, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

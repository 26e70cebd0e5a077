/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sum: y = sum of x over the given axes (all where none is given). dx = dy for every element. */
#include "ops/kernels/axes.h"

static double share_of(size_t n) {
    (void)n;
    return 1;
}

HL__DEFINE_OPERATOR(sum) = {
    .name = "sum",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_axes_config),
    .infer = hl__axes_infer,
    .forward = {{.pass = &hl__axes_forward, .reads = {HL_IN(0)}, .writes = {HL_TEMP(0)}},
                {.pass = &hl__combine, .reads = {HL_TEMP(0)}, .writes = {HL_OUT(0)}, .alias = hl__combine_alias}},
    .backward = {{.pass = &hl__axes_dx, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * equal: y = 1 where a = b, else 0, broadcast; 0 where either is NaN. Zeros are equal, whatever their signs. No
 * gradient. */
#include "ops/kernels/compare.h"

static hl__ints holds(hl__floats a, hl__floats b) { return a == b; }

HL__DEFINE_OPERATOR(equal) = {
    .name = "equal",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = hl__compare_infer,
    .forward = {{.pass = &hl__compare_forward, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}}};

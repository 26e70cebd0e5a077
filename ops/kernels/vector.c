/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The row functions of one instruction set, for callers that are not compiled for it. */
#include "ops/kernels/vector.h"

#include "ops/kernels/portable.h"
#include "ops/op.h"

extern const hl__rows HL__ISA_NAME(hl__row_functions);
const hl__rows HL__ISA_NAME(hl__row_functions) = {
    .lanes = HL__LANES,
    .exp = hl__row_exp,
    .exp2_half = hl__row_exp2_half,
    .log = hl__row_log,
    .tanh = hl__row_tanh,
    .normal_tail = hl__row_normal_tail,
    .sum = hl__row_sum,
    .max = hl__row_max,
    .exp_sum = hl__row_exp_sum,
};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * maximum: y = the larger of a and b, broadcast; NaN where either is NaN, and of zeros +0 where either is that one
 * (maximum in IEEE 754-2019). The gradient goes to the operand that is y; where both are, each has half of it. Summed
 * over the axes along which the operand was broadcast. */
#include "ops/kernels/binary.h"

static hl__floats value_of(hl__floats a, hl__floats b) {
    hl__floats even = hl__select(a == b, (hl__floats)((hl__ints)a & (hl__ints)b), a + b); /* a + b: NaN */
    return hl__select(a > b, a, hl__select(a < b, b, even));
}

static hl__floats da_of(hl__floats d, hl__floats a, hl__floats b) {
    hl__floats even = hl__select(a == b, 0.5f * d, a + b); /* a + b: NaN */
    return hl__select(a > b, d, hl__select(a < b, hl__splat(0), even));
}

static hl__floats db_of(hl__floats d, hl__floats a, hl__floats b) { return da_of(d, b, a); }

HL__DEFINE_OPERATOR(maximum) = {
    .name = "maximum",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = hl__broadcast_infer,
    .forward = {{.pass = &hl__binary_forward, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &hl__binary_da, .reads = {HL_DOUT(0), HL_IN(0), HL_IN(1), HL_IN(0)}, .writes = {HL_TEMP(0)}},
                 {.pass = &hl__combine, .reads = {HL_TEMP(0)}, .writes = {HL_DIN(0)}, .alias = hl__combine_alias},
                 {.pass = &hl__binary_db, .reads = {HL_DOUT(0), HL_IN(1), HL_IN(0), HL_IN(1)}, .writes = {HL_TEMP(1)}},
                 {.pass = &hl__combine, .reads = {HL_TEMP(1)}, .writes = {HL_DIN(1)}, .alias = hl__combine_alias}}};

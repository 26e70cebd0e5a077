/* SPDX-License-Identifier: BSD-3-Clause
 *
 * subtract: y = a - b, broadcast. da = dy, db = -dy, summed over the axes along which the operand was broadcast. */
#include "ops/kernels/binary.h"

static hl__floats value_of(hl__floats a, hl__floats b) { return a - b; }

static hl__floats da_of(hl__floats d, hl__floats a, hl__floats b) { return hl__first_of(d, a, b); }

static hl__floats db_of(hl__floats d, hl__floats a, hl__floats b) { return -hl__first_of(d, a, b); }

HL__DEFINE_OPERATOR(subtract) = {
    .name = "subtract",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = hl__broadcast_infer,
    .forward = {{.pass = &hl__binary_forward, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {
        {.pass = &hl__binary_da, .reads = {HL_DOUT(0), HL_IN(0)}, .writes = {HL_TEMP(0)}, .alias = hl__gradient_alias},
        {.pass = &hl__combine, .reads = {HL_TEMP(0)}, .writes = {HL_DIN(0)}, .alias = hl__combine_alias},
        {.pass = &hl__binary_db, .reads = {HL_DOUT(0), HL_IN(1)}, .writes = {HL_TEMP(1)}},
        {.pass = &hl__combine, .reads = {HL_TEMP(1)}, .writes = {HL_DIN(1)}, .alias = hl__combine_alias}}};

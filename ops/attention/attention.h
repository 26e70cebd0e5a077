/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the two files of fused attention share: the descriptor and the forward pass are in forward.c, the passes of the
 * gradient in backward.c. */
#ifndef HL_OPS_ATTENTION_H
#define HL_OPS_ATTENTION_H

#include "ops/op.h"

/* D_i = dot(do_i, o_i), then the tiles that make dQ, dK, dV and dbias. */
extern const hl_pass HL__ISA_NAME(hl__attention_delta), HL__ISA_NAME(hl__attention_squares);

/* Rows of scores that share one row of a bias, at which sums begin to need their rests. */
#define BIAS_REPEATS 512

/* Shape of the rests of dbias: its own; or one element, which the first tile sets to 0 and nobody looks at. */
static inline hl_shape hl__attention_bias_rests(const hl_shape *bias, const hl_shape *scores) {
    size_t repeats = 1;
    for (size_t axis = 0; axis < 3; axis++)
        if (bias->extent[axis] == 1) repeats *= scores->extent[axis];
    return repeats > BIAS_REPEATS ? *bias : HL_SHAPE(1);
}

#endif

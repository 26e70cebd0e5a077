/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The attention block that `hl-bench block` and `hl-bench ops` measure: as PyTorch's nn.MultiheadAttention computes it,
 * on the public API. */
#ifndef HL_BENCH_BLOCK_SUBJECT_H
#define HL_BENCH_BLOCK_SUBJECT_H

#include "bench/instruments/work.h"
#include "bench/subjects/mask.h"

typedef struct block_shape {
    size_t batch, tokens, width, heads; /* heads divide the width */
    bench_mask mask;
} block_shape;

/* What the gradient is taken of: x, then the parameters. */
enum { BLOCK_X, BLOCK_WQ, BLOCK_WK, BLOCK_WV, BLOCK_WO, BLOCK_BQ, BLOCK_BK, BLOCK_BV, BLOCK_BO, BLOCK_N_PARTS };

/* Borrows the shape. Its flops are products only, 2 m n k each: four with weights and, for each pair of query and key
 * that the mask leaves, two of attention; the backward pass has twice as many. */
bench_subject block_subject(const block_shape *shape);

#endif

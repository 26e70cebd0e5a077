/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The work of `hl-bench block`: a multi-head attention block as PyTorch's nn.MultiheadAttention computes it, on the
 * public API, with its values and its double oracle. */
#ifndef HL_BENCH_BLOCK_WORK_H
#define HL_BENCH_BLOCK_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "headloom/headloom.h"

typedef struct block_shape {
    size_t batch, tokens, width, heads;
    hl_mask mask; /* none or causal */
} block_shape;

/* What the gradient is taken of, in the order of block_work.wrt: x, then the parameters. */
enum { BLOCK_X, BLOCK_WQ, BLOCK_WK, BLOCK_WV, BLOCK_WO, BLOCK_BQ, BLOCK_BK, BLOCK_BV, BLOCK_BO, BLOCK_N_WRT };

typedef struct block_work {
    block_shape shape;
    hl_runtime *runtime;
    hl_graph *graph;
    hl_state *state;
    hl_tensor *r, *y; /* loss = sum of y * r */
    hl_tensor *wrt[BLOCK_N_WRT], *gradient[BLOCK_N_WRT];
    hl_program *forward, *both; /* y; y and the gradients */
} block_work;

/* Makes the programs on a runtime of their own and fills x, r and the parameters with values that depend on the shape
 * alone. False, with words on stderr, where something fails; *work can be destroyed either way. */
bool block_work_create(const block_shape *shape, const hl_runtime_options *options, block_work *work);
void block_work_destroy(block_work *work);

/* Products only, 2 m n k each: four with weights and, for each pair of query and key that the mask leaves, two of
 * attention. The backward pass has twice as many. */
double block_flops(const block_shape *shape);

typedef struct block_errors { /* worst errors, as fractions of their bounds */
    double forward, gradient;
    size_t rows;
} block_errors;

/* Compares y with the oracle on some rows, and the gradients with the oracle's central difference in a random
 * direction. Leaves r as block_work_create filled it. False, with words on stderr, where something cannot be run. */
bool block_check(block_work *work, block_errors *errors);

/* Milliseconds of one run of a program; for bench_measurement. */
double block_run(void *program);

#endif

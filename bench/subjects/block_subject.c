/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The attention block: shapes, graph and count of operations. */
#include "bench/subjects/block_subject.h"

#include <float.h>
#include <math.h>

#include "bench/oracles/block_oracle.h"

static const char *const part_names[BLOCK_N_PARTS] = {"x",      "mha.wq", "mha.wk", "mha.wv", "mha.wo",
                                                      "mha.bq", "mha.bk", "mha.bv", "mha.bo"};

static hl_shape part_shape(const block_shape *shape, int part) {
    size_t W = shape->width, H = shape->heads, D = W / H;
    switch (part) {
    case BLOCK_X: return HL_SHAPE(shape->batch, shape->tokens, W);
    case BLOCK_WO: return HL_SHAPE(W, W);
    case BLOCK_BO: return HL_SHAPE(W);
    case BLOCK_WQ:
    case BLOCK_WK:
    case BLOCK_WV: return HL_SHAPE(W, H, D);
    default: return HL_SHAPE(H, D);
    }
}

/* The layer shares the parameters that are there by its names. */
static hl_tensor *build(const bench_subject *subject, hl_graph *graph, hl_tensor *const part[]) {
    const block_shape *shape = subject->context;
    hl_nn nn = {.graph = graph, .training = true, .share = true};
    hl_attention_options options = {.heads = shape->heads, .mask = shape->mask.kind, .window = shape->mask.window};
    return hl_nn_multi_head_attention(&nn, "mha", part[BLOCK_X], &options);
}

static double forward_flops(const block_shape *shape) {
    double B = (double)shape->batch, T = (double)shape->tokens, W = (double)shape->width;
    return B * (4 * 2 * T * W * W + 2 * 2 * bench_mask_pairs(&shape->mask, shape->tokens) * W);
}

/* Four products are chained, of inner lengths W, D, T and W. Errors of rounding add up like a random walk, to about
 * sqrt(n) u relative to the magnitudes summed (Higham and Mary 2019); four times that leaves room for its tail and for
 * exp, which turns an error of a score, of magnitude 1 here, into a relative one of the same size. */
static double rounding(const block_shape *shape) {
    size_t D = shape->width / shape->heads;
    return 4 * sqrt((double)(2 * shape->width + D + shape->tokens)) * FLT_EPSILON / 2;
}

bench_subject block_subject(const block_shape *shape) {
    bench_subject subject = {.name = "block",
                             .context = shape,
                             .n_parts = BLOCK_N_PARTS,
                             .build = build,
                             .forward_flops = forward_flops(shape),
                             .backward_flops = 2 * forward_flops(shape),
                             .rows = shape->batch * shape->tokens,
                             .row_elements = shape->width,
                             .oracle = block_oracle_row,
                             .forward_rows = 8,
                             .gradient_rows = 2,
                             .unit = rounding(shape)};
    /* Of variance 1 for x, 1 / width for weights: queries, keys and values then have variance 1, too, and the softmax
     * is neither flat nor a single one. */
    for (int i = 0; i < BLOCK_N_PARTS; i++)
        subject.part[i] = (bench_part){.name = part_names[i],
                                       .shape = part_shape(shape, i),
                                       .deviation = i == BLOCK_X ? 1 : 1 / sqrt((double)shape->width),
                                       .input = i == BLOCK_X};
    return subject;
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention alone: shapes, graph and count of operations. */
#include "bench/subjects/attention_subject.h"

#include <float.h>
#include <math.h>

static hl_tensor *build(const bench_subject *subject, hl_graph *graph, hl_tensor *const part[]) {
    const attention_shape *shape = subject->context;
    hl_score_options options = {.mask = shape->mask.kind, .window = shape->mask.window};
    hl_tensor *p = hl_softmax(graph, hl_score(graph, part[ATTENTION_Q], part[ATTENTION_K], &options));
    return hl_weight(graph, hl_dropout(graph, p, (float)shape->dropout, ATTENTION_SEED), part[ATTENTION_V]);
}

/* Two products are chained, of inner lengths D and T, for which see block_subject.c; 16 stands for the few roundings of
 * the exponential, its sum and the quotient, which count where both are short. */
static double rounding(const attention_shape *shape) {
    return 4 * sqrt((double)(shape->head_size + shape->tokens + 16)) * FLT_EPSILON / 2;
}

bench_subject attention_subject(const attention_shape *shape) {
    static const char *const names[ATTENTION_N_PARTS] = {"q", "k", "v"};
    double product = 2 * (double)shape->head_size * bench_mask_pairs(&shape->mask, shape->tokens) *
                     (double)shape->batch * (double)shape->heads;
    bench_subject subject = {.name = "attention",
                             .context = shape,
                             .n_parts = ATTENTION_N_PARTS,
                             .build = build,
                             .forward_flops = 2 * product,
                             .backward_flops = 5 * product,
                             .rows = shape->batch * shape->heads * shape->tokens,
                             .row_elements = shape->head_size,
                             .oracle = attention_oracle_row,
                             .forward_rows = 64,
                             .gradient_rows = 16,
                             .unit = rounding(shape)};
    for (int i = 0; i < ATTENTION_N_PARTS; i++) { /* of variance 1, and so are the scores */
        size_t heads = i == ATTENTION_Q ? shape->heads : attention_kv_heads(shape);
        subject.part[i] = (bench_part){.name = names[i],
                                       .shape = HL_SHAPE(shape->batch, heads, shape->tokens, shape->head_size),
                                       .deviation = 1,
                                       .input = true};
    }
    return subject;
}

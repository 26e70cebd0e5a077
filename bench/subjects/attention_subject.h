/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention alone, which `hl-bench attention` measures: score, softmax, dropout and weight of given queries, keys and
 * values, as the graph fuses them. */
#ifndef HL_BENCH_ATTENTION_SUBJECT_H
#define HL_BENCH_ATTENTION_SUBJECT_H

#include "bench/instruments/work.h"
#include "bench/subjects/mask.h"

typedef struct attention_shape {
    size_t batch, heads, tokens, head_size;
    bench_mask mask;
    double dropout;  /* rate, on the weights */
    size_t kv_heads; /* of keys and values; 0: heads */
} attention_shape;

static inline size_t attention_kv_heads(const attention_shape *shape) {
    return shape->kv_heads ? shape->kv_heads : shape->heads;
}

enum { ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_N_PARTS };

#define ATTENTION_SEED 1 /* of the dropout */
#define ATTENTION_NODE 2 /* number of the dropout's node, behind score and softmax */

/* Borrows the shape. Its flops are products only, 2 D for each pair of query and key that the mask leaves: two forward,
 * and five backward, as Dao 2023 counts them: the weights again, dP, dV, dQ and dK. */
bench_subject attention_subject(const attention_shape *shape);

/* o [head_size] of one query, counted over batch and heads; see bench_subject. */
bool attention_oracle_row(const bench_subject *subject, double *const part[], size_t row, double *o, double *magnitude);

#endif

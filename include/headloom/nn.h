/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layers and the ladder of attention blocks, on the public graph API alone. Parameters are named "<name>.<part>" and
 * get seeded first values that are the same on every machine. Weight decay is for matrices and for tables of words; it
 * leaves biases and gains alone, also those of queries, keys and values, and the learned bias on distances
 * (hl_param_decay).
 *
 * A layer one of whose parameters the graph has already is refused (HL_EXISTS), so that two layers do not share weights
 * by a slip of their names; see hl_nn.share.
 *
 * Errors stay in the graph, as with every constructor; these calls return NULL then. */
#ifndef HEADLOOM_NN_H
#define HEADLOOM_NN_H

#include "headloom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- initialisers: element i of parameter `name` comes from word i mod 4 of Philox4x32-10(counter {i / 4 (two words),
 * seed's high word, 0}, key {seed's low word, FNV-1a of name}), so it depends on nothing else; computed with IEEE
 * additions, multiplications, divisions and square roots alone (no libm), so it is bitwise the same on every machine.
 * They return param. HL_INVALID_ARGUMENT: param is no parameter of the graph. HL_OUT_OF_RANGE: low > high, a negative
 * deviation, or a bound that is not finite. ---- */
HL_PUBLIC hl_tensor *hl_init_constant(hl_graph *graph, hl_tensor *param, float value);
HL_PUBLIC hl_tensor *hl_init_uniform(hl_graph *graph, hl_tensor *param, float low, float high, uint64_t seed);
HL_PUBLIC hl_tensor *hl_init_normal(hl_graph *graph, hl_tensor *param, float mean, float deviation, uint64_t seed);

/* First values of a matrix that fan_in numbers go into and fan_out come out of. Zeros are a default that suits most. */
typedef enum hl_init_kind {
    HL_INIT_FAN_IN = 0,          /* uniform in +-value / sqrt(fan_in); value 0: 1 */
    HL_INIT_CONSTANT = 1,        /* value */
    HL_INIT_UNIFORM = 2,         /* uniform in +-value */
    HL_INIT_NORMAL = 3,          /* normal with the deviation value */
    HL_INIT_XAVIER_UNIFORM = 4,  /* uniform in +-value sqrt(6 / (fan_in + fan_out)); value 0: 1 (Glorot, Bengio 2010) */
    HL_INIT_XAVIER_NORMAL = 5,   /* normal, deviation value sqrt(2 / (fan_in + fan_out)); value 0: 1 */
    HL_INIT_KAIMING_UNIFORM = 6, /* uniform in +-value sqrt(3 / fan_in); value 0: sqrt 2, ReLU's (He et al. 2015) */
    HL_INIT_KAIMING_NORMAL = 7,  /* normal, deviation value / sqrt(fan_in); value 0: sqrt 2 */
} hl_init_kind;

typedef struct hl_init {
    hl_init_kind kind;
    float value;
} hl_init;

/* What a layer needs to know besides its sizes. A layer that wants another initialiser, or shares, is given a copy that
 * says so. HL_INVALID_ARGUMENT: no such kind. HL_OUT_OF_RANGE: a value that is negative (but for constants) or not
 * finite.
 *
 * GPT-2's (Radford et al. 2019): .init = {HL_INIT_NORMAL, 0.02f}, .residual = {HL_INIT_NORMAL, 0.02f / sqrtf(2 L)} for
 * L blocks, which have two residuals each. */
typedef struct hl_nn {
    hl_graph *graph;
    uint64_t seed;
    bool training; /* dropout is on */

    /* A layer may use parameters that the graph has already. They must have the layer's shapes, and keep their
     * initialisers. */
    bool share;

    hl_init init;     /* of the matrices of dense layers and attention; bias vectors are zeros at first */
    hl_init residual; /* of those whose products are added to a skip connection: attention's "wo", a block's "down";
                       * zeros: init */
} hl_nn;

/* x [..., K] -> [..., width]: "<name>.w" [K, width] by nn->init, "<name>.b" [width] zero (left out where bias is
 * false). */
HL_PUBLIC hl_tensor *hl_nn_dense(const hl_nn *nn, const char *name, hl_tensor *x, size_t width, bool bias);

/* index [...] in 0..rows-1 -> [..., width]: "<name>.table" normal with the given deviation. */
HL_PUBLIC hl_tensor *hl_nn_embedding(const hl_nn *nn, const char *name, hl_tensor *index, size_t rows, size_t width,
                                     float deviation);

/* "<name>.gain" ones, "<name>.bias" zeros (left out where bias is false). epsilon is added to the variance; 0: 1e-5. */
HL_PUBLIC hl_tensor *hl_nn_layer_norm(const hl_nn *nn, const char *name, hl_tensor *x, bool bias, float epsilon);

HL_PUBLIC hl_tensor *hl_nn_dropout(const hl_nn *nn, hl_tensor *x, float rate); /* x itself when not training */

/* ---- the ladder. x is [batch, tokens, width]; every rung returns the same shape. ---- */

typedef struct hl_attention_options {
    size_t heads;    /* 0: 1 */
    size_t size;     /* of a head; 0: width / heads (must divide) */
    size_t kv_heads; /* of (c): key and value heads, which groups of heads share; 0: heads (must divide) */
    hl_mask mask;
    size_t window;
    hl_tensor *lengths;  /* HL_I32 [batch]; may be NULL */
    hl_tensor *bias;     /* additive, see hl_score_options; may be NULL */
    float dropout;       /* on the attention weights, in training */
    bool no_bias;        /* projections and dense without bias vectors */
    hl_tensor **weights; /* where not NULL: receives the attention weights [batch, heads, tokens, tokens] */
} hl_attention_options;

/* (a) Weightless: scores are dot products of the vectors with themselves, softmax makes them weights, the weights
 * re-mix the vectors. No parameters; heads and kv_heads must be 0 or 1, in (b) too. */
HL_PUBLIC hl_tensor *hl_nn_weightless_attention(const hl_nn *nn, hl_tensor *x, const hl_attention_options *options);

/* (b) One head with trainable query, key and value matrices "<name>.wq/wk/wv" [width, 1, width], dimension unchanged.
 */
HL_PUBLIC hl_tensor *hl_nn_single_head_attention(const hl_nn *nn, const char *name, hl_tensor *x,
                                                 const hl_attention_options *options);

/* (c) Several heads side by side, each with its own matrices "<name>.wq/wk/wv" [width, heads, size] (size = width in
 * the original formulation, width / heads by default), concat, and a dense "<name>.wo" [heads * size, width] that
 * brings the width back (Vaswani et al. 2017, section 3.2.2). Bias vectors, in (b) too: "<name>.bq/bk/bv" [heads,
 * size], "<name>.bo" [width], zero at first. With fewer kv_heads than heads (grouped queries, Ainslie et al. 2023),
 * "<name>.wk/wv" are [width, kv_heads, size], "<name>.bk/bv" [kv_heads, size], and head h uses key and value head
 * h / (heads / kv_heads). */
HL_PUBLIC hl_tensor *hl_nn_multi_head_attention(const hl_nn *nn, const char *name, hl_tensor *x,
                                                const hl_attention_options *options);

typedef struct hl_block_options {
    hl_attention_options attention;
    size_t hidden;            /* of the feed-forward; 0: 4 * width */
    hl_activation activation; /* of the feed-forward; none: ReLU */
    float dropout;            /* on sublayer outputs and within the feed-forward, in training */
    float epsilon;            /* of both norms; 0: 1e-5 */
    bool no_bias;             /* no bias vectors anywhere in the block */
} hl_block_options;

/* (d) One pre-norm block: x + attention(norm(x)), then + feed-forward(norm(.)). Stack them for more context. Its layers
 * are "<name>.norm1", "<name>.attention", "<name>.norm2", "<name>.up" [width, hidden] and "<name>.down". */
HL_PUBLIC hl_tensor *hl_nn_block(const hl_nn *nn, const char *name, hl_tensor *x, const hl_block_options *options);

/* A learned additive bias per head on the clipped distance key - query: "<name>.table" [heads, 2 * reach + 1], zero at
 * first. distance: an HL_I32 input [queries, keys] to be filled by hl_nn_distances. Returns [1, heads, queries, keys].
 */
HL_PUBLIC hl_tensor *hl_nn_distance_bias(const hl_nn *nn, const char *name, hl_tensor *distance, size_t heads,
                                         size_t reach);

/* distance[q * keys + k] = clip(k - position of q, -reach, reach) + reach, where the last query stands at the last key.
 */
HL_PUBLIC void hl_nn_distances(int32_t *distance, size_t queries, size_t keys, size_t reach);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A whole model, small and complete: word embedding, two pre-norm transformer blocks (causal, padded keys masked by
 * lengths, biases everywhere, GELU), a last norm, a classifier, cross-entropy with ignored labels. Once built through
 * the graph API, once as a plain forward pass in double: the oracle of losses and, by central differences, of the
 * gradients of all parameters. */
#ifndef HL_TESTS_SUPPORT_TWO_BLOCK_H
#define HL_TESTS_SUPPORT_TWO_BLOCK_H

#include "headloom/graph.h"

#define TWO_BLOCK_PARAMS 37 /* table, 16 a block, gain, bias, classifier and its bias */

typedef struct two_block_sizes {
    size_t batch, tokens, width, heads, hidden, classes, words; /* heads divides width */
    float dropout; /* on attention weights and sublayers; the oracle knows none */
} two_block_sizes;

typedef struct two_block {
    two_block_sizes sizes;
    hl_graph *graph;
    hl_tensor *words, *labels; /* HL_I32 [batch, tokens] */
    hl_tensor *lengths;        /* HL_I32 [batch] */
    hl_tensor *rate;           /* scalar */
    hl_tensor *params[TWO_BLOCK_PARAMS];
    hl_tensor *weights[2]; /* attention weights of each block */
    hl_tensor *between;    /* [batch, tokens, width], what the first block hands to the second */
    hl_tensor *logits, *loss;
} two_block;

/* The shape of a parameter, and where its elements begin among all; offset of TWO_BLOCK_PARAMS: how many there are. */
hl_shape two_block_shape(const two_block_sizes *sizes, size_t param);
size_t two_block_offset(const two_block_sizes *sizes, size_t param);

/* Builds it into an empty graph; first values from a seed. Errors stay in the graph. */
void two_block_build(two_block *model, const two_block_sizes *sizes, hl_graph *graph);

/* Words, labels (every fifth ignored) and lengths (the first whole, the others shorter) made from a seed. */
void two_block_data(const two_block_sizes *sizes, uint64_t seed, int32_t *words, int32_t *labels, int32_t *lengths);

/* The loss, in double; params: two_block_offset(sizes, TWO_BLOCK_PARAMS) values. NaN where there is no memory. */
double two_block_loss(const two_block_sizes *sizes, const double *params, const int32_t *words, const int32_t *labels,
                      const int32_t *lengths);

#endif

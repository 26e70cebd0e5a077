/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The GPTs that `hl-bench step` trains: pre-norm blocks with causal attention and GELU over learned word and position
 * vectors (Radford et al. 2019), on the public API. */
#ifndef HL_BENCH_GPT_H
#define HL_BENCH_GPT_H

#include <stdbool.h>
#include <stddef.h>

#include "headloom/headloom.h"

typedef struct gpt_sizes {
    const char *name;
    size_t layers, heads, width, vocabulary; /* heads divide the width */
    size_t batch, tokens;
    bool no_bias; /* in projections, dense layers and norms */
} gpt_sizes;

/* GPT-2's smallest; nanoGPT's setting for a CPU; one of six layers. The logits' matrix is the table of words. */
#define GPT_LIST(X)                                                                                                   \
    X(gpt2_124m, "gpt2-124m", .layers = 12, .heads = 12, .width = 768, .vocabulary = 50257, .batch = 4, .tokens = 64) \
    X(nanogpt, "nanogpt", .layers = 4, .heads = 4, .width = 128, .vocabulary = 65, .batch = 12, .tokens = 64,         \
      .no_bias = true)                                                                                                \
    X(nano6l, "nano6l", .layers = 6, .heads = 6, .width = 384, .vocabulary = 65, .batch = 8, .tokens = 256,           \
      .no_bias = true)

typedef enum gpt_model {
#define GPT_ENUM(id, name, ...) GPT_##id,
    GPT_LIST(GPT_ENUM)
#undef GPT_ENUM
} gpt_model;

gpt_sizes gpt_sizes_of(gpt_model model);

typedef struct gpt {
    gpt_sizes sizes;
    hl_graph *graph;
    hl_tensor *words, *labels; /* HL_I32 [batch, tokens] */
    hl_tensor *rate;           /* scalar */
    hl_tensor *logits;         /* [batch, tokens, vocabulary] */
    hl_tensor *loss, *step;
} gpt;

/* Builds the training step into an empty graph; first values from a seed. Errors stay in the graph. */
void gpt_build(gpt *model, const gpt_sizes *sizes, hl_graph *graph);

size_t gpt_parameters(const gpt_sizes *sizes);

/* Operations of the products of a step, 2 m n k each: those with weights, and for each pair of query and key that the
 * mask leaves two of attention; backward twice as many. What updates, norms and losses do is not counted. */
double gpt_flops(const gpt_sizes *sizes);

/* The logits [n, vocabulary] of the first n words (at least 1) of a sequence, in double, from the parameters in a
 * state. Causal masks make them those of the whole sequence. False where there is no memory, a parameter is missing or
 * of another shape, or the model has fewer tokens. */
bool gpt_oracle(const gpt_sizes *sizes, hl_state *state, const int32_t *words, size_t n, double *logits);

/* The worst error of a program's logits [n, vocabulary] beside the oracle's, as a fraction of what rounding may make:
 * infinity for what is no number. */
double gpt_worst_error(const gpt_sizes *sizes, const float *logits, const double *expected, size_t n);

#endif

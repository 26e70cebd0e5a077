/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sizes and graph of the GPTs. */
#include "bench/subjects/gpt.h"

#include <math.h>
#include <stdio.h>

gpt_sizes gpt_sizes_of(gpt_model model) {
    static const gpt_sizes sizes[] = {
#define GPT_SIZES(id, words, ...) [GPT_##id] = {.name = (words), __VA_ARGS__},
        GPT_LIST(GPT_SIZES)
#undef GPT_SIZES
    };
    return sizes[model];
}

/* Normal with the deviation 0.02, as GPT-2 has it. */
static hl_tensor *table(const hl_nn *nn, const char *name, size_t rows, size_t width) {
    hl_tensor *param = hl_param(nn->graph, name, HL_F32, HL_SHAPE(rows, width));
    return hl_init_normal(nn->graph, param, 0, 0.02f, nn->seed);
}

void gpt_build(gpt *model, const gpt_sizes *sizes, hl_graph *graph) {
    *model = (gpt){.sizes = *sizes, .graph = graph};
    float deviation = 0.02f / sqrtf(2 * (float)sizes->layers); /* two residuals a block */
    hl_nn nn = {.graph = graph,
                .seed = 1,
                .training = true,
                .init = {HL_INIT_NORMAL, 0.02f},
                .residual = {HL_INIT_NORMAL, deviation}};
    model->words = hl_input(graph, "words", HL_I32, HL_SHAPE(sizes->batch, sizes->tokens));
    model->labels = hl_input(graph, "labels", HL_I32, HL_SHAPE(sizes->batch, sizes->tokens));
    model->rate = hl_input(graph, "rate", HL_F32, HL_SCALAR);
    hl_tensor *words = table(&nn, "word.table", sizes->vocabulary, sizes->width);
    hl_tensor *positions = table(&nn, "position.table", sizes->tokens, sizes->width);
    hl_tensor *x = hl_add(graph, hl_embedding(graph, words, model->words), positions);
    for (size_t layer = 0; layer < sizes->layers; layer++) {
        char name[32];
        snprintf(name, sizeof name, "block%zu", layer);
        hl_block_options options = {.attention = {.heads = sizes->heads, .mask = HL_MASK_CAUSAL},
                                    .activation = HL_ACTIVATION_GELU,
                                    .no_bias = sizes->no_bias};
        x = hl_nn_block(&nn, name, x, &options);
    }
    x = hl_nn_layer_norm(&nn, "norm", x, !sizes->no_bias, 0);
    model->logits = hl_dense(graph, x, hl_transpose(graph, words, (size_t[]){1, 0}), NULL);
    model->loss = hl_cross_entropy(graph, model->logits, model->labels);
    model->step = hl_adamw(graph, model->loss, &(hl_adamw_options){.rate = model->rate, .decay = 0.1f});
}

size_t gpt_parameters(const gpt_sizes *s) {
    size_t W = s->width, matrices = 12 * W * W, vectors = s->no_bias ? 2 * W : 13 * W;
    return (s->vocabulary + s->tokens) * W + s->layers * (matrices + vectors) + (s->no_bias ? W : 2 * W);
}

double gpt_flops(const gpt_sizes *s) {
    double W = (double)s->width, T = (double)s->tokens, L = (double)s->layers;
    double weights = T * (12 * W * W * L + W * (double)s->vocabulary), pairs = T * (T + 1) / 2;
    return 3 * (double)s->batch * 2 * (weights + 2 * pairs * W * L);
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Building the network of a rung. */
#include "examples/ner/model.h"

#include <string.h>

/* Rates of dropout in training. */
static const float FORMS_DROPOUT = 0.3f;
static const float DROPOUT = 0.2f;

static const struct {
    const char *sign, *text;
} rungs[NER_RUNGS] = {
#define NER_RUNG_WORDS(name, sign, text) {sign, text},
    NER_RUNG_LIST(NER_RUNG_WORDS)
#undef NER_RUNG_WORDS
};

const char *ner_rung_sign(ner_rung rung) { return rung < NER_RUNGS ? rungs[rung].sign : "?"; }
const char *ner_rung_text(ner_rung rung) { return rung < NER_RUNGS ? rungs[rung].text : "?"; }

ner_rung ner_rung_of(const char *sign) {
    for (ner_rung rung = NER_RUNG_NONE; rung < NER_RUNGS; rung++) {
        if (strcmp(ner_rung_sign(rung), sign) == 0) {
            return rung;
        }
    }
    return NER_RUNGS;
}

/* n indices a word, each with its vector of NER_FORM_WIDTH, side by side. */
static hl_tensor *side_by_side(const hl_nn *nn, const char *name, hl_tensor *index, size_t n, size_t table_rows) {
    hl_tensor *vectors = hl_nn_embedding(nn, name, index, table_rows, NER_FORM_WIDTH, 0.1f);
    hl_shape shape = hl_tensor_shape(index);
    return hl_reshape(nn->graph, vectors, HL_SHAPE(shape.extent[0], shape.extent[1], n * NER_FORM_WIDTH));
}

/* Word, affixes and shape of each word into one vector of NER_WIDTH. */
static hl_tensor *word_forms(const hl_nn *nn, const ner_model *model, const ner_network *network) {
    hl_tensor *word = hl_nn_embedding(nn, "word", network->word, model->word_rows, NER_WIDTH, 0.1f);
    hl_tensor *affix = side_by_side(nn, "affix", network->affix, NER_AFFIXES, NER_AFFIX_ROWS);
    hl_tensor *shape = side_by_side(nn, "shape", network->shape, NER_SHAPES, model->shape_rows);
    hl_tensor *forms = hl_append(nn->graph, (hl_tensor *[]){word, affix, shape}, 3, 2);
    return hl_nn_dense(nn, "forms", hl_nn_dropout(nn, forms, FORMS_DROPOUT), NER_WIDTH, true);
}

static hl_tensor *stacked(const hl_nn *nn, ner_network *network, hl_tensor *x) {
    static const char *const names[NER_BLOCKS] = {"block1", "block2"};
    static const char *const biases[NER_BLOCKS] = {"block1.distance", "block2.distance"};
    network->distance = hl_input(nn->graph, "distance", HL_I32, HL_SHAPE(network->tokens, network->tokens));
    for (size_t b = 0; b < NER_BLOCKS; b++) {
        hl_block_options options = {.attention = {.heads = NER_BLOCK_HEADS, .lengths = network->lengths},
                                    .dropout = DROPOUT};
        options.attention.bias = hl_nn_distance_bias(nn, biases[b], network->distance, NER_BLOCK_HEADS, NER_REACH);
        options.attention.weights = &network->weights[network->n_weights++];
        x = hl_nn_block(nn, names[b], x, &options);
    }
    return x;
}

/* The rung itself: [rows, tokens, NER_WIDTH] in and out. */
static hl_tensor *attend(const hl_nn *nn, const ner_model *model, ner_network *network, hl_tensor *x) {
    hl_attention_options options = {.lengths = network->lengths, .weights = &network->weights[0]};
    switch (model->rung) {
    case NER_RUNG_WEIGHTLESS: network->n_weights = 1; return hl_nn_weightless_attention(nn, x, &options);
    case NER_RUNG_ONE_HEAD: network->n_weights = 1; return hl_nn_single_head_attention(nn, "attention", x, &options);
    case NER_RUNG_THREE_HEADS:
        network->n_weights = 1;
        options.heads = NER_THREE;
        options.size = NER_WIDTH;
        return hl_nn_multi_head_attention(nn, "attention", x, &options);
    case NER_RUNG_STACKED: return stacked(nn, network, x);
    case NER_RUNG_NONE:
    case NER_RUNGS: break;
    }
    return x;
}

static hl_tensor *classify(const hl_nn *nn, hl_tensor *x) {
    hl_tensor *normed = hl_nn_layer_norm(nn, "classifier.norm", x, true, 0);
    return hl_nn_dense(nn, "classifier", hl_nn_dropout(nn, normed, DROPOUT), NER_LABELS, true);
}

hl_status ner_network_build(ner_network *network, const ner_model *model, size_t rows, size_t tokens, int training) {
    ner_network made = {.rows = rows, .tokens = tokens};
    hl_status status = hl_graph_create(&made.graph);
    if (status != HL_OK) {
        return status;
    }
    hl_graph *g = made.graph;
    hl_nn nn = {.graph = g, .seed = model->seed, .training = training};
    made.word = hl_input(g, "words", HL_I32, HL_SHAPE(rows, tokens));
    made.affix = hl_input(g, "affixes", HL_I32, HL_SHAPE(rows, tokens, NER_AFFIXES));
    made.shape = hl_input(g, "shapes", HL_I32, HL_SHAPE(rows, tokens, NER_SHAPES));
    if (model->rung != NER_RUNG_NONE) {
        made.lengths = hl_input(g, "lengths", HL_I32, HL_SHAPE(rows));
    }
    hl_tensor *x = word_forms(&nn, model, &made);
    made.logits = classify(&nn, attend(&nn, model, &made, x));
    if (training) {
        made.labels = hl_input(g, "labels", HL_I32, HL_SHAPE(rows, tokens));
        made.rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
        made.loss = hl_cross_entropy(g, made.logits, made.labels);
        made.step =
            hl_adamw(g, made.loss, &(hl_adamw_options){.rate = made.rate, .beta2 = 0.99f, .decay = model->decay});
    }
    *network = made;
    return HL_OK;
}

void ner_network_clear(ner_network *network) {
    hl_graph_destroy(network->graph);
    *network = (ner_network){0};
}

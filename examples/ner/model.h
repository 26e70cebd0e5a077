/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The network: word forms into vectors, one rung of the ladder of attention over them, and a classifier of every word.
 * Word forms and classifier are the same for all rungs, so that a difference between two rungs is that of attention. */
#ifndef NER_MODEL_H
#define NER_MODEL_H

#include <headloom/headloom.h>

#include "examples/ner/batches.h"
#include "examples/ner/features.h"

/* name, its sign in the table, what it adds */
#define NER_RUNG_LIST(X)                                                  \
    X(NONE, "-", "no attention: each word by itself")                     \
    X(WEIGHTLESS, "a", "weightless self-attention")                       \
    X(ONE_HEAD, "b", "one head, trainable query, key and value matrices") \
    X(THREE_HEADS, "c", "three heads of full width, concat, dense")       \
    X(STACKED, "d", "stacked blocks: residual, layer norm, feed-forward")

typedef enum ner_rung {
#define NER_RUNG_ENUM(name, sign, text) NER_RUNG_##name,
    NER_RUNG_LIST(NER_RUNG_ENUM)
#undef NER_RUNG_ENUM
        NER_RUNGS,
} ner_rung;

const char *ner_rung_sign(ner_rung rung);
const char *ner_rung_text(ner_rung rung);

/* NER_RUNGS where the sign is none. */
ner_rung ner_rung_of(const char *sign);

enum {
    NER_WIDTH = 128,      /* of a word's vector, from its forms on */
    NER_FORM_WIDTH = 32,  /* of an affix's and of a shape's vector */
    NER_THREE = 3,        /* heads of rung (c): names, places, organisations */
    NER_BLOCKS = 2,       /* of rung (d) */
    NER_BLOCK_HEADS = 4,  /* of each */
    NER_REACH = 8,        /* distance up to which rung (d) tells places apart */
    NER_MOST_WEIGHTS = 2, /* attentions of a network, at most */
};

/* What a network is made for. */
typedef struct ner_model {
    ner_rung rung;
    size_t word_rows, shape_rows; /* of the vocabulary's tables */
    uint64_t seed;
    float decay; /* AdamW's, on matrices and tables */
} ner_model;

typedef struct ner_network {
    hl_graph *graph;
    size_t rows, tokens;
    hl_tensor *word;        /* HL_I32 [rows, tokens] */
    hl_tensor *affix;       /* HL_I32 [rows, tokens, NER_AFFIXES] */
    hl_tensor *shape;       /* HL_I32 [rows, tokens, NER_SHAPES] */
    hl_tensor *labels;      /* HL_I32 [rows, tokens]; NULL where it does not train */
    hl_tensor *lengths;     /* HL_I32 [rows]; NULL where there is no attention */
    hl_tensor *distance;    /* HL_I32 [tokens, tokens], see hl_nn_distances; only in rung (d) */
    hl_tensor *rate;        /* scalar; NULL where it does not train */
    hl_tensor *logits;      /* [rows, tokens, NER_LABELS] */
    hl_tensor *loss, *step; /* NULL where it does not train */
    size_t n_weights;
    hl_tensor *weights[NER_MOST_WEIGHTS]; /* [rows, heads, tokens, tokens] of each attention */
} ner_network;

/* Builds the network for sentences side by side, [rows, tokens]. Errors stay in the graph (hl_graph_status); only
 * HL_OUT_OF_MEMORY is returned, when there is none for the graph itself. */
hl_status ner_network_build(ner_network *network, const ner_model *model, size_t rows, size_t tokens, int training);
void ner_network_clear(ner_network *network);

#endif

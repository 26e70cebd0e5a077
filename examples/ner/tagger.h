/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A tagger: one state with the parameters, and a program for each shape of batch, for training and for tagging, made
 * when the shape first comes. */
#ifndef NER_TAGGER_H
#define NER_TAGGER_H

#include "examples/ner/batches.h"
#include "examples/ner/error.h"
#include "examples/ner/model.h"
#include "examples/ner/spans.h"

typedef struct ner_unit { /* a network with its program */
    ner_network network;
    hl_program *program;
} ner_unit;

typedef struct ner_tagger {
    hl_runtime *runtime;              /* borrowed */
    const ner_vocabulary *vocabulary; /* borrowed */
    ner_model model;
    hl_state *state;
    ner_unit training[NER_BUCKETS], tagging[NER_BUCKETS];
} ner_tagger;

typedef struct ner_tagger_options {
    ner_rung rung;
    uint64_t seed;
    float decay;
} ner_tagger_options;

/* runtime and vocabulary must outlive the tagger. */
hl_status ner_tagger_create(ner_tagger *tagger, hl_runtime *runtime, const ner_vocabulary *vocabulary,
                            const ner_tagger_options *options, ner_error *error);
void ner_tagger_clear(ner_tagger *tagger); /* a zero-filled one is harmless */

/* Trainable numbers that the state holds so far. */
size_t ner_tagger_parameters(const ner_tagger *tagger);

/* One step on a batch; loss receives the batch's mean loss before the step. */
hl_status ner_tagger_train(ner_tagger *tagger, const ner_packed *batch, size_t bucket, float rate, float *loss,
                           ner_error *error);

/* The best valid labels of every token of the corpus. labels: [corpus->n_tokens]. */
hl_status ner_tagger_tag(ner_tagger *tagger, const ner_corpus *corpus, int32_t *labels, ner_error *error);

/* Tags the corpus and counts its entities against its own labels. */
hl_status ner_tagger_score(ner_tagger *tagger, const ner_corpus *corpus, ner_counts *counts, ner_error *error);

/* What each head of the last attention looks at in one sentence: *weights [heads, n, n], the caller's to free. labels:
 * the sentence's length. HL_UNSUPPORTED: the rung has no attention. */
hl_status ner_tagger_look(ner_tagger *tagger, const ner_corpus *corpus, size_t sentence, int32_t *labels,
                          float **weights, size_t *heads, ner_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The floor of the table: no learning, only the mentions of the training set looked up. What a model reaches beyond it
 * comes from what words look like and from their context. */
#ifndef NER_LOOKUP_H
#define NER_LOOKUP_H

#include "examples/ner/corpus.h"
#include "examples/ner/strings.h"

/* A mention is the exact token sequence of an entity. It is looked up where it is an entity in at least half of its
 * occurrences in training, and gets the type that it has most often there (the one seen first where two are equal). */
typedef struct ner_lookup {
    ner_strings mentions; /* tokens, separated by tabs */
    unsigned char *type;  /* [mentions.n] */
    unsigned char *used;  /* [mentions.n] */
    size_t longest;       /* tokens */
} ner_lookup;

/* lookup: zero-filled; empty after a failure. */
hl_status ner_lookup_build(ner_lookup *lookup, const ner_corpus *corpus, ner_error *error);
void ner_lookup_clear(ner_lookup *lookup);

/* Labels of one sentence, from left to right, the longest mention first. labels: the sentence's length. */
hl_status ner_lookup_tag(const ner_lookup *lookup, const ner_corpus *corpus, size_t sentence, int32_t *labels,
                         ner_error *error);

#endif

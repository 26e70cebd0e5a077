/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Entities as spans of tokens: reading them from labels exactly as conlleval does, the best valid labels for given
 * scores, and precision, recall and F1. */
#ifndef NER_SPANS_H
#define NER_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "examples/ner/corpus.h"

typedef struct ner_span {
    size_t begin, end; /* tokens begin to end - 1 */
    size_t type;       /* NER_PER, ... */
} ner_span;

/* The spans of n labels, in order; spans has room for n. Returns how many. As conlleval counts (Tjong Kim Sang and
 * Buchholz 2000): a span also begins at an I- label behind O or behind another type. */
size_t ner_spans_find(const int32_t *labels, size_t n, ner_span *spans);

/* The most probable labels in which I-X only follows B-X or I-X (Viterbi 1967). scores: [n, NER_LABELS] logits or log
 * probabilities; adding a constant to a token's scores changes nothing. scratch: n * NER_LABELS bytes. */
void ner_spans_decode(const float *scores, size_t n, int32_t *labels, unsigned char *scratch);

/* Counts over any number of sentences; zero-filled to begin with. */
typedef struct ner_counts {
    size_t correct[NER_TYPES], found[NER_TYPES], gold[NER_TYPES];
} ner_counts;

/* Adds a sentence. spans: room for 2 n. */
void ner_counts_add(ner_counts *counts, const int32_t *gold, const int32_t *found, size_t n, ner_span *spans);

typedef struct ner_score {
    double precision, recall, f1; /* percent; 0 where there is nothing to divide by */
    size_t correct, found, gold;
} ner_score;

ner_score ner_counts_score(const ner_counts *counts);                 /* all types */
ner_score ner_counts_score_of(const ner_counts *counts, size_t type); /* one */

#endif

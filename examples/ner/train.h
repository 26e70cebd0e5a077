/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Training: epochs of shuffled batches, the rate rising over the first steps and then falling to zero. */
#ifndef NER_TRAIN_H
#define NER_TRAIN_H

#include <stdio.h>

#include "examples/ner/tagger.h"

typedef struct ner_train_options {
    size_t epochs;
    uint64_t seed;     /* of shuffles and replaced words */
    float rate;        /* AdamW's, at its highest */
    float warm_up;     /* share of training in which the rate rises; it falls linearly to zero behind that */
    FILE *progress;    /* NULL: nothing is shown */
    const char *title; /* of the progress line */
} ner_train_options;

typedef struct ner_trained {
    double seconds;
    size_t tokens, positions, steps;
    double loss; /* mean over the last epoch */
} ner_trained;

/* The rate when `done` of 0 to 1 of the training is behind. */
float ner_train_rate(const ner_train_options *options, double done);

/* HL_INVALID_ARGUMENT: no epoch. HL_NOT_FINITE: the loss ran away. trained: filled where training succeeds. */
hl_status ner_train(ner_tagger *tagger, const ner_corpus *corpus, const ner_train_options *options,
                    ner_trained *trained, ner_error *error);

#endif

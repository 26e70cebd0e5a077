/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ladder: the floor, then each rung trained on the same sentences and scored on the same ones, a row of the table
 * each. */
#ifndef NER_LADDER_H
#define NER_LADDER_H

#include <stdio.h>

#include "examples/ner/tagger.h"
#include "examples/ner/train.h"

typedef struct ner_data {
    ner_corpus train, dev, test;
    ner_vocabulary vocabulary; /* of train */
} ner_data;

/* Reads en_ewt-ud-train.iob2, -dev.iob2 and -test.iob2 from a folder. data: zero-filled; empty after a failure. */
hl_status ner_data_read(ner_data *data, const char *folder, ner_error *error);
void ner_data_clear(ner_data *data);

typedef struct ner_ladder_options {
    ner_train_options train; /* title: left out */
    float decay;
    uint64_t seed; /* of first values and dropout */
    FILE *table;
} ner_ladder_options;

/* Prints what the table's columns are, and the row of the floor. HL_SYSTEM here and below: the table cannot be written.
 */
hl_status ner_ladder_begin(const ner_data *data, const ner_ladder_options *options, ner_error *error);

/* Trains a rung, scores it and prints its row. tagger: made here, the caller's to clear; untouched after a failure. */
hl_status ner_ladder_climb(const ner_data *data, hl_runtime *runtime, ner_rung rung, const ner_ladder_options *options,
                           ner_tagger *tagger, ner_error *error);

#endif

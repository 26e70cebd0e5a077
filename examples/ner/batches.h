/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences of like length, side by side. Each distinct shape [rows, tokens] is one compiled program, so there are few
 * of them: sixteen lengths, with so many rows that every shape has about the same number of positions. Each epoch the
 * sentences are shuffled and dealt, each to the bucket of its length; a bucket that is full becomes a batch. */
#ifndef NER_BATCHES_H
#define NER_BATCHES_H

#include <stddef.h>
#include <stdint.h>

#include "examples/ner/features.h"

enum {
    NER_BUCKETS = 16,
    NER_POSITIONS = 640, /* of a batch, at most */
    NER_NO_LABEL = -1,   /* at padding; HL_IGNORED to the loss */
};

size_t ner_bucket_tokens(size_t bucket);
size_t ner_bucket_rows(size_t bucket);
size_t ner_bucket_of(size_t length); /* NER_BUCKETS where length > NER_LONGEST */

typedef struct ner_batch {
    size_t bucket;
    size_t first; /* its sentences are order[first] to order[first + n - 1]; other rows are empty */
    size_t n;
} ner_batch;

typedef struct ner_batches {
    size_t n;
    ner_batch *batch;
    size_t *order;    /* [sentences] */
    size_t tokens;    /* in sentences */
    size_t positions; /* in batches */
} ner_batches;

typedef struct ner_batches_options {
    int shuffle; /* 0: sentences in the order of the corpus */
    uint64_t seed, epoch;
} ner_batches_options;

/* batches: zero-filled; empty after a failure. HL_OUT_OF_RANGE: a sentence is longer than NER_LONGEST. */
hl_status ner_batches_build(ner_batches *batches, const ner_corpus *corpus, const ner_batches_options *options,
                            ner_error *error);
void ner_batches_clear(ner_batches *batches);
double ner_batches_padding(const ner_batches *batches); /* the share of positions that hold no token */

/* One batch as a program takes it, for up to NER_POSITIONS positions. */
typedef struct ner_packed {
    size_t rows, tokens;                        /* the shape */
    size_t real;                                /* tokens that are no padding */
    int32_t word[NER_POSITIONS];                /* [rows, tokens] */
    int32_t affix[NER_POSITIONS * NER_AFFIXES]; /* [rows, tokens, NER_AFFIXES] */
    int32_t shape[NER_POSITIONS * NER_SHAPES];  /* [rows, tokens, NER_SHAPES] */
    int32_t labels[NER_POSITIONS];              /* [rows, tokens], NER_NO_LABEL at padding */
    int32_t lengths[NER_POSITIONS];             /* [rows] */
} ner_packed;

/* training: words are replaced by unknown at random, by options' seed and epoch; NULL: they stay. */
void ner_batches_pack(const ner_batches *batches, size_t batch, const ner_corpus *corpus, const ner_features *features,
                      const ner_batches_options *training, ner_packed *packed);

#endif

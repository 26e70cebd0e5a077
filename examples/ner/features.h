/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tagger sees of a word: the lower-cased word, its prefixes and suffixes (hashed), and its shape. Everything
 * becomes an index into a table of trained vectors. Words that a training set shows once or twice are too rare to be
 * known by their own vector alone; affixes and shape carry over to words that were never seen. */
#ifndef NER_FEATURES_H
#define NER_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "examples/ner/corpus.h"
#include "examples/ner/strings.h"

enum {
    NER_PADDING = 0, /* no token, or no affix of this length */
    NER_UNKNOWN = 1,
    NER_FIRST_ID = 2,
    NER_PREFIXES = 3,
    NER_SUFFIXES = 4,
    NER_AFFIXES = NER_PREFIXES + NER_SUFFIXES,
    NER_AFFIX_BUCKETS = 4096,
    NER_AFFIX_ROWS = NER_AFFIX_BUCKETS + 1, /* row 0 is padding */
    NER_SHAPES = 2,                         /* the shape, and the shape with runs collapsed */
    NER_SHAPE_SEEN = 2,                     /* rarer shapes are unknown */
};

/* String i has id i + NER_FIRST_ID. Shapes of both kinds stand in one table, told apart by their first byte. */
typedef struct ner_vocabulary {
    ner_strings words;
    ner_strings shapes;
} ner_vocabulary;

/* The indices of every token of a corpus. */
typedef struct ner_features {
    size_t n;
    int32_t *word;                 /* [n] */
    int32_t (*affix)[NER_AFFIXES]; /* [n]: prefixes of 1 to 3, then suffixes of 1 to 4 code points */
    int32_t (*shape)[NER_SHAPES];  /* [n] */
    double *unknown_chance;        /* [n]: 1 / (1 + count of the word in training); 0 for unknown words */
} ner_features;

/* All words of the corpus and the shapes that it has at least twice. vocabulary: zero-filled; empty after a failure. */
hl_status ner_vocabulary_build(ner_vocabulary *vocabulary, const ner_corpus *corpus, ner_error *error);
void ner_vocabulary_clear(ner_vocabulary *vocabulary);
size_t ner_vocabulary_word_rows(const ner_vocabulary *vocabulary);  /* of the table that word ids index */
size_t ner_vocabulary_shape_rows(const ner_vocabulary *vocabulary); /* of the table that shape ids index */

/* features: zero-filled; empty after a failure. */
hl_status ner_features_build(ner_features *features, const ner_corpus *corpus, const ner_vocabulary *vocabulary,
                             ner_error *error);
void ner_features_clear(ner_features *features);

/* The word id of a token in training: unknown instead of the word with the chance above, so that the vector of unknown
 * words gets trained, mostly in the place of rare ones. */
int32_t ner_features_training_word(const ner_features *features, size_t token, uint64_t seed, uint64_t epoch);

/* The lower-cased word; NULL when memory is out. Free it. */
char *ner_lower(const char *word);

/* X for an upper-case letter, x for a lower-case one, d for a digit, other ASCII characters as they are, ? for the
 * rest. shape: strlen(word) + 1 bytes. collapse: a run of equal characters becomes one. */
void ner_shape(const char *word, int collapse, char *shape);

/* FNV-1a of kind ('p' or 's') and the first or last n code points of a lower-cased word, as an id; NER_PADDING for a
 * word of fewer. */
int32_t ner_affix(const char *lower, char kind, size_t n);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences of tokens with labels. */
#ifndef NER_CORPUS_H
#define NER_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "examples/ner/error.h"

/* label, its tag */
#define NER_LABEL_LIST(X) \
    X(O, "O")             \
    X(B_PER, "B-PER")     \
    X(I_PER, "I-PER")     \
    X(B_LOC, "B-LOC")     \
    X(I_LOC, "I-LOC")     \
    X(B_ORG, "B-ORG")     \
    X(I_ORG, "I-ORG")

enum {
#define NER_LABEL_ENUM(name, tag) NER_##name,
    NER_LABEL_LIST(NER_LABEL_ENUM)
#undef NER_LABEL_ENUM
        NER_LABELS,
};

enum { NER_PER, NER_LOC, NER_ORG, NER_TYPES };

enum { NER_LONGEST = 160 }; /* tokens of a sentence that can be trained on and tagged */

const char *ner_label_tag(int32_t label); /* "?" for what is no label */
const char *ner_type_name(size_t type);

/* Label 2 type + 1 begins an entity of that type, the one after it continues it. The type of O is none. */
static inline int ner_label_begins(int32_t label) { return label % 2 == 1; }
static inline int ner_label_continues(int32_t label) { return label > 0 && label % 2 == 0; }
static inline size_t ner_label_type(int32_t label) { return (size_t)(label - 1) / 2; }

typedef struct ner_corpus {
    size_t n_sentences, n_tokens;
    size_t *first;   /* [n_sentences + 1]: sentence s has tokens first[s] to first[s + 1] - 1 */
    size_t *offset;  /* [n_tokens]: where the token's text begins */
    int32_t *labels; /* [n_tokens] */
    char *text;      /* the tokens, UTF-8, each with its end */
    size_t text_bytes;
    size_t token_capacity, sentence_capacity, text_capacity;
} ner_corpus;

/* A zero-filled corpus is an empty one. */
hl_status ner_corpus_add_token(ner_corpus *corpus, const char *token, size_t bytes, int32_t label, ner_error *error);
hl_status ner_corpus_end_sentence(ner_corpus *corpus, ner_error *error); /* nothing where no token was added */
void ner_corpus_clear(ner_corpus *corpus);

const char *ner_corpus_token(const ner_corpus *corpus, size_t token);
size_t ner_corpus_length(const ner_corpus *corpus, size_t sentence);

#endif

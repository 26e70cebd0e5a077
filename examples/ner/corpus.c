/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences of tokens, in arrays that grow. */
#include "examples/ner/corpus.h"

#include <stdlib.h>
#include <string.h>

const char *ner_label_tag(int32_t label) {
    static const char *const tags[] = {
#define TAG(name, tag) tag,
        NER_LABEL_LIST(TAG)
#undef TAG
    };
    return label >= 0 && label < NER_LABELS ? tags[label] : "?";
}

const char *ner_type_name(size_t type) { return type < NER_TYPES ? ner_label_tag((int32_t)(2 * type + 1)) + 2 : "?"; }

static int grow(void **items, size_t *capacity, size_t needed, size_t bytes) {
    if (needed <= *capacity) {
        return 0;
    }
    size_t wanted = *capacity ? 2 * *capacity : 64;
    if (wanted < needed) {
        wanted = needed;
    }
    void *grown = realloc(*items, wanted * bytes);
    if (!grown) {
        return -1;
    }
    *items = grown;
    *capacity = wanted;
    return 0;
}

hl_status ner_corpus_add_token(ner_corpus *corpus, const char *token, size_t bytes, int32_t label, ner_error *error) {
    size_t label_capacity = corpus->token_capacity;
    if (grow((void **)&corpus->labels, &label_capacity, corpus->n_tokens + 1, sizeof *corpus->labels) != 0 ||
        grow((void **)&corpus->offset, &corpus->token_capacity, corpus->n_tokens + 1, sizeof *corpus->offset) != 0 ||
        grow((void **)&corpus->text, &corpus->text_capacity, corpus->text_bytes + bytes + 1, 1) != 0) {
        return ner_fail_memory(error);
    }
    memcpy(corpus->text + corpus->text_bytes, token, bytes);
    corpus->text[corpus->text_bytes + bytes] = '\0';
    corpus->offset[corpus->n_tokens] = corpus->text_bytes;
    corpus->labels[corpus->n_tokens++] = label;
    corpus->text_bytes += bytes + 1;
    return HL_OK;
}

hl_status ner_corpus_end_sentence(ner_corpus *corpus, ner_error *error) {
    size_t begun = corpus->n_sentences ? corpus->first[corpus->n_sentences] : 0;
    if (corpus->n_tokens == begun) {
        return HL_OK;
    }
    if (grow((void **)&corpus->first, &corpus->sentence_capacity, corpus->n_sentences + 2, sizeof *corpus->first) !=
        0) {
        return ner_fail_memory(error);
    }
    corpus->first[0] = 0;
    corpus->first[++corpus->n_sentences] = corpus->n_tokens;
    return HL_OK;
}

void ner_corpus_clear(ner_corpus *corpus) {
    free(corpus->first);
    free(corpus->offset);
    free(corpus->labels);
    free(corpus->text);
    *corpus = (ner_corpus){0};
}

const char *ner_corpus_token(const ner_corpus *corpus, size_t token) { return corpus->text + corpus->offset[token]; }

size_t ner_corpus_length(const ner_corpus *corpus, size_t sentence) {
    return corpus->first[sentence + 1] - corpus->first[sentence];
}

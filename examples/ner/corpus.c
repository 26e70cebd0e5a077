/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading column files. Lines are checked one by one, so that a damaged file is refused at its first bad line rather
 * than trained on. */
#include "examples/ner/corpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

enum { COLUMNS = 5, COLUMN_INDEX = 0, COLUMN_TOKEN = 1, COLUMN_TAG = 2 };

typedef struct column {
    const char *text;
    size_t bytes;
} column;

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

/* Splits at tabs; returns how many columns there are, of which at most COLUMNS are stored. */
static size_t split(const char *line, size_t bytes, column columns[COLUMNS]) {
    size_t n = 0;
    const char *end = line + bytes;
    for (const char *begin = line;; n++) {
        const char *tab = memchr(begin, '\t', (size_t)(end - begin));
        const char *stop = tab ? tab : end;
        if (n < COLUMNS) {
            columns[n] = (column){begin, (size_t)(stop - begin)};
        }
        if (!tab) {
            return n + 1;
        }
        begin = tab + 1;
    }
}

/* The label of a tag; -1 for what is none. OTH is annotated in places only, and read as no entity. */
static int32_t label_of(column tag) {
    for (int32_t label = 0; label < NER_LABELS; label++) {
        if (strlen(ner_label_tag(label)) == tag.bytes && memcmp(ner_label_tag(label), tag.text, tag.bytes) == 0) {
            return label;
        }
    }
    if (tag.bytes == 5 && (memcmp(tag.text, "B-OTH", 5) == 0 || memcmp(tag.text, "I-OTH", 5) == 0)) {
        return NER_O;
    }
    return -1;
}

/* One line without its end. where: "file:line". */
static hl_status read_line(ner_corpus *corpus, const char *line, size_t bytes, const char *where, ner_error *error) {
    if (bytes == 0) {
        return ner_corpus_end_sentence(corpus, error);
    }
    if (bytes >= 2 && line[0] == '#' && line[1] == ' ') {
        return HL_OK;
    }
    column columns[COLUMNS];
    size_t n = split(line, bytes, columns);
    if (n != COLUMNS) {
        return ner_fail(error, HL_FORMAT, "%s: expected %d columns separated by tabs, found %zu", where, COLUMNS, n);
    }
    size_t begun = corpus->n_sentences ? corpus->first[corpus->n_sentences] : 0;
    size_t expected = corpus->n_tokens - begun + 1;
    char index[24];
    size_t digits = (size_t)snprintf(index, sizeof index, "%zu", expected);
    column found = columns[COLUMN_INDEX];
    if (found.bytes != digits || memcmp(found.text, index, digits) != 0) {
        return ner_fail(error, HL_FORMAT, "%s: expected token number %zu, found '%.*s'", where, expected,
                        (int)(found.bytes < 40 ? found.bytes : 40), found.text);
    }
    column token = columns[COLUMN_TOKEN];
    if (token.bytes == 0) {
        return ner_fail(error, HL_FORMAT, "%s: the token is empty", where);
    }
    if (memchr(token.text, '\0', token.bytes) || u8_check((const uint8_t *)token.text, token.bytes)) {
        return ner_fail(error, HL_FORMAT, "%s: the token is no UTF-8 text", where);
    }
    int32_t label = label_of(columns[COLUMN_TAG]);
    if (label < 0) {
        column tag = columns[COLUMN_TAG];
        return ner_fail(error, HL_FORMAT, "%s: unknown tag '%.*s'", where, (int)(tag.bytes < 40 ? tag.bytes : 40),
                        tag.text);
    }
    return ner_corpus_add_token(corpus, token.text, token.bytes, label, error);
}

static hl_status read_lines(ner_corpus *corpus, FILE *file, const char *path, ner_error *error) {
    hl_status status = HL_OK;
    char *line = NULL;
    size_t capacity = 0;
    size_t number = 0;
    ssize_t got;
    while (status == HL_OK && (got = getline(&line, &capacity, file)) >= 0) {
        size_t bytes = (size_t)got;
        if (bytes > 0 && line[bytes - 1] == '\n') {
            bytes--;
        }
        if (bytes > 0 && line[bytes - 1] == '\r') {
            bytes--;
        }
        char where[NER_ERROR_TEXT / 2];
        snprintf(where, sizeof where, "%s:%zu", path, ++number);
        status = read_line(corpus, line, bytes, where, error);
    }
    free(line);
    if (status == HL_OK && ferror(file)) {
        status = ner_fail(error, HL_SYSTEM, "%s: %s", path, strerror(errno));
    }
    if (status == HL_OK) {
        status = ner_corpus_end_sentence(corpus, error);
    }
    if (status == HL_OK && corpus->n_sentences == 0) {
        status = ner_fail(error, HL_FORMAT, "%s:%zu: the file has no sentence", path, number);
    }
    return status;
}

hl_status ner_corpus_read(ner_corpus *corpus, const char *path, ner_error *error) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return ner_fail(error, HL_SYSTEM, "%s: %s", path, strerror(errno));
    }
    hl_status status = read_lines(corpus, file, path, error);
    fclose(file);
    if (status != HL_OK) {
        ner_corpus_clear(corpus);
    }
    return status;
}

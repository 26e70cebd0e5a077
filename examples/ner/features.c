/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Words into indices. Code points, not bytes, are what affixes and shapes count, hence libunistring. */
#include "examples/ner/features.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

#include "examples/ner/random.h"

/* Longest shape that is looked up; a longer one is cut, as two words of that length hardly share one. */
enum { SHAPE_BYTES = 64 };

char *ner_lower(const char *word) {
    size_t bytes = 0;
    uint8_t *lower = u8_tolower((const uint8_t *)word, strlen(word) + 1, NULL, NULL, NULL, &bytes);
    return (char *)lower;
}

static char shape_of(ucs4_t point) {
    if (uc_is_property_uppercase(point)) {
        return 'X';
    }
    if (uc_is_property_lowercase(point)) {
        return 'x';
    }
    if (uc_decimal_value(point) >= 0) {
        return 'd';
    }
    return point < 128 ? (char)point : '?';
}

void ner_shape(const char *word, int collapse, char *shape) {
    const uint8_t *rest = (const uint8_t *)word;
    ucs4_t point;
    size_t n = 0;
    for (rest = u8_next(&point, rest); rest; rest = u8_next(&point, rest)) {
        char c = shape_of(point);
        if (!collapse || n == 0 || shape[n - 1] != c) {
            shape[n++] = c;
        }
    }
    shape[n] = '\0';
}

/* "0" or "1" (collapsed), then the shape; returns the bytes. */
static size_t shape_key(const char *word, int collapse, char key[SHAPE_BYTES + 1]) {
    char cut[SHAPE_BYTES];
    size_t bytes = strlen(word);
    if (bytes >= sizeof cut) {
        /* a cut through a code point would be no UTF-8: go back to its first byte */
        for (bytes = sizeof cut - 1; bytes > 0 && ((unsigned char)word[bytes] & 0xC0) == 0x80; bytes--) {}
    }
    memcpy(cut, word, bytes);
    cut[bytes] = '\0';
    key[0] = collapse ? '1' : '0';
    ner_shape(cut, collapse, key + 1);
    return strlen(key);
}

int32_t ner_affix(const char *lower, char kind, size_t n) {
    const uint8_t *text = (const uint8_t *)lower;
    size_t bytes = strlen(lower);
    size_t points = u8_mbsnlen(text, bytes);
    if (points < n) {
        return NER_PADDING;
    }
    const uint8_t *cut = text;
    ucs4_t point;
    for (size_t skip = kind == 'p' ? n : points - n; skip > 0; skip--) {
        cut = u8_next(&point, cut);
    }
    uint32_t hash = ner_hash(NER_HASH_START, &kind, 1);
    size_t before = (size_t)(cut - text);
    hash = kind == 'p' ? ner_hash(hash, text, before) : ner_hash(hash, cut, bytes - before);
    return 1 + (int32_t)(hash % NER_AFFIX_BUCKETS);
}

/* All shapes, then only those that were seen often enough, in the same order. */
static hl_status build_shapes(ner_strings *shapes, const ner_corpus *corpus, ner_error *error) {
    ner_strings all = {0};
    hl_status status = HL_OK;
    char key[SHAPE_BYTES + 1];
    for (size_t token = 0; status == HL_OK && token < corpus->n_tokens; token++) {
        for (int kind = 0; status == HL_OK && kind < NER_SHAPES; kind++) {
            size_t bytes = shape_key(ner_corpus_token(corpus, token), kind, key);
            if (ner_strings_add(&all, key, bytes) == NER_STRINGS_NONE) {
                status = ner_fail_memory(error);
            }
        }
    }
    for (size_t i = 0; status == HL_OK && i < all.n; i++) {
        if (all.count[i] >= NER_SHAPE_SEEN && ner_strings_add(shapes, all.text[i], all.bytes[i]) == NER_STRINGS_NONE) {
            status = ner_fail_memory(error);
        }
    }
    ner_strings_clear(&all);
    return status;
}

hl_status ner_vocabulary_build(ner_vocabulary *vocabulary, const ner_corpus *corpus, ner_error *error) {
    hl_status status = HL_OK;
    for (size_t token = 0; status == HL_OK && token < corpus->n_tokens; token++) {
        char *lower = ner_lower(ner_corpus_token(corpus, token));
        if (!lower || ner_strings_add(&vocabulary->words, lower, strlen(lower)) == NER_STRINGS_NONE) {
            status = ner_fail_memory(error);
        }
        free(lower);
    }
    if (status == HL_OK) {
        status = build_shapes(&vocabulary->shapes, corpus, error);
    }
    if (status != HL_OK) {
        ner_vocabulary_clear(vocabulary);
    }
    return status;
}

void ner_vocabulary_clear(ner_vocabulary *vocabulary) {
    ner_strings_clear(&vocabulary->words);
    ner_strings_clear(&vocabulary->shapes);
}

size_t ner_vocabulary_word_rows(const ner_vocabulary *vocabulary) { return NER_FIRST_ID + vocabulary->words.n; }

size_t ner_vocabulary_shape_rows(const ner_vocabulary *vocabulary) { return NER_FIRST_ID + vocabulary->shapes.n; }

static int32_t id_of(size_t number) {
    return number == NER_STRINGS_NONE ? NER_UNKNOWN : (int32_t)(NER_FIRST_ID + number);
}

static hl_status fill_token(ner_features *features, size_t token, const char *word, const ner_vocabulary *vocabulary,
                            ner_error *error) {
    char *lower = ner_lower(word);
    if (!lower) {
        return ner_fail_memory(error);
    }
    size_t number = ner_strings_find(&vocabulary->words, lower, strlen(lower));
    features->word[token] = id_of(number);
    features->unknown_chance[token] = number == NER_STRINGS_NONE ? 0 : 1.0 / (1.0 + vocabulary->words.count[number]);
    for (size_t n = 1; n <= NER_PREFIXES; n++) {
        features->affix[token][n - 1] = ner_affix(lower, 'p', n);
    }
    for (size_t n = 1; n <= NER_SUFFIXES; n++) {
        features->affix[token][NER_PREFIXES + n - 1] = ner_affix(lower, 's', n);
    }
    char key[SHAPE_BYTES + 1];
    for (int kind = 0; kind < NER_SHAPES; kind++) {
        size_t bytes = shape_key(word, kind, key);
        features->shape[token][kind] = id_of(ner_strings_find(&vocabulary->shapes, key, bytes));
    }
    free(lower);
    return HL_OK;
}

hl_status ner_features_build(ner_features *features, const ner_corpus *corpus, const ner_vocabulary *vocabulary,
                             ner_error *error) {
    size_t n = corpus->n_tokens;
    hl_status status = HL_OK;
    features->n = n;
    features->word = calloc(n + 1, sizeof *features->word);
    features->affix = calloc(n + 1, sizeof *features->affix);
    features->shape = calloc(n + 1, sizeof *features->shape);
    features->unknown_chance = calloc(n + 1, sizeof *features->unknown_chance);
    if (!features->word || !features->affix || !features->shape || !features->unknown_chance) {
        status = ner_fail_memory(error);
    }
    for (size_t token = 0; status == HL_OK && token < n; token++) {
        status = fill_token(features, token, ner_corpus_token(corpus, token), vocabulary, error);
    }
    if (status != HL_OK) {
        ner_features_clear(features);
    }
    return status;
}

void ner_features_clear(ner_features *features) {
    free(features->word);
    free(features->affix);
    free(features->shape);
    free(features->unknown_chance);
    *features = (ner_features){0};
}

int32_t ner_features_training_word(const ner_features *features, size_t token, uint64_t seed, uint64_t epoch) {
    uint32_t word = ner_random_word(seed, ner_random_stream(NER_STREAM_UNKNOWN, epoch), token);
    /* 2^-32 is exact, and so is the product */
    return word * 0x1p-32 < features->unknown_chance[token] ? NER_UNKNOWN : features->word[token];
}

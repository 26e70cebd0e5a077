/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cutting a line into tokens. */
#include "examples/ner/tokens.h"

#include <ctype.h>
#include <string.h>

#include "examples/ner/lines.h"

typedef struct cutter {
    ner_corpus *corpus;
    ner_error *error;
    size_t longest, n;
} cutter;

static hl_status add(cutter *cut, const char *text, size_t bytes) {
    if (bytes == 0) {
        return HL_OK;
    }
    hl_status status = HL_OK;
    if (cut->n == cut->longest) {
        status = ner_corpus_end_sentence(cut->corpus, cut->error);
        cut->n = 0;
    }
    if (status == HL_OK) {
        status = ner_corpus_add_token(cut->corpus, text, bytes, NER_O, cut->error);
        cut->n++;
    }
    return status;
}

static int is_mark(char c) { return c != '\0' && strchr(".,;:!?()[]{}\"'`", c) != NULL; }

/* The dot of "U.S." and of single initials belongs to the word. */
static int keeps_dot(const char *word, size_t bytes) {
    return word[bytes - 1] == '.' && (memchr(word, '.', bytes - 1) || (bytes == 2 && isupper((unsigned char)word[0])));
}

/* Bytes of 's, 're, ... or n't at the end of a word; 0 where there is none. */
static size_t clitic(const char *word, size_t bytes) {
    static const char *const endings[] = {"n't", "N'T", "'s", "'S", "'re", "'ve", "'ll", "'d", "'m"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (bytes >= n && memcmp(word + bytes - n, endings[i], n) == 0) {
            return n;
        }
    }
    return 0;
}

static hl_status add_word(cutter *cut, const char *word, size_t bytes) {
    hl_status status = HL_OK;
    while (status == HL_OK && bytes > 1 && is_mark(*word) && clitic(word, bytes) != bytes) {
        status = add(cut, word++, 1);
        bytes--;
    }
    size_t kept = bytes;
    while (kept > 1 && is_mark(word[kept - 1]) && !keeps_dot(word, kept)) {
        kept--;
    }
    size_t behind = clitic(word, kept);
    if (status == HL_OK) {
        status = add(cut, word, kept - behind);
    }
    if (status == HL_OK) {
        status = add(cut, word + kept - behind, behind);
    }
    for (size_t i = kept; status == HL_OK && i < bytes; i++) {
        status = add(cut, word + i, 1);
    }
    return status;
}

static int is_blank(char c) { return strchr(" \t\r\n\v\f", c) != NULL; }

hl_status ner_tokens_add(ner_corpus *corpus, const char *line, size_t bytes, size_t longest, ner_error *error) {
    const char *fault = ner_text_fault(line, bytes);
    if (fault) {
        return ner_fail(error, HL_FORMAT, "%s", fault);
    }
    cutter cut = {.corpus = corpus, .error = error, .longest = longest};
    hl_status status = HL_OK;
    for (size_t begin = 0, end; status == HL_OK && begin < bytes; begin = end) {
        for (; begin < bytes && is_blank(line[begin]); begin++) {}
        for (end = begin; end < bytes && !is_blank(line[end]); end++) {}
        if (end > begin) {
            status = add_word(&cut, line + begin, end - begin);
        }
    }
    return status == HL_OK ? ner_corpus_end_sentence(corpus, error) : status;
}

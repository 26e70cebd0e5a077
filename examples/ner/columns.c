/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading column files line by line. Tags are kept as they stand until the whole file is read, because only then it is
 * known what they mean. */
#include "examples/ner/columns.h"

#include <stdlib.h>
#include <string.h>

#include "examples/ner/lines.h"
#include "examples/ner/scheme.h"

enum { COLUMNS = 5, COLUMN_INDEX = 0, COLUMN_TOKEN = 1, COLUMN_TAG = 2, LINE_BYTES = 1 << 20 };

static const char DOCUMENT[] = "-DOCSTART-";

typedef struct column {
    const char *text;
    size_t bytes;
} column;

typedef struct reader {
    ner_lines lines;
    ner_corpus *corpus;
    ner_tag *tags; /* [corpus->n_tokens] */
    size_t capacity;
    size_t begun; /* the line of the sentence's first token */
    ner_error *error;
} reader;

static int is_blank(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        if (!strchr(" \t\r\v\f", text[i])) {
            return 0;
        }
    }
    return 1;
}

static int is_document(column c) {
    size_t n = sizeof DOCUMENT - 1;
    return c.bytes >= n && memcmp(c.text, DOCUMENT, n) == 0 && is_blank(c.text + n, c.bytes > n);
}

static int is_comment(const ner_lines *lines) {
    return lines->text[0] == '#' && (lines->text[1] == ' ' || !memchr(lines->text, '\t', lines->bytes));
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

static hl_status add(reader *r, column token, ner_tag tag) {
    if (r->corpus->n_tokens == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 1024;
        ner_tag *tags = realloc(r->tags, capacity * sizeof *tags);
        if (!tags) {
            return ner_fail_memory(r->error);
        }
        r->tags = tags;
        r->capacity = capacity;
    }
    r->tags[r->corpus->n_tokens] = tag;
    return ner_corpus_add_token(r->corpus, token.text, token.bytes, NER_O, r->error);
}

static size_t sentence_length(const ner_corpus *corpus) {
    return corpus->n_tokens - (corpus->n_sentences ? corpus->first[corpus->n_sentences] : 0);
}

static hl_status read_row(reader *r) {
    const ner_lines *lines = &r->lines;
    column columns[COLUMNS];
    char shown[NER_SHOWN], index[24];
    size_t n = split(lines->text, lines->bytes, columns);
    if (n != COLUMNS) {
        return ner_lines_fail(lines, r->error, "expected %d columns separated by tabs, found %zu", COLUMNS, n);
    }
    size_t length = sentence_length(r->corpus), expected = length + 1;
    column found = columns[COLUMN_INDEX], token = columns[COLUMN_TOKEN], written = columns[COLUMN_TAG];
    size_t digits = (size_t)snprintf(index, sizeof index, "%zu", expected);
    if (found.bytes != digits || memcmp(found.text, index, digits) != 0) {
        return ner_lines_fail(lines, r->error, "expected token number %zu, found '%s'", expected,
                              ner_shown(found.text, found.bytes, shown));
    }
    if (is_blank(token.text, token.bytes)) {
        return ner_lines_fail(lines, r->error, "the token is empty");
    }
    ner_tag tag = {.line = lines->number};
    if (ner_tag_read(&tag, written.text, written.bytes) != 0) {
        return ner_lines_fail(lines, r->error, "unknown tag '%s'", ner_shown(written.text, written.bytes, shown));
    }
    if (is_document(token)) {
        return length == 0 ? HL_OK : ner_lines_fail(lines, r->error, "%s within a sentence", DOCUMENT);
    }
    if (length == NER_LONGEST) {
        return ner_lines_fail(lines, r->error, "the sentence that begins at line %zu has more than %d tokens", r->begun,
                              NER_LONGEST);
    }
    r->begun = length == 0 ? lines->number : r->begun;
    return add(r, token, tag);
}

static hl_status read_line(reader *r) {
    const ner_lines *lines = &r->lines;
    if (lines->number == 1 && lines->bytes >= 2 &&
        (memcmp(lines->text, "\xFF\xFE", 2) == 0 || memcmp(lines->text, "\xFE\xFF", 2) == 0)) {
        return ner_lines_fail(lines, r->error, "the file is UTF-16; UTF-8 is expected");
    }
    const char *fault = ner_text_fault(lines->text, lines->bytes);
    if (fault) {
        return ner_lines_fail(lines, r->error, "%s", fault);
    }
    if (is_blank(lines->text, lines->bytes) || is_document((column){lines->text, lines->bytes})) {
        return ner_corpus_end_sentence(r->corpus, r->error);
    }
    if (is_comment(lines)) {
        return HL_OK;
    }
    if (memchr(lines->text, '\r', lines->bytes)) {
        return ner_lines_fail(lines, r->error, "a carriage return within the line");
    }
    if (lines->bytes >= 3 && memcmp(lines->text, "\xEF\xBB\xBF", 3) == 0) {
        return ner_lines_fail(lines, r->error, "a byte order mark elsewhere than at the beginning of the file");
    }
    return read_row(r);
}

static hl_status read_file(reader *r) {
    hl_status status = HL_OK;
    for (int more = 1; status == HL_OK && more;) {
        status = ner_lines_next(&r->lines, &more, r->error);
        if (status == HL_OK && more) {
            status = read_line(r);
        }
    }
    if (status == HL_OK) {
        status = ner_corpus_end_sentence(r->corpus, r->error);
    }
    if (status == HL_OK && r->corpus->n_sentences == 0) {
        status = ner_lines_fail(&r->lines, r->error, "the file has no sentence");
    }
    return status;
}

hl_status ner_columns_read(ner_corpus *corpus, const char *path, ner_error *error) {
    reader r = {.corpus = corpus, .error = error};
    hl_status status = ner_lines_open(&r.lines, path, LINE_BYTES, error);
    if (status == HL_OK) {
        status = read_file(&r);
    }
    if (status == HL_OK) {
        status = ner_scheme_labels(r.tags, corpus->first, corpus->n_sentences, r.lines.name, corpus->labels, error);
    }
    ner_lines_close(&r.lines);
    free(r.tags);
    if (status != HL_OK) {
        ner_corpus_clear(corpus);
    }
    return status;
}

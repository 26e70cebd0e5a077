/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From lines of text to words with brackets, and to a picture. */
#include "examples/ner/sentences.h"

#include <stdlib.h>
#include <string.h>

#include "examples/ner/draw.h"
#include "examples/ner/output.h"
#include "examples/ner/tokens.h"

enum { MOST_HEADS = NER_BLOCK_HEADS > NER_THREE ? NER_BLOCK_HEADS : NER_THREE, TITLE = 32 };

static void print_sentence(const ner_corpus *corpus, size_t sentence, const ner_span *spans, size_t n_spans,
                           FILE *file) {
    size_t first = corpus->first[sentence];
    size_t n = ner_corpus_length(corpus, sentence);
    const ner_span *span = spans;
    for (size_t i = 0; i < n; i++) {
        int in_span = span < spans + n_spans && span->begin <= i;
        fputs(first + i > 0 ? " " : "", file);
        if (in_span && span->begin == i) {
            fprintf(file, "[%s ", ner_type_name(span->type));
        }
        fputs(ner_corpus_token(corpus, first + i), file);
        if (in_span && span->end == i + 1) {
            fputc(']', file);
            span++;
        }
    }
}

hl_status ner_sentence_print(ner_tagger *tagger, const char *line, size_t bytes, FILE *file, ner_error *error) {
    ner_corpus corpus = {0};
    hl_status status = ner_tokens_add(&corpus, line, bytes, NER_LONGEST, error);
    int32_t *labels = malloc((corpus.n_tokens + 1) * sizeof *labels);
    ner_span *spans = malloc((corpus.n_tokens + 1) * sizeof *spans);
    if (status == HL_OK) {
        status = labels && spans ? ner_tagger_tag(tagger, &corpus, labels, error) : ner_fail_memory(error);
    }
    for (size_t s = 0; status == HL_OK && s < corpus.n_sentences; s++) {
        size_t n_spans = ner_spans_find(labels + corpus.first[s], ner_corpus_length(&corpus, s), spans);
        print_sentence(&corpus, s, spans, n_spans, file);
    }
    if (status == HL_OK) {
        fputc('\n', file);
    }
    free(labels);
    free(spans);
    ner_corpus_clear(&corpus);
    return status;
}

hl_status ner_sentences_answer(ner_tagger *tagger, ner_lines *lines, FILE *file, const char *name, FILE *complaints,
                               ner_error *error) {
    size_t refused = 0;
    hl_status status = HL_OK;
    for (int more = 1; status == HL_OK && more;) {
        status = ner_lines_next(lines, &more, error);
        if (status != HL_OK || !more) {
            break;
        }
        status = ner_sentence_print(tagger, lines->text, lines->bytes, file, error);
        if (status == HL_FORMAT) { /* only this line is bad */
            refused++;
            fputc('\n', file);
            fprintf(complaints, "hl-ner: line %zu: %s\n", lines->number, error->text);
            status = HL_OK;
        }
        if (status == HL_OK) {
            status = ner_output_flush(file, name, error);
        }
    }
    if (status == HL_OK && refused > 0) {
        status = ner_fail(error, HL_FORMAT, "%zu of %zu lines were not tagged", refused, lines->number);
    }
    return status;
}

hl_status ner_sentence_check(const char *line, ner_error *error) {
    ner_corpus corpus = {0};
    hl_status status = ner_tokens_add(&corpus, line, strlen(line), NER_LONGEST, error);
    if (status == HL_OK && corpus.n_sentences == 0) {
        status = ner_fail(error, HL_INVALID_ARGUMENT, "there are no words in it");
    }
    ner_corpus_clear(&corpus);
    return status;
}

static hl_status draw(const ner_tagger *tagger, const ner_corpus *corpus, const int32_t *labels, const float *weights,
                      size_t heads, const char *path, ner_error *error) {
    char names[MOST_HEADS][TITLE], subtitle[160];
    const char *titles[MOST_HEADS];
    size_t n = ner_corpus_length(corpus, 0);
    for (size_t h = 0; h < heads; h++) {
        snprintf(names[h], sizeof names[h], "head %zu", h + 1);
        titles[h] = names[h];
    }
    snprintf(subtitle, sizeof subtitle, "rung (%s), %s; a row shows where its word looks",
             ner_rung_sign(tagger->model.rung), ner_rung_text(tagger->model.rung));
    const char **tokens = malloc(n * sizeof *tokens);
    if (!tokens) {
        return ner_fail_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        tokens[i] = ner_corpus_token(corpus, i);
    }
    ner_picture picture = {.title = "What each head looks at",
                           .subtitle = subtitle,
                           .n_tokens = n,
                           .tokens = tokens,
                           .labels = labels,
                           .n_heads = heads,
                           .columns = 2,
                           .heads = titles,
                           .weights = weights};
    hl_status status = ner_picture_draw(&picture, path, error);
    free(tokens);
    return status;
}

hl_status ner_sentence_draw(ner_tagger *tagger, const char *line, const char *path, ner_error *error) {
    ner_corpus corpus = {0};
    float *weights = NULL;
    size_t heads = 0;
    hl_status status = ner_sentence_check(line, error);
    if (status == HL_OK) {
        status = ner_tokens_add(&corpus, line, strlen(line), NER_LONGEST, error);
    }
    int32_t *labels = malloc((corpus.n_tokens + 1) * sizeof *labels);
    if (status == HL_OK) {
        status = labels ? ner_tagger_look(tagger, &corpus, 0, labels, &weights, &heads, error) : ner_fail_memory(error);
    }
    if (status == HL_OK) {
        status = draw(tagger, &corpus, labels, weights, heads, path, error);
    }
    free(weights);
    free(labels);
    ner_corpus_clear(&corpus);
    return status;
}

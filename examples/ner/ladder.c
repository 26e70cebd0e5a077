/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table and its rows. */
#include "examples/ner/ladder.h"

#include <stdlib.h>

#include "examples/ner/columns.h"
#include "examples/ner/lookup.h"
#include "examples/ner/output.h"
#include "examples/ner/progress.h"

/* ---- data ---- */

static hl_status read_part(ner_corpus *corpus, const char *folder, const char *part, ner_error *error) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/en_ewt-ud-%s.iob2", folder, part);
    if (n < 0 || (size_t)n >= sizeof path) {
        return ner_fail(error, HL_INVALID_ARGUMENT, "the name of the data folder is too long: %.60s...", folder);
    }
    return ner_columns_read(corpus, path, error);
}

hl_status ner_data_read(ner_data *data, const char *folder, ner_error *error) {
    hl_status status = read_part(&data->train, folder, "train", error);
    if (status == HL_OK) {
        status = read_part(&data->dev, folder, "dev", error);
    }
    if (status == HL_OK) {
        status = read_part(&data->test, folder, "test", error);
    }
    if (status == HL_OK) {
        status = ner_vocabulary_build(&data->vocabulary, &data->train, error);
    }
    if (status != HL_OK) {
        ner_data_clear(data);
    }
    return status;
}

void ner_data_clear(ner_data *data) {
    ner_corpus_clear(&data->train);
    ner_corpus_clear(&data->dev);
    ner_corpus_clear(&data->test);
    ner_vocabulary_clear(&data->vocabulary);
}

/* ---- rows ---- */

typedef struct row {
    const char *sign, *text;
    size_t parameters;
    double dev, test; /* F1 */
    double tokens_per_second, seconds;
} row;

static hl_status print_head(FILE *table, ner_error *error) {
    fprintf(table, "%-6s %-52s %10s %7s %8s %9s %8s\n", "rung", "what", "parameters", "dev F1", "test F1", "tokens/s",
            "seconds");
    return ner_output_flush(table, "the table", error);
}

static hl_status print_row(FILE *table, const row *r, ner_error *error) {
    fprintf(table, "%-6s %-52s %10zu %7.1f %8.1f", r->sign, r->text, r->parameters, r->dev, r->test);
    if (r->tokens_per_second > 0) {
        fprintf(table, " %9.0f %8.1f\n", r->tokens_per_second, r->seconds);
    } else {
        fprintf(table, " %9s %8.1f\n", "", r->seconds);
    }
    return ner_output_flush(table, "the table", error);
}

/* ---- the floor ---- */

static hl_status score_lookup(const ner_lookup *lookup, const ner_corpus *corpus, double *f1, ner_error *error) {
    ner_counts counts = {.correct = {0}};
    hl_status status = HL_OK;
    for (size_t s = 0; status == HL_OK && s < corpus->n_sentences; s++) {
        size_t n = ner_corpus_length(corpus, s);
        int32_t *labels = malloc(n * sizeof *labels);
        ner_span *spans = malloc(2 * n * sizeof *spans);
        status = labels && spans ? ner_lookup_tag(lookup, corpus, s, labels, error) : ner_fail_memory(error);
        if (status == HL_OK) {
            ner_counts_add(&counts, corpus->labels + corpus->first[s], labels, n, spans);
        }
        free(labels);
        free(spans);
    }
    *f1 = ner_counts_score(&counts).f1;
    return status;
}

hl_status ner_ladder_begin(const ner_data *data, const ner_ladder_options *options, ner_error *error) {
    row r = {.sign = "floor", .text = "mentions of the training set looked up"};
    ner_lookup lookup = {0};
    uint64_t begun = ner_now_ns();
    hl_status status = ner_lookup_build(&lookup, &data->train, error);
    if (status == HL_OK) {
        status = score_lookup(&lookup, &data->dev, &r.dev, error);
    }
    if (status == HL_OK) {
        status = score_lookup(&lookup, &data->test, &r.test, error);
    }
    ner_lookup_clear(&lookup);
    if (status == HL_OK) {
        r.seconds = (double)(ner_now_ns() - begun) * 1e-9;
        status = print_head(options->table, error);
    }
    if (status == HL_OK) {
        status = print_row(options->table, &r, error);
    }
    return status;
}

/* ---- the rungs ---- */

static hl_status score_tagger(ner_tagger *tagger, const ner_corpus *corpus, double *f1, ner_error *error) {
    ner_counts counts = {.correct = {0}};
    hl_status status = ner_tagger_score(tagger, corpus, &counts, error);
    *f1 = ner_counts_score(&counts).f1;
    return status;
}

hl_status ner_ladder_climb(const ner_data *data, hl_runtime *runtime, ner_rung rung, const ner_ladder_options *options,
                           ner_tagger *tagger, ner_error *error) {
    row r = {.sign = ner_rung_sign(rung), .text = ner_rung_text(rung)};
    ner_train_options train = options->train;
    train.title = r.sign;
    ner_tagger_options asked = {.rung = rung, .seed = options->seed, .decay = options->decay};
    ner_trained trained = {0};
    ner_tagger made = {0};
    hl_status status = ner_tagger_create(&made, runtime, &data->vocabulary, &asked, error);
    if (status == HL_OK) {
        status = ner_train(&made, &data->train, &train, &trained, error);
    }
    if (status == HL_OK) {
        status = score_tagger(&made, &data->dev, &r.dev, error);
    }
    if (status == HL_OK) {
        status = score_tagger(&made, &data->test, &r.test, error);
    }
    if (status == HL_OK) {
        r.parameters = ner_tagger_parameters(&made);
        r.seconds = trained.seconds;
        r.tokens_per_second = trained.seconds > 0 ? (double)trained.tokens / trained.seconds : 0;
        status = print_row(options->table, &r, error);
    }
    if (status != HL_OK) {
        ner_tagger_clear(&made);
        return status;
    }
    *tagger = made;
    return HL_OK;
}

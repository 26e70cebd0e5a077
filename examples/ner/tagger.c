/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs by shape over one state; training, tagging and looking with them. */
#include "examples/ner/tagger.h"

#include <stdlib.h>
#include <string.h>

hl_status ner_tagger_create(ner_tagger *tagger, hl_runtime *runtime, const ner_vocabulary *vocabulary,
                            const ner_tagger_options *options, ner_error *error) {
    *tagger = (ner_tagger){.runtime = runtime, .vocabulary = vocabulary};
    tagger->model = (ner_model){.rung = options->rung,
                                .word_rows = ner_vocabulary_word_rows(vocabulary),
                                .shape_rows = ner_vocabulary_shape_rows(vocabulary),
                                .seed = options->seed,
                                .decay = options->decay};
    hl_status status = hl_state_create(&tagger->state);
    return status == HL_OK ? HL_OK : ner_fail(error, status, "no state: %s", hl_status_string(status));
}

static void clear_unit(ner_unit *unit) {
    hl_program_destroy(unit->program);
    ner_network_clear(&unit->network);
    unit->program = NULL;
}

void ner_tagger_clear(ner_tagger *tagger) {
    for (size_t bucket = 0; bucket < NER_BUCKETS; bucket++) {
        clear_unit(&tagger->training[bucket]);
        clear_unit(&tagger->tagging[bucket]);
    }
    hl_state_destroy(tagger->state);
    *tagger = (ner_tagger){0};
}

/* Moments and counts are in the state, too: their names hold a slash or are "step". */
static int is_parameter(const char *name) { return !strchr(name, '/') && strcmp(name, "step") != 0; }

size_t ner_tagger_parameters(const ner_tagger *tagger) {
    size_t n = 0;
    for (size_t i = 0; i < hl_state_count(tagger->state); i++) {
        const char *name;
        hl_shape shape;
        if (hl_state_tensor(tagger->state, i, &name, NULL, &shape) == HL_OK && is_parameter(name)) {
            n += hl_shape_elements(&shape);
        }
    }
    return n;
}

/* ---- programs ---- */

static hl_status write(ner_unit *unit, hl_tensor *tensor, const void *data, size_t bytes, ner_error *error) {
    if (!tensor) {
        return HL_OK; /* this network has no use for it */
    }
    hl_status status = hl_program_write(unit->program, tensor, data, bytes);
    return status == HL_OK ? HL_OK : ner_fail(error, status, "%s", hl_program_error(unit->program));
}

static hl_status read(ner_unit *unit, hl_tensor *tensor, void *data, size_t bytes, ner_error *error) {
    hl_status status = hl_program_read(unit->program, tensor, data, bytes);
    return status == HL_OK ? HL_OK : ner_fail(error, status, "%s", hl_program_error(unit->program));
}

static hl_status write_distances(ner_unit *unit, ner_error *error) {
    size_t n = unit->network.tokens;
    if (!unit->network.distance) {
        return HL_OK;
    }
    int32_t *distance = malloc(n * n * sizeof *distance);
    if (!distance) {
        return ner_fail_memory(error);
    }
    hl_nn_distances(distance, n, n, NER_REACH);
    hl_status status = write(unit, unit->network.distance, distance, n * n * sizeof *distance, error);
    free(distance);
    return status;
}

typedef struct unit_shape {
    size_t rows, tokens;
    int training; /* else: tagging */
    int looks;    /* the last attention's weights are read, too */
} unit_shape;

/* Makes the unit where it is not there yet. */
static hl_status need_unit(ner_tagger *tagger, ner_unit *unit, unit_shape shape, ner_error *error) {
    if (unit->program) {
        return HL_OK;
    }
    hl_status status = ner_network_build(&unit->network, &tagger->model, shape.rows, shape.tokens, shape.training);
    if (status != HL_OK) {
        return ner_fail(error, status, "no graph: %s", hl_status_string(status));
    }
    ner_network *network = &unit->network;
    hl_tensor *outputs[2] = {network->logits};
    size_t n_outputs = 1;
    if (shape.training) {
        outputs[0] = network->loss;
        outputs[n_outputs++] = network->step;
    } else if (shape.looks) {
        outputs[n_outputs++] = network->weights[network->n_weights - 1];
    }
    status = hl_program_create(tagger->runtime, network->graph, tagger->state, outputs, n_outputs, &unit->program);
    if (status != HL_OK) {
        ner_fail(error, status, "batches of %zu x %zu tokens: %s", shape.rows, shape.tokens,
                 hl_graph_error(network->graph));
    } else {
        status = write_distances(unit, error);
    }
    if (status != HL_OK) {
        clear_unit(unit);
    }
    return status;
}

static hl_status write_batch(ner_unit *unit, const ner_packed *batch, ner_error *error) {
    const ner_network *network = &unit->network;
    size_t n = batch->rows * batch->tokens;
    hl_status status = write(unit, network->word, batch->word, n * sizeof *batch->word, error);
    if (status == HL_OK) {
        status = write(unit, network->affix, batch->affix, n * NER_AFFIXES * sizeof *batch->affix, error);
    }
    if (status == HL_OK) {
        status = write(unit, network->shape, batch->shape, n * NER_SHAPES * sizeof *batch->shape, error);
    }
    if (status == HL_OK) {
        status = write(unit, network->lengths, batch->lengths, batch->rows * sizeof *batch->lengths, error);
    }
    if (status == HL_OK) {
        status = write(unit, network->labels, batch->labels, n * sizeof *batch->labels, error);
    }
    return status;
}

static hl_status run(ner_unit *unit, ner_error *error) {
    hl_status status = hl_program_run(unit->program);
    return status == HL_OK ? HL_OK : ner_fail(error, status, "%s", hl_program_error(unit->program));
}

/* ---- training ---- */

hl_status ner_tagger_train(ner_tagger *tagger, const ner_packed *batch, size_t bucket, float rate, float *loss,
                           ner_error *error) {
    ner_unit *unit = &tagger->training[bucket];
    unit_shape shape = {.rows = batch->rows, .tokens = batch->tokens, .training = 1};
    hl_status status = need_unit(tagger, unit, shape, error);
    if (status == HL_OK) {
        status = write_batch(unit, batch, error);
    }
    if (status == HL_OK) {
        status = write(unit, unit->network.rate, &rate, sizeof rate, error);
    }
    if (status == HL_OK) {
        status = run(unit, error);
    }
    if (status == HL_OK) {
        status = read(unit, unit->network.loss, loss, sizeof *loss, error);
    }
    return status;
}

/* ---- tagging ---- */

/* What tagging a corpus works with. */
typedef struct desk {
    ner_features features;
    ner_batches batches;
    ner_packed packed;
    float logits[NER_POSITIONS * NER_LABELS];
    unsigned char scratch[NER_LONGEST * NER_LABELS];
} desk;

static hl_status tag_batch(ner_tagger *tagger, const ner_corpus *corpus, desk *d, size_t number, int32_t *labels,
                           ner_error *error) {
    const ner_batch *batch = &d->batches.batch[number];
    ner_unit *unit = &tagger->tagging[batch->bucket];
    ner_batches_pack(&d->batches, number, corpus, &d->features, NULL, &d->packed);
    size_t tokens = d->packed.tokens, n = d->packed.rows * tokens;
    hl_status status = need_unit(tagger, unit, (unit_shape){.rows = d->packed.rows, .tokens = tokens}, error);
    if (status == HL_OK) {
        status = write_batch(unit, &d->packed, error);
    }
    if (status == HL_OK) {
        status = run(unit, error);
    }
    if (status == HL_OK) {
        status = read(unit, unit->network.logits, d->logits, n * NER_LABELS * sizeof *d->logits, error);
    }
    for (size_t row = 0; status == HL_OK && row < batch->n; row++) {
        size_t sentence = d->batches.order[batch->first + row];
        ner_spans_decode(d->logits + row * tokens * NER_LABELS, ner_corpus_length(corpus, sentence),
                         labels + corpus->first[sentence], d->scratch);
    }
    return status;
}

hl_status ner_tagger_tag(ner_tagger *tagger, const ner_corpus *corpus, int32_t *labels, ner_error *error) {
    if (corpus->n_sentences == 0) {
        return HL_OK;
    }
    desk *d = calloc(1, sizeof *d);
    if (!d) {
        return ner_fail_memory(error);
    }
    hl_status status = ner_features_build(&d->features, corpus, tagger->vocabulary, error);
    if (status == HL_OK) {
        status = ner_batches_build(&d->batches, corpus, &(ner_batches_options){.shuffle = 0}, error);
    }
    for (size_t b = 0; status == HL_OK && b < d->batches.n; b++) {
        status = tag_batch(tagger, corpus, d, b, labels, error);
    }
    ner_batches_clear(&d->batches);
    ner_features_clear(&d->features);
    free(d);
    return status;
}

hl_status ner_tagger_score(ner_tagger *tagger, const ner_corpus *corpus, ner_counts *counts, ner_error *error) {
    int32_t *labels = malloc((corpus->n_tokens + 1) * sizeof *labels);
    ner_span *spans = malloc((2 * (size_t)NER_LONGEST) * sizeof *spans);
    hl_status status = labels && spans ? ner_tagger_tag(tagger, corpus, labels, error) : ner_fail_memory(error);
    for (size_t s = 0; status == HL_OK && s < corpus->n_sentences; s++) {
        size_t first = corpus->first[s];
        ner_counts_add(counts, corpus->labels + first, labels + first, ner_corpus_length(corpus, s), spans);
    }
    free(labels);
    free(spans);
    return status;
}

/* ---- looking ---- */

/* One sentence as a batch of one row without padding. */
static hl_status pack_sentence(const ner_tagger *tagger, const ner_corpus *corpus, size_t sentence, ner_packed *packed,
                               ner_error *error) {
    ner_features features = {0};
    size_t first = corpus->first[sentence];
    hl_status status = ner_features_build(&features, corpus, tagger->vocabulary, error);
    if (status != HL_OK) {
        return status;
    }
    packed->rows = 1;
    packed->tokens = packed->real = ner_corpus_length(corpus, sentence);
    packed->lengths[0] = (int32_t)packed->tokens;
    memcpy(packed->word, features.word + first, packed->tokens * sizeof *packed->word);
    memcpy(packed->affix, features.affix + first, packed->tokens * sizeof *features.affix);
    memcpy(packed->shape, features.shape + first, packed->tokens * sizeof *features.shape);
    ner_features_clear(&features);
    return HL_OK;
}

static hl_status look(ner_unit *unit, const ner_packed *packed, int32_t *labels, float *weights, size_t bytes,
                      ner_error *error) {
    size_t n = packed->tokens;
    const ner_network *network = &unit->network;
    float *logits = malloc(n * NER_LABELS * sizeof *logits);
    unsigned char *scratch = malloc(n * NER_LABELS);
    hl_status status = logits && scratch ? write_batch(unit, packed, error) : ner_fail_memory(error);
    if (status == HL_OK) {
        status = run(unit, error);
    }
    if (status == HL_OK) {
        status = read(unit, network->logits, logits, n * NER_LABELS * sizeof *logits, error);
    }
    if (status == HL_OK) {
        status = read(unit, network->weights[network->n_weights - 1], weights, bytes, error);
    }
    if (status == HL_OK) {
        ner_spans_decode(logits, n, labels, scratch);
    }
    free(logits);
    free(scratch);
    return status;
}

hl_status ner_tagger_look(ner_tagger *tagger, const ner_corpus *corpus, size_t sentence, int32_t *labels,
                          float **weights, size_t *heads, ner_error *error) {
    if (tagger->model.rung == NER_RUNG_NONE) {
        return ner_fail(error, HL_UNSUPPORTED, "rung '%s' has no attention to look at", ner_rung_sign(NER_RUNG_NONE));
    }
    size_t n = ner_corpus_length(corpus, sentence);
    if (n > NER_LONGEST) {
        return ner_fail(error, HL_OUT_OF_RANGE, "the sentence has %zu tokens, more than %d", n, NER_LONGEST);
    }
    ner_unit unit = {0};
    float *made = NULL;
    ner_packed *packed = calloc(1, sizeof *packed);
    hl_status status = packed ? pack_sentence(tagger, corpus, sentence, packed, error) : ner_fail_memory(error);
    if (status == HL_OK) {
        status = need_unit(tagger, &unit, (unit_shape){.rows = 1, .tokens = n, .looks = 1}, error);
    }
    if (status == HL_OK) {
        hl_shape shape = hl_tensor_shape(unit.network.weights[unit.network.n_weights - 1]);
        size_t bytes = hl_shape_elements(&shape) * sizeof *made;
        made = malloc(bytes);
        status = made ? look(&unit, packed, labels, made, bytes, error) : ner_fail_memory(error);
        *heads = status == HL_OK ? shape.extent[1] : *heads;
    }
    free(packed);
    clear_unit(&unit);
    if (status != HL_OK) {
        free(made);
        return status;
    }
    *weights = made;
    return HL_OK;
}

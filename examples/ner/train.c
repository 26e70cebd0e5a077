/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loop over epochs and batches. */
#include "examples/ner/train.h"

#include <stdlib.h>

#include "examples/ner/progress.h"

/* The loss of the progress line is a mean over about the last 50 steps. */
static const double NEWEST_SHARE = 0.02;

float ner_train_rate(const ner_train_options *options, double done) {
    double warm_up = options->warm_up;
    double share = done < warm_up ? done / warm_up : (1 - done) / (1 - warm_up);
    return (float)(options->rate * share);
}

typedef struct training {
    ner_tagger *tagger;
    const ner_corpus *corpus;
    const ner_train_options *options;
    ner_error *error;
    ner_features features;
    ner_packed packed;
    ner_progress progress;
    ner_progress_now now;
    ner_trained trained;
} training;

static hl_status step(training *t, const ner_batches *batches, size_t b, const ner_batches_options *order,
                      double *loss) {
    float value = 0;
    double epoch = (double)order->epoch + (double)b / (double)batches->n;
    float rate = ner_train_rate(t->options, epoch / (double)t->options->epochs);
    ner_batches_pack(batches, b, t->corpus, &t->features, order, &t->packed);
    hl_status status = ner_tagger_train(t->tagger, &t->packed, batches->batch[b].bucket, rate, &value, t->error);
    if (status != HL_OK) {
        return status;
    }
    *loss += (double)value * (double)t->packed.real;
    t->now.loss = t->now.step ? t->now.loss + NEWEST_SHARE * ((double)value - t->now.loss) : (double)value;
    t->now.step++;
    t->now.tokens += t->packed.real;
    t->trained.positions += t->packed.rows * t->packed.tokens;
    ner_progress_step(&t->progress, &t->now);
    return HL_OK;
}

static hl_status train_epoch(training *t, size_t epoch) {
    ner_batches batches = {0};
    ner_batches_options order = {.shuffle = 1, .seed = t->options->seed, .epoch = epoch};
    hl_status status = ner_batches_build(&batches, t->corpus, &order, t->error);
    if (status == HL_OK && epoch == 0) { /* later epochs have a few batches more or less */
        ner_progress_begin(&t->progress, t->options->progress, t->options->title, t->options->epochs,
                           t->options->epochs * batches.n);
    }
    double loss = 0;
    for (size_t b = 0; status == HL_OK && b < batches.n; b++) {
        status = step(t, &batches, b, &order, &loss);
    }
    if (status == HL_OK) {
        t->now.epoch = epoch + 1;
        t->trained.loss = batches.tokens ? loss / (double)batches.tokens : 0;
        ner_progress_epoch(&t->progress, &t->now);
    }
    ner_batches_clear(&batches);
    return status;
}

hl_status ner_train(ner_tagger *tagger, const ner_corpus *corpus, const ner_train_options *options,
                    ner_trained *trained, ner_error *error) {
    if (options->epochs == 0 || corpus->n_tokens == 0) {
        return ner_fail(error, HL_INVALID_ARGUMENT, "nothing to train on: %zu epochs of %zu tokens", options->epochs,
                        corpus->n_tokens);
    }
    training *t = calloc(1, sizeof *t);
    if (!t) {
        return ner_fail_memory(error);
    }
    *t = (training){.tagger = tagger, .corpus = corpus, .options = options, .error = error};
    uint64_t begun = ner_now_ns();
    hl_status status = ner_features_build(&t->features, corpus, tagger->vocabulary, error);
    for (size_t epoch = 0; status == HL_OK && epoch < options->epochs; epoch++) {
        status = train_epoch(t, epoch);
    }
    ner_progress_end(&t->progress);
    if (status == HL_OK) {
        *trained = t->trained;
        trained->seconds = (double)(ner_now_ns() - begun) * 1e-9;
        trained->tokens = t->now.tokens;
        trained->steps = t->now.step;
    }
    ner_features_clear(&t->features);
    free(t);
    return status;
}

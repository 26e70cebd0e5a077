/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tagger: steps train one state through programs of several shapes, batches and padding change no label, and the
 * weights that are looked at are weights. */
#include "examples/ner/tagger.h"

#include <math.h>
#include <stdlib.h>

#include "tests/examples/ner/small.h"

/* The mean loss over all batches of one epoch of training. */
static double train_epoch(ner_tagger *tagger, const small_world *world, const ner_features *features, uint64_t epoch) {
    ner_batches batches = {0};
    ner_batches_options options = {.shuffle = 1, .seed = 5, .epoch = epoch};
    ner_packed *packed = calloc(1, sizeof *packed);
    ck_assert_ptr_nonnull(packed);
    ck_assert_int_eq(ner_batches_build(&batches, &world->corpus, &options, NULL), HL_OK);
    double sum = 0;
    for (size_t b = 0; b < batches.n; b++) {
        float loss;
        ner_error error = {""};
        ner_batches_pack(&batches, b, &world->corpus, features, &options, packed);
        hl_status status = ner_tagger_train(tagger, packed, batches.batch[b].bucket, 3e-3f, &loss, &error);
        ck_assert_msg(status == HL_OK, "%s", error.text);
        sum += (double)loss;
    }
    double mean = sum / (double)batches.n;
    ner_batches_clear(&batches);
    free(packed);
    return mean;
}

START_TEST(EveryRungLearns) {
    small_world world = small_open(200);
    ner_features features = {0};
    ck_assert_int_eq(ner_features_build(&features, &world.corpus, &world.vocabulary, NULL), HL_OK);
    for (ner_rung rung = NER_RUNG_NONE; rung < NER_RUNGS; rung++) {
        ner_tagger tagger = small_tagger(&world, rung);
        double first = train_epoch(&tagger, &world, &features, 0), last = first;
        for (uint64_t epoch = 1; epoch < 20; epoch++) {
            last = train_epoch(&tagger, &world, &features, epoch);
        }
        ck_assert_msg(last < first / 2, "rung %s: the loss went from %g to %g", ner_rung_sign(rung), first, last);
        ner_tagger_clear(&tagger);
    }
    ner_features_clear(&features);
    small_close(&world);
}
END_TEST

/* The same tokens alone and among others: batch and padding differ, so that logits agree to rounding; labels must be
 * the same. */
START_TEST(LabelsDoNotDependOnTheBatch) {
    small_world world = small_open(60);
    ner_features features = {0};
    ck_assert_int_eq(ner_features_build(&features, &world.corpus, &world.vocabulary, NULL), HL_OK);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_STACKED);
    for (uint64_t epoch = 0; epoch < 60; epoch++) {
        train_epoch(&tagger, &world, &features, epoch);
    }
    int32_t *labels = malloc(world.corpus.n_tokens * sizeof *labels), alone[NER_LONGEST];
    ck_assert_ptr_nonnull(labels);
    ck_assert_int_eq(ner_tagger_tag(&tagger, &world.corpus, labels, NULL), HL_OK);
    for (size_t s = 0; s < 6; s++) {
        ner_corpus one = {0};
        small_sentence(&one, s);
        ck_assert_int_eq(ner_tagger_tag(&tagger, &one, alone, NULL), HL_OK);
        ck_assert_mem_eq(alone, labels + world.corpus.first[s], one.n_tokens * sizeof *alone);
        ner_corpus_clear(&one);
    }
    /* and they are right: what was trained on is known by heart */
    ner_counts counts = {.correct = {0}};
    ck_assert_int_eq(ner_tagger_score(&tagger, &world.corpus, &counts, NULL), HL_OK);
    ck_assert_double_ge(ner_counts_score(&counts).f1, 90);
    free(labels);
    ner_tagger_clear(&tagger);
    ner_features_clear(&features);
    small_close(&world);
}
END_TEST

START_TEST(HeadsLookWithWeightsThatSumToOne) {
    small_world world = small_open(40);
    for (ner_rung rung = NER_RUNG_WEIGHTLESS; rung < NER_RUNGS; rung++) {
        ner_tagger tagger = small_tagger(&world, rung);
        int32_t labels[NER_LONGEST];
        float *weights = NULL;
        size_t heads = 0, n = ner_corpus_length(&world.corpus, 1);
        ck_assert_int_eq(ner_tagger_look(&tagger, &world.corpus, 1, labels, &weights, &heads, NULL), HL_OK);
        ck_assert_uint_eq(heads, rung == NER_RUNG_STACKED ? NER_BLOCK_HEADS : rung == NER_RUNG_THREE_HEADS ? 3 : 1);
        for (size_t row = 0; row < heads * n; row++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++) {
                ck_assert_float_ge(weights[row * n + j], 0);
                sum += (double)weights[row * n + j];
            }
            /* n numbers of at most 1, each good to a few units: exp, the log-sum-exp in the exponent */
            ck_assert_double_le(fabs(sum - 1), 16 * 0x1p-23);
        }
        free(weights);
        ner_tagger_clear(&tagger);
    }
    small_close(&world);
}
END_TEST

START_TEST(WithoutAttentionThereIsNothingToLookAt) {
    small_world world = small_open(10);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_NONE);
    int32_t labels[NER_LONGEST];
    float *weights = NULL;
    size_t heads = 7;
    ner_error error = {""};
    ck_assert_int_eq(ner_tagger_look(&tagger, &world.corpus, 0, labels, &weights, &heads, &error), HL_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error.text, "attention"));
    ck_assert_ptr_null(weights);
    ck_assert_uint_eq(heads, 7);
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

START_TEST(MomentsAreNoParameters) {
    small_world world = small_open(40);
    ner_features features = {0};
    ck_assert_int_eq(ner_features_build(&features, &world.corpus, &world.vocabulary, NULL), HL_OK);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_NONE);
    train_epoch(&tagger, &world, &features, 0);
    size_t forms = NER_WIDTH + (NER_AFFIXES + NER_SHAPES) * NER_FORM_WIDTH;
    size_t tables = ner_vocabulary_word_rows(&world.vocabulary) * NER_WIDTH +
                    (NER_AFFIX_ROWS + ner_vocabulary_shape_rows(&world.vocabulary)) * NER_FORM_WIDTH;
    size_t layers = (forms + 1) * NER_WIDTH + 2 * NER_WIDTH + (NER_WIDTH + 1) * NER_LABELS;
    ck_assert_uint_eq(ner_tagger_parameters(&tagger), tables + layers);
    ner_tagger_clear(&tagger);
    ner_features_clear(&features);
    small_close(&world);
}
END_TEST

int main(void) {
    return run_tests("tagger", TESTS(EveryRungLearns, LabelsDoNotDependOnTheBatch, HeadsLookWithWeightsThatSumToOne,
                                     WithoutAttentionThereIsNothingToLookAt, MomentsAreNoParameters));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Training: the rate's course, the same weights from the same seed, and what is refused. */
#include "examples/ner/train.h"

#include <stdlib.h>

#include "tests/examples/ner/small.h"

START_TEST(RateRisesAndFallsToZero) {
    ner_train_options options = {.rate = 0.5f, .warm_up = 0.2f};
    ck_assert_float_eq(ner_train_rate(&options, 0), 0);
    /* warm_up is a float: its distance from 0.2 is 2^-26 */
    ck_assert_float_eq_tol(ner_train_rate(&options, 0.1), 0.25f, 0x1p-24f);
    ck_assert_float_eq_tol(ner_train_rate(&options, 0.2), 0.5f, 0x1p-24f);
    ck_assert_float_eq_tol(ner_train_rate(&options, 0.6), 0.25f, 0x1p-24f);
    ck_assert_float_eq(ner_train_rate(&options, 1), 0);
    options.warm_up = 0;
    ck_assert_float_eq(ner_train_rate(&options, 0), 0.5f);
}
END_TEST

static ner_trained train(ner_tagger *tagger, const small_world *world, uint64_t seed, FILE *progress) {
    ner_trained trained;
    ner_error error = {""};
    ner_train_options options = {
        .epochs = 3, .seed = seed, .rate = 3e-3f, .warm_up = 0.05f, .progress = progress, .title = "d"};
    ck_assert_msg(ner_train(tagger, &world->corpus, &options, &trained, &error) == HL_OK, "%s", error.text);
    return trained;
}

static float *weights_of(const ner_tagger *tagger, size_t *bytes) {
    *bytes = (NER_WIDTH + (NER_AFFIXES + NER_SHAPES) * NER_FORM_WIDTH) * NER_WIDTH * sizeof(float);
    float *weights = malloc(*bytes);
    ck_assert_ptr_nonnull(weights);
    ck_assert_int_eq(hl_state_read(tagger->state, "forms.w", weights, *bytes), HL_OK);
    return weights;
}

START_TEST(SameSeedSameWeights) {
    small_world world = small_open(120);
    float *weights[3];
    size_t bytes = 0;
    for (size_t run = 0; run < 3; run++) {
        ner_tagger tagger = small_tagger(&world, NER_RUNG_STACKED);
        train(&tagger, &world, run < 2 ? 11 : 12, NULL);
        weights[run] = weights_of(&tagger, &bytes);
        ner_tagger_clear(&tagger);
    }
    ck_assert_mem_eq(weights[0], weights[1], bytes);
    ck_assert_mem_ne(weights[0], weights[2], bytes); /* another order of sentences */
    for (size_t run = 0; run < 3; run++) {
        free(weights[run]);
    }
    small_close(&world);
}
END_TEST

START_TEST(EverySentenceIsCountedAndShown) {
    small_world world = small_open(120);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_ONE_HEAD);
    ner_trained trained = train(&tagger, &world, 1, file);
    ck_assert_uint_eq(trained.tokens, 3 * world.corpus.n_tokens);
    ck_assert_uint_ge(trained.positions, trained.tokens);
    ck_assert_uint_ge(trained.steps, 3);
    ck_assert_double_gt(trained.seconds, 0);
    char line[256];
    size_t lines = 0;
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        lines += strstr(line, "tokens/s") && strstr(line, "left");
    }
    ck_assert_uint_eq(lines, 3);
    fclose(file);
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

START_TEST(NothingToTrainOnIsRefused) {
    small_world world = small_open(4);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_NONE);
    ner_trained trained;
    ner_error error = {""};
    ner_train_options none = {.epochs = 0, .rate = 1e-3f};
    ck_assert_int_eq(ner_train(&tagger, &world.corpus, &none, &trained, &error), HL_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "0 epochs"));
    ner_corpus empty = {0};
    none.epochs = 1;
    ck_assert_int_eq(ner_train(&tagger, &empty, &none, &trained, &error), HL_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "0 tokens"));
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

START_TEST(ALossThatRunsAwayIsReported) {
    small_world world = small_open(60);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_STACKED);
    ner_trained trained;
    ner_error error = {""};
    ner_train_options wild = {.epochs = 40, .rate = 1e30f};
    ck_assert_int_eq(ner_train(&tagger, &world.corpus, &wild, &trained, &error), HL_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(error.text, "after the run"));
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

int main(void) {
    return run_tests("train", TESTS(RateRisesAndFallsToZero, SameSeedSameWeights, EverySentenceIsCountedAndShown,
                                    NothingToTrainOnIsRefused, ALossThatRunsAwayIsReported));
}

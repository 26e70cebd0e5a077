/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Batches hold every sentence once, in few shapes, with little padding, the same everywhere. */
#include "examples/ner/batches.h"
#include "tests/examples/ner/kit.h"

static void add_sentence(ner_corpus *corpus, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char word[24];
        size_t bytes = (size_t)snprintf(word, sizeof word, "w%zu", corpus->n_tokens);
        ck_assert_int_eq(ner_corpus_add_token(corpus, word, bytes, (int32_t)(i % NER_LABELS), NULL), HL_OK);
    }
    ck_assert_int_eq(ner_corpus_end_sentence(corpus, NULL), HL_OK);
}

START_TEST(BucketsRiseAndShapesFit) {
    for (size_t b = 0; b < NER_BUCKETS; b++) {
        ck_assert_uint_le(ner_bucket_rows(b) * ner_bucket_tokens(b), NER_POSITIONS);
        ck_assert_uint_ge(ner_bucket_rows(b), 1);
        ck_assert_uint_eq(ner_bucket_of(ner_bucket_tokens(b)), b);
        if (b > 0) ck_assert_uint_eq(ner_bucket_of(ner_bucket_tokens(b - 1) + 1), b);
    }
    ck_assert_uint_eq(ner_bucket_of(1), 0);
    ck_assert_uint_eq(ner_bucket_of(NER_LONGEST + 1), NER_BUCKETS);
}
END_TEST

static void check_batches(const ner_batches *batches, const ner_corpus *corpus) {
    char *seen = calloc(corpus->n_sentences, 1);
    size_t positions = 0;
    for (size_t b = 0; b < batches->n; b++) {
        const ner_batch *batch = &batches->batch[b];
        ck_assert_uint_ge(batch->n, 1);
        ck_assert_uint_le(batch->n, ner_bucket_rows(batch->bucket));
        positions += ner_bucket_rows(batch->bucket) * ner_bucket_tokens(batch->bucket);
        for (size_t i = 0; i < batch->n; i++) {
            size_t sentence = batches->order[batch->first + i];
            ck_assert_uint_le(ner_corpus_length(corpus, sentence), ner_bucket_tokens(batch->bucket));
            ck_assert_int_eq(seen[sentence]++, 0);
        }
    }
    for (size_t s = 0; s < corpus->n_sentences; s++) ck_assert_int_eq(seen[s], 1);
    ck_assert_uint_eq(positions, batches->positions);
    free(seen);
}

START_TEST(EverySentenceOfTrainingStandsInOneBatchAndPaddingIsSmall) {
    ner_corpus corpus = {0};
    read_data(&corpus, "train");
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        ner_batches batches = {0};
        ner_batches_options options = {.shuffle = 1, .seed = 1, .epoch = epoch};
        ck_assert_int_eq(ner_batches_build(&batches, &corpus, &options, NULL), HL_OK);
        check_batches(&batches, &corpus);
        ck_assert_double_gt(ner_batches_padding(&batches), 0.05); /* no batch is fuller than its shape */
        ck_assert_double_lt(ner_batches_padding(&batches), 0.12);
        ner_batches_clear(&batches);
    }
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(OrderFollowsSeedAndEpochAlone) {
    ner_corpus corpus = {0};
    read_data(&corpus, "dev");
    static const ner_batches_options options[4] = {{1, 1, 0}, {1, 1, 0}, {1, 1, 1}, {1, 2, 0}};
    ner_batches batches[4] = {{0}};
    size_t bytes = corpus.n_sentences * sizeof(size_t);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(ner_batches_build(&batches[i], &corpus, &options[i], NULL), HL_OK);
    ck_assert_mem_eq(batches[0].order, batches[1].order, bytes);
    ck_assert_int_ne(memcmp(batches[0].order, batches[2].order, bytes), 0);
    ck_assert_int_ne(memcmp(batches[0].order, batches[3].order, bytes), 0);
    for (size_t i = 0; i < 4; i++) ner_batches_clear(&batches[i]);

    /* without shuffling, sentences of one bucket keep their order */
    ck_assert_int_eq(ner_batches_build(&batches[0], &corpus, &(ner_batches_options){0}, NULL), HL_OK);
    check_batches(&batches[0], &corpus);
    for (size_t b = 0; b < batches[0].n; b++) {
        const ner_batch *batch = &batches[0].batch[b];
        for (size_t i = 1; i < batch->n; i++) {
            size_t before = batches[0].order[batch->first + i - 1], after = batches[0].order[batch->first + i];
            int rest = ner_bucket_of(ner_corpus_length(&corpus, after)) != batch->bucket;
            ck_assert(before < after || rest);
        }
    }
    ner_batches_clear(&batches[0]);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(RestsOfShortBucketsJoinLongerOnes) {
    ner_corpus corpus = {0};
    add_sentence(&corpus, 2);
    add_sentence(&corpus, 5);
    add_sentence(&corpus, 9);
    ner_batches batches = {0};
    ck_assert_int_eq(ner_batches_build(&batches, &corpus, &(ner_batches_options){0}, NULL), HL_OK);
    ck_assert_uint_eq(batches.n, 1);
    ck_assert_uint_eq(batches.batch[0].bucket, ner_bucket_of(9));
    check_batches(&batches, &corpus);
    ner_batches_clear(&batches);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(SentencesThatAreTooLongAreRefused) {
    ner_corpus corpus = {0};
    add_sentence(&corpus, 3);
    add_sentence(&corpus, NER_LONGEST + 1);
    ner_batches batches = {0};
    ner_error error = {""};
    ck_assert_int_eq(ner_batches_build(&batches, &corpus, &(ner_batches_options){0}, &error), HL_OUT_OF_RANGE);
    ck_assert_str_eq(error.text, "sentence 2 has 161 tokens, more than 160");
    ck_assert_uint_eq(batches.n, 0);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(PackingPutsTokensInRowsAndZerosElsewhere) {
    static ner_packed packed;
    ner_corpus corpus = {0};
    ner_vocabulary vocabulary = {0};
    ner_features features = {0};
    ner_batches batches = {0};
    add_sentence(&corpus, 4);
    add_sentence(&corpus, 6);
    ck_assert_int_eq(ner_vocabulary_build(&vocabulary, &corpus, NULL), HL_OK);
    ck_assert_int_eq(ner_features_build(&features, &corpus, &vocabulary, NULL), HL_OK);
    ck_assert_int_eq(ner_batches_build(&batches, &corpus, &(ner_batches_options){0}, NULL), HL_OK);
    ck_assert_uint_eq(batches.n, 1);
    memset(&packed, 0x55, sizeof packed); /* what an earlier batch left must not show */
    ner_batches_pack(&batches, 0, &corpus, &features, NULL, &packed);
    ck_assert_uint_eq(packed.tokens, 6);
    ck_assert_uint_eq(packed.real, 10);
    for (size_t row = 0; row < packed.rows; row++) {
        size_t length = row < 2 ? ner_corpus_length(&corpus, row) : 0;
        ck_assert_int_eq(packed.lengths[row], (int32_t)length);
        for (size_t t = 0; t < packed.tokens; t++) {
            size_t at = row * packed.tokens + t, token = t < length ? corpus.first[row] + t : 0;
            ck_assert_int_eq(packed.word[at], t < length ? features.word[token] : NER_PADDING);
            ck_assert_int_eq(packed.labels[at], t < length ? corpus.labels[token] : NER_NO_LABEL);
            for (size_t a = 0; a < NER_AFFIXES; a++)
                ck_assert_int_eq(packed.affix[at * NER_AFFIXES + a], t < length ? features.affix[token][a] : 0);
            for (size_t s = 0; s < NER_SHAPES; s++)
                ck_assert_int_eq(packed.shape[at * NER_SHAPES + s], t < length ? features.shape[token][s] : 0);
        }
    }
    /* in training, some of the words (each seen once, so about half) are unknown */
    ner_batches_pack(&batches, 0, &corpus, &features, &(ner_batches_options){1, 3, 0}, &packed);
    size_t unknown = 0;
    for (size_t at = 0; at < packed.rows * packed.tokens; at++) unknown += packed.word[at] == NER_UNKNOWN;
    ck_assert_uint_gt(unknown, 0);
    ck_assert_uint_lt(unknown, 10);
    ner_batches_clear(&batches);
    ner_features_clear(&features);
    ner_vocabulary_clear(&vocabulary);
    ner_corpus_clear(&corpus);
}
END_TEST

int main(void) {
    return run_tests("batches", TESTS(BucketsRiseAndShapesFit, EverySentenceOfTrainingStandsInOneBatchAndPaddingIsSmall,
                                      OrderFollowsSeedAndEpochAlone, RestsOfShortBucketsJoinLongerOnes,
                                      SentencesThatAreTooLongAreRefused, PackingPutsTokensInRowsAndZerosElsewhere));
}

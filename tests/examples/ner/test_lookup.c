/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The floor of the table has the figures that it is known for. */
#include "examples/ner/lookup.h"
#include "examples/ner/spans.h"
#include "tests/examples/ner/kit.h"

static ner_score score_on(const ner_lookup *lookup, const char *part) {
    ner_corpus corpus = {0};
    ner_counts counts = {0};
    int32_t labels[200];
    ner_span spans[400];
    read_data(&corpus, part);
    for (size_t s = 0; s < corpus.n_sentences; s++) {
        ck_assert_int_eq(ner_lookup_tag(lookup, &corpus, s, labels, NULL), HL_OK);
        ner_counts_add(&counts, corpus.labels + corpus.first[s], labels, ner_corpus_length(&corpus, s), spans);
    }
    ner_corpus_clear(&corpus);
    return ner_counts_score(&counts);
}

START_TEST(ReferenceFiguresAreReached) {
    ner_corpus train = {0};
    ner_lookup lookup = {0};
    read_data(&train, "train");
    ck_assert_int_eq(ner_lookup_build(&lookup, &train, NULL), HL_OK);
    ner_score dev = score_on(&lookup, "dev"), test = score_on(&lookup, "test");
    ck_assert_uint_eq(dev.correct, 304); /* F1 44.3 */
    ck_assert_uint_eq(dev.found, 406);
    ck_assert_uint_eq(test.correct, 402); /* F1 50.7 */
    ck_assert_uint_eq(test.found, 498);
    ner_lookup_clear(&lookup);
    ner_corpus_clear(&train);
}
END_TEST

static void tags_as(const char *train_text, const char *text, const int32_t *expected, size_t n) {
    ner_corpus train = {0}, corpus = {0};
    ner_lookup lookup = {0};
    int32_t labels[16];
    char path[64];
    ck_assert_int_eq(corpus_of(&train, train_text, strlen(train_text), path, NULL), HL_OK);
    ck_assert_int_eq(corpus_of(&corpus, text, strlen(text), path, NULL), HL_OK);
    ck_assert_int_eq(ner_lookup_build(&lookup, &train, NULL), HL_OK);
    ck_assert_uint_eq(corpus.n_tokens, n);
    ck_assert_int_eq(ner_lookup_tag(&lookup, &corpus, 0, labels, NULL), HL_OK);
    ck_assert_mem_eq(labels, expected, n * sizeof *labels);
    ner_lookup_clear(&lookup);
    ner_corpus_clear(&corpus);
    ner_corpus_clear(&train);
}

START_TEST(LongestMentionWinsAndCaseCounts) {
    static const int32_t expected[5] = {NER_B_ORG, NER_I_ORG, NER_I_ORG, NER_B_LOC, NER_O};
    tags_as("1\tNew\tB-ORG\t-\t-\n2\tYork\tI-ORG\t-\t-\n3\tTimes\tI-ORG\t-\t-\n\n1\tYork\tB-LOC\t-\t-\n",
            "1\tNew\tO\t-\t-\n2\tYork\tO\t-\t-\n3\tTimes\tO\t-\t-\n4\tYork\tO\t-\t-\n5\tyork\tO\t-\t-\n", expected, 5);
}
END_TEST

START_TEST(WordsThatAreMostlyNoEntityAreLeftAlone) {
    static const int32_t none[1] = {NER_O}, place[1] = {NER_B_LOC};
    tags_as("1\tBath\tB-LOC\t-\t-\n2\tBath\tO\t-\t-\n3\tBath\tO\t-\t-\n", "1\tBath\tO\t-\t-\n", none, 1);
    tags_as("1\tBath\tB-LOC\t-\t-\n2\tBath\tO\t-\t-\n", "1\tBath\tO\t-\t-\n", place, 1);
}
END_TEST

START_TEST(FirstSeenTypeWinsATie) {
    static const int32_t expected[1] = {NER_B_ORG};
    tags_as("1\tFord\tB-ORG\t-\t-\n2\tx\tO\t-\t-\n3\tFord\tB-PER\t-\t-\n", "1\tFord\tO\t-\t-\n", expected, 1);
}
END_TEST

int main(void) {
    return run_tests("lookup", TESTS(ReferenceFiguresAreReached, LongestMentionWinsAndCaseCounts,
                                     WordsThatAreMostlyNoEntityAreLeftAlone, FirstSeenTypeWinsATie));
}

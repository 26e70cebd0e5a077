/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences are kept as they were added; labels, tags and types belong together. */
#include "examples/ner/corpus.h"
#include "tests/examples/ner/kit.h"

START_TEST(SentencesAreKeptAsTheyWereAdded) {
    ner_corpus corpus = {0};
    char word[24];
    size_t n = 0;
    for (size_t s = 0; s < 300; s++) { /* more than any array has room for at first */
        for (size_t i = 0; i <= s % 5; i++, n++) {
            size_t bytes = (size_t)snprintf(word, sizeof word, "w%zu", n);
            ck_assert_int_eq(ner_corpus_add_token(&corpus, word, bytes, (int32_t)(n % NER_LABELS), NULL), HL_OK);
        }
        ck_assert_int_eq(ner_corpus_end_sentence(&corpus, NULL), HL_OK);
        ck_assert_int_eq(ner_corpus_end_sentence(&corpus, NULL), HL_OK); /* no token was added */
    }
    ck_assert_uint_eq(corpus.n_sentences, 300);
    ck_assert_uint_eq(corpus.n_tokens, n);
    for (size_t s = 0; s < 300; s++) ck_assert_uint_eq(ner_corpus_length(&corpus, s), s % 5 + 1);
    for (size_t i = 0; i < n; i++) {
        snprintf(word, sizeof word, "w%zu", i);
        ck_assert_str_eq(ner_corpus_token(&corpus, i), word);
        ck_assert_int_eq(corpus.labels[i], (int32_t)(i % NER_LABELS));
    }
    ner_corpus_clear(&corpus);
    ck_assert_uint_eq(corpus.n_sentences, 0);
}
END_TEST

START_TEST(LabelsHaveTheirTagsAndTypes) {
    ck_assert_str_eq(ner_label_tag(NER_O), "O");
    ck_assert_str_eq(ner_label_tag(NER_I_ORG), "I-ORG");
    ck_assert_str_eq(ner_label_tag(NER_LABELS), "?");
    ck_assert_str_eq(ner_label_tag(-1), "?");
    ck_assert_str_eq(ner_type_name(NER_LOC), "LOC");
    ck_assert_str_eq(ner_type_name(NER_TYPES), "?");
    ck_assert(ner_label_begins(NER_B_LOC) && !ner_label_begins(NER_I_LOC) && !ner_label_begins(NER_O));
    ck_assert(!ner_label_continues(NER_B_LOC) && ner_label_continues(NER_I_LOC) && !ner_label_continues(NER_O));
    ck_assert_uint_eq(ner_label_type(NER_I_ORG), NER_ORG);
}
END_TEST

int main(void) { return run_tests("corpus", TESTS(SentencesAreKeptAsTheyWereAdded, LabelsHaveTheirTagsAndTypes)); }

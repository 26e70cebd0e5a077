/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Words become the indices that they should. */
#include "examples/ner/features.h"
#include "tests/examples/ner/kit.h"

/* A corpus of these words, one sentence. */
static void corpus_from(ner_corpus *corpus, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(ner_corpus_add_token(corpus, words[i], strlen(words[i]), NER_O, NULL), HL_OK);
    ck_assert_int_eq(ner_corpus_end_sentence(corpus, NULL), HL_OK);
}

static void lowers_to(const char *word, const char *expected) {
    char *lower = ner_lower(word);
    ck_assert_str_eq(lower, expected);
    free(lower);
}

static void has_shape(const char *word, const char *expected, const char *collapsed) {
    char shape[80];
    ner_shape(word, 0, shape);
    ck_assert_str_eq(shape, expected);
    ner_shape(word, 1, shape);
    ck_assert_str_eq(shape, collapsed);
}

START_TEST(LoweringKnowsMoreThanAscii) {
    lowers_to("McDonald's", "mcdonald's");
    lowers_to("\xC3\x89t\xC3\x89", "\xC3\xA9t\xC3\xA9"); /* E with acute */
    lowers_to("\xD0\x96", "\xD0\xB6");                   /* Cyrillic zhe */
    lowers_to("", "");
}
END_TEST

START_TEST(ShapesNameKindsOfCharacters) {
    has_shape("McDonald's", "XxXxxxxx'x", "XxXx'x");
    has_shape("2004-05", "dddd-dd", "d-d");
    has_shape("U.S.", "X.X.", "X.X.");
    has_shape("\xC3\x89t\xC3\xA9", "Xxx", "Xx");
    has_shape("\xE2\x82\xAC"
              "5",
              "?d", "?d"); /* the euro sign */
    has_shape("...", "...", ".");
    has_shape("", "", "");
}
END_TEST

START_TEST(AffixesCountCodePoints) {
    /* "\u00e9t\u00e9": 3 code points, 5 bytes */
    const char *word = "\xC3\xA9t\xC3\xA9";
    int32_t expected = 1 + (int32_t)(ner_hash(NER_HASH_START, "p\xC3\xA9t", 4) % NER_AFFIX_BUCKETS);
    ck_assert_int_eq(ner_affix(word, 'p', 2), expected);
    expected = 1 + (int32_t)(ner_hash(NER_HASH_START, "st\xC3\xA9", 4) % NER_AFFIX_BUCKETS);
    ck_assert_int_eq(ner_affix(word, 's', 2), expected);
    ck_assert_int_ne(ner_affix(word, 's', 3), NER_PADDING);
    ck_assert_int_eq(ner_affix(word, 's', 4), NER_PADDING);
    ck_assert_int_eq(ner_affix("", 'p', 1), NER_PADDING);
    ck_assert_int_ne(ner_affix("a", 'p', 1), ner_affix("a", 's', 1));
}
END_TEST

START_TEST(VocabularyHoldsWordsAndRepeatedShapes) {
    static const char *const words[] = {"The", "cat", "the", "dog", "X9"};
    ner_corpus corpus = {0};
    ner_vocabulary vocabulary = {0};
    corpus_from(&corpus, words, 5);
    ck_assert_int_eq(ner_vocabulary_build(&vocabulary, &corpus, NULL), HL_OK);
    ck_assert_uint_eq(ner_vocabulary_word_rows(&vocabulary), 2 + 4); /* the cat dog x9 */
    /* twice or more: xxx (cat, the, dog) and, collapsed, x; The's Xxx, Xx and X9's Xd only once */
    ck_assert_uint_eq(ner_vocabulary_shape_rows(&vocabulary), 2 + 2);

    static const char *const others[] = {"THE", "emu", "Xi"};
    ner_corpus other = {0};
    ner_features features = {0};
    corpus_from(&other, others, 3);
    ck_assert_int_eq(ner_features_build(&features, &other, &vocabulary, NULL), HL_OK);
    ck_assert_int_eq(features.word[0], NER_FIRST_ID);
    ck_assert_int_eq(features.word[1], NER_UNKNOWN);
    ck_assert(features.unknown_chance[0] == 1.0 / 3);
    ck_assert(features.unknown_chance[1] == 0);
    ck_assert_int_ne(features.shape[1][0], NER_UNKNOWN);
    ck_assert_int_ne(features.shape[1][0], features.shape[1][1]); /* xxx and x, in one table */
    ck_assert_int_eq(features.shape[2][0], NER_UNKNOWN);
    ck_assert_int_eq(features.affix[0][NER_PREFIXES + 2], ner_affix("the", 's', 3));
    ck_assert_int_eq(features.affix[0][NER_PREFIXES + 3], NER_PADDING);
    ner_features_clear(&features);
    ner_vocabulary_clear(&vocabulary);
    ner_corpus_clear(&other);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(ShapesOfVeryLongWordsAreCutBetweenCodePoints) {
    char word[400] = "";
    for (int i = 0; i < 100; i++) strcat(word, "\xC3\xA9");
    const char *const words[] = {word, word};
    ner_corpus corpus = {0};
    ner_vocabulary vocabulary = {0};
    corpus_from(&corpus, words, 2);
    ck_assert_int_eq(ner_vocabulary_build(&vocabulary, &corpus, NULL), HL_OK);
    ck_assert_uint_eq(vocabulary.shapes.n, 2);
    ck_assert_uint_eq(vocabulary.shapes.bytes[0], 1 + 31); /* 63 bytes hold 31 code points of two */
    ner_vocabulary_clear(&vocabulary);
    ner_corpus_clear(&corpus);
}
END_TEST

/* A word that training has once is replaced with probability 1/2: over 4000 epochs its count has mean 2000 and
 * standard deviation sqrt(4000 / 4) = 31.6; 6 of them are 190. */
START_TEST(RareWordsAreReplacedAtTheirRate) {
    static const char *const words[] = {"once", "twice", "twice"};
    ner_corpus corpus = {0};
    ner_vocabulary vocabulary = {0};
    ner_features features = {0};
    corpus_from(&corpus, words, 3);
    ck_assert_int_eq(ner_vocabulary_build(&vocabulary, &corpus, NULL), HL_OK);
    ck_assert_int_eq(ner_features_build(&features, &corpus, &vocabulary, NULL), HL_OK);
    size_t once = 0, twice = 0, differ = 0;
    for (uint64_t epoch = 0; epoch < 4000; epoch++) {
        int32_t word = ner_features_training_word(&features, 0, 5, epoch);
        ck_assert(word == NER_UNKNOWN || word == features.word[0]);
        ck_assert_int_eq(word, ner_features_training_word(&features, 0, 5, epoch));
        once += word == NER_UNKNOWN;
        twice += ner_features_training_word(&features, 1, 5, epoch) == NER_UNKNOWN;
        differ += word != ner_features_training_word(&features, 0, 6, epoch);
    }
    ck_assert_uint_gt(once, 2000 - 190);
    ck_assert_uint_lt(once, 2000 + 190);
    ck_assert_uint_gt(twice, 1333 - 180); /* 4000 / 3, deviation 29.8 */
    ck_assert_uint_lt(twice, 1333 + 180);
    ck_assert_uint_gt(differ, 0);
    ner_features_clear(&features);
    ner_vocabulary_clear(&vocabulary);
    ner_corpus_clear(&corpus);
}
END_TEST

int main(void) {
    return run_tests("features", TESTS(LoweringKnowsMoreThanAscii, ShapesNameKindsOfCharacters, AffixesCountCodePoints,
                                       VocabularyHoldsWordsAndRepeatedShapes,
                                       ShapesOfVeryLongWordsAreCutBetweenCodePoints, RareWordsAreReplacedAtTheirRate));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines of text are cut as the training data is. */
#include "examples/ner/tokens.h"
#include "tests/examples/ner/kit.h"

/* expected: tokens separated by spaces, sentences by " | ". */
static void cuts(const char *line, size_t longest, const char *expected) {
    ner_corpus corpus = {0};
    char text[300] = "";
    ck_assert_int_eq(ner_tokens_add(&corpus, line, strlen(line), longest, NULL), HL_OK);
    for (size_t s = 0; s < corpus.n_sentences; s++)
        for (size_t i = corpus.first[s]; i < corpus.first[s + 1]; i++) {
            const char *before = i == 0 ? "" : i == corpus.first[s] ? " | " : " ";
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", before, ner_corpus_token(&corpus, i));
        }
    ck_assert_str_eq(text, expected);
    ner_corpus_clear(&corpus);
}

START_TEST(PunctuationComesOffTheEndsOfWords) {
    cuts("Angela Merkel flew to Paris.\n", 100, "Angela Merkel flew to Paris .");
    cuts("(\"Yes!\", he said)", 100, "( \" Yes ! \" , he said )");
    cuts("Really?!  ...\t-", 100, "Really ? ! . . . -");
    cuts("3.14 a,b x-y", 100, "3.14 a,b x-y");
}
END_TEST

START_TEST(AbbreviationsKeepTheirDot) { cuts("U.S. and J. Smith, N.Y.", 100, "U.S. and J. Smith , N.Y."); }
END_TEST

START_TEST(CliticsComeOff) { cuts("Obama's don't we're 's n't I'm,", 100, "Obama 's do n't we 're 's n't I 'm ,"); }
END_TEST

START_TEST(EmptyLinesAddNothing) {
    ner_corpus corpus = {0};
    ck_assert_int_eq(ner_tokens_add(&corpus, " \t\n", 3, 100, NULL), HL_OK);
    ck_assert_int_eq(ner_tokens_add(&corpus, "", 0, 100, NULL), HL_OK);
    ck_assert_uint_eq(corpus.n_sentences, 0);
}
END_TEST

START_TEST(OnlyTheBytesOfTheLineAreCut) {
    ner_corpus corpus = {0};
    ck_assert_int_eq(ner_tokens_add(&corpus, "one two", 5, 100, NULL), HL_OK);
    ck_assert_uint_eq(corpus.n_tokens, 2);
    ck_assert_str_eq(ner_corpus_token(&corpus, 1), "t");
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(LongSentencesGoOnAsAnotherOne) { cuts("a b c d e", 2, "a b | c d | e"); }
END_TEST

START_TEST(BytesThatAreNoTextAreRefused) {
    ner_corpus corpus = {0};
    ner_error error = {""};
    ck_assert_int_eq(ner_tokens_add(&corpus, "a \xff", 3, 100, &error), HL_FORMAT);
    ck_assert_str_eq(error.text, "the line is not UTF-8 text");
    ck_assert_int_eq(ner_tokens_add(&corpus, "a\0 b", 4, 100, &error), HL_FORMAT);
    ck_assert_str_eq(error.text, "the line holds a NUL byte");
    ck_assert_uint_eq(corpus.n_tokens, 0);
}
END_TEST

int main(void) {
    return run_tests("tokens", TESTS(PunctuationComesOffTheEndsOfWords, AbbreviationsKeepTheirDot, CliticsComeOff,
                                     EmptyLinesAddNothing, OnlyTheBytesOfTheLineAreCut, LongSentencesGoOnAsAnotherOne,
                                     BytesThatAreNoTextAreRefused));
}

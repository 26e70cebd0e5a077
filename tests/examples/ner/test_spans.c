/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Spans are conlleval's, decoded labels are the best valid ones. */
#include "examples/ner/spans.h"

#include <math.h>

#include "examples/ner/random.h"
#include "tests/examples/ner/kit.h"

enum { O = NER_O, BP = NER_B_PER, IP = NER_I_PER, BL = NER_B_LOC, IL = NER_I_LOC, BO = NER_B_ORG, IO = NER_I_ORG };

#define LABELS(...) ((const int32_t[]){__VA_ARGS__}), sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

/* expected: "begin-end type" each, separated by spaces. */
static void finds(const char *expected, const int32_t *labels, size_t n) {
    ner_span spans[16];
    char text[200] = "";
    size_t n_spans = ner_spans_find(labels, n, spans);
    for (size_t i = 0; i < n_spans; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%zu-%zu %s", i ? " " : "", spans[i].begin,
                 spans[i].end, ner_type_name(spans[i].type));
    ck_assert_str_eq(text, expected);
}

START_TEST(SpansAreThoseOfConlleval) {
    finds("", LABELS(O, O));
    finds("0-1 PER", LABELS(BP));
    finds("1-3 PER 4-5 LOC", LABELS(O, BP, IP, O, BL));
    finds("0-1 PER 1-2 PER", LABELS(BP, BP)); /* B- always begins one */
    finds("0-1 PER 1-3 PER", LABELS(BP, BP, IP));
    finds("1-3 PER", LABELS(O, IP, IP));              /* I- behind O begins one */
    finds("0-2 ORG", LABELS(IO, IO));                 /* so does I- at the start */
    finds("0-2 PER 2-4 LOC", LABELS(BP, IP, IL, IL)); /* and a change of type */
    finds("0-1 PER 1-2 LOC 2-3 PER", LABELS(BP, IL, IP));
    finds("0-1 LOC 1-2 ORG 3-4 ORG", LABELS(IL, BO, O, IO));
    finds("1-4 ORG", LABELS(O, BO, IO, IO)); /* an entity reaches the end */
}
END_TEST

START_TEST(NoTokensHaveNoSpans) { ck_assert_uint_eq(ner_spans_find(NULL, 0, NULL), 0); }
END_TEST

static int valid(const int32_t *labels, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (ner_label_continues(labels[i]) &&
            (i == 0 || labels[i - 1] == O || ner_label_type(labels[i - 1]) != ner_label_type(labels[i])))
            return 0;
    return 1;
}

/* All 7^4 label sequences of 4 tokens, against the decoder, for 50 random score tables. */
START_TEST(DecodedLabelsAreTheBestValidOnes) {
    enum { N = 4, ALL = 7 * 7 * 7 * 7 };
    for (uint64_t table = 0; table < 50; table++) {
        float scores[N * NER_LABELS];
        for (size_t i = 0; i < N * NER_LABELS; i++)
            scores[i] = (float)ner_random_word(table, 0, i) * 0x1p-30f; /* 0 to 4 */
        double best = -INFINITY;
        int32_t expected[N] = {0};
        for (int code = 0; code < ALL; code++) {
            int32_t labels[N] = {code % 7, code / 7 % 7, code / 49 % 7, code / 343};
            double sum = 0;
            for (size_t i = 0; i < N; i++) sum += scores[i * NER_LABELS + (size_t)labels[i]];
            if (valid(labels, N) && sum > best) {
                best = sum;
                memcpy(expected, labels, sizeof labels);
            }
        }
        int32_t labels[N];
        unsigned char scratch[N * NER_LABELS];
        ner_spans_decode(scores, N, labels, scratch);
        ck_assert_mem_eq(labels, expected, sizeof labels);
    }
}
END_TEST

START_TEST(InvalidWinnersAreRepaired) {
    /* token 0: O best, token 1: I-PER best by far, so that B-PER at token 0 is the cheaper repair */
    float scores[2 * NER_LABELS] = {0};
    scores[O] = 1;
    scores[NER_LABELS + IP] = 5;
    int32_t labels[2];
    unsigned char scratch[2 * NER_LABELS];
    ner_spans_decode(scores, 2, labels, scratch);
    ck_assert_int_eq(labels[0], BP);
    ck_assert_int_eq(labels[1], IP);
    /* alone, I- cannot be chosen at all */
    ner_spans_decode(scores + NER_LABELS, 1, labels, scratch);
    ck_assert_int_ne(labels[0], IP);
    ner_spans_decode(scores, 0, labels, scratch); /* touches nothing */
}
END_TEST

START_TEST(CountsAndScoresAreExact) {
    ner_counts counts = {0};
    ner_span spans[2 * 8];
    /* gold: PER 0-2, LOC 3-4, ORG 5-7; found: PER 0-2 right, LOC 3-5 too long, PER 5-7 of the wrong type */
    static const int32_t gold[8] = {BP, IP, O, BL, O, BO, IO, O}, found[8] = {BP, IP, O, BL, IL, BP, IP, O};
    ner_counts_add(&counts, gold, found, 8, spans);
    ner_score score = ner_counts_score(&counts);
    ck_assert_uint_eq(score.correct, 1);
    ck_assert_uint_eq(score.found, 3);
    ck_assert_uint_eq(score.gold, 3);
    ck_assert(score.f1 == 200.0 / 6);
    ck_assert(score.precision == 100.0 / 3);
    score = ner_counts_score_of(&counts, NER_PER);
    ck_assert(score.precision == 50 && score.recall == 100 && score.f1 == 200.0 / 3);
    ck_assert(ner_counts_score_of(&counts, NER_ORG).f1 == 0);
    /* a second sentence adds up */
    ner_counts_add(&counts, gold, gold, 8, spans);
    ck_assert_uint_eq(ner_counts_score(&counts).correct, 4);
}
END_TEST

START_TEST(NothingToCountIsNoDivision) {
    ner_counts counts = {0};
    ner_score score = ner_counts_score(&counts);
    ck_assert(score.precision == 0 && score.recall == 0 && score.f1 == 0);
}
END_TEST

int main(void) {
    return run_tests("spans", TESTS(SpansAreThoseOfConlleval, NoTokensHaveNoSpans, DecodedLabelsAreTheBestValidOnes,
                                    InvalidWinnersAreRepaired, CountsAndScoresAreExact, NothingToCountIsNoDivision));
}

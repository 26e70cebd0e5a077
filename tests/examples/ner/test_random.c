/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random words that are the same everywhere. */
#include "examples/ner/random.h"
#include "tests/examples/ner/kit.h"

/* Known answer of Philox4x32-10 for counter 0, key 0 (Random123's kat_vectors). */
START_TEST(WordsAreThoseOfPhilox) {
    static const uint32_t known[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (uint64_t i = 0; i < 4; i++) ck_assert_uint_eq(ner_random_word(0, 0, i), known[i]);
}
END_TEST

START_TEST(SeedStreamAndIndexEachMatter) {
    uint32_t word = ner_random_word(1, 2, 3);
    ck_assert_uint_eq(ner_random_word(1, 2, 3), word);
    ck_assert_uint_ne(ner_random_word(2, 2, 3), word);
    ck_assert_uint_ne(ner_random_word(1 | (uint64_t)1 << 32, 2, 3), word);
    ck_assert_uint_ne(ner_random_word(1, 3, 3), word);
    ck_assert_uint_ne(ner_random_word(1, 2 | (uint64_t)1 << 32, 3), word);
    ck_assert_uint_ne(ner_random_word(1, 2, 7), word);
    ck_assert_uint_ne(ner_random_word(1, 2, 3 | (uint64_t)1 << 34), word);
    ck_assert_uint_ne(ner_random_stream(NER_STREAM_SHUFFLE, 1), ner_random_stream(NER_STREAM_ORDER, 1));
    ck_assert_uint_ne(ner_random_stream(NER_STREAM_SHUFFLE, 1), ner_random_stream(NER_STREAM_SHUFFLE, 2));
}
END_TEST

START_TEST(ShuffleKeepsEachItemOnce) {
    size_t items[1000];
    char seen[1000] = {0};
    for (size_t i = 0; i < 1000; i++) items[i] = i;
    ner_random_shuffle(items, 1000, 7, 1);
    size_t in_place = 0;
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_uint_lt(items[i], 1000);
        ck_assert_int_eq(seen[items[i]]++, 0);
        in_place += items[i] == i;
    }
    ck_assert_uint_lt(in_place, 20); /* about one is expected; 20 by chance has probability 1/20! */
    ner_random_shuffle(items, 0, 7, 1);
    ner_random_shuffle(items, 1, 7, 1);
}
END_TEST

/* Each of the 6 orders of 3 items has probability 1/6; over 6000 seeds its count has mean 1000 and standard deviation
 * sqrt(6000 * 1/6 * 5/6) = 28.9, so 6 deviations are 173. */
START_TEST(EveryOrderIsAsLikely) {
    size_t count[27] = {0};
    for (uint64_t seed = 0; seed < 6000; seed++) {
        size_t items[3] = {0, 1, 2};
        ner_random_shuffle(items, 3, seed, 0);
        count[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    static const size_t orders[6] = {5, 7, 11, 15, 19, 21};
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_gt(count[orders[i]], 1000 - 173);
        ck_assert_uint_lt(count[orders[i]], 1000 + 173);
    }
}
END_TEST

int main(void) {
    return run_tests("random", TESTS(WordsAreThoseOfPhilox, SeedStreamAndIndexEachMatter, ShuffleKeepsEachItemOnce,
                                     EveryOrderIsAsLikely));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counted strings. */
#include "examples/ner/strings.h"
#include "tests/examples/ner/kit.h"

/* Reference values of FNV-1a from its authors' test suite. */
START_TEST(HashIsFnv1a) {
    ck_assert_uint_eq(ner_hash(NER_HASH_START, "", 0), 0x811c9dc5);
    ck_assert_uint_eq(ner_hash(NER_HASH_START, "a", 1), 0xe40c292c);
    ck_assert_uint_eq(ner_hash(NER_HASH_START, "foobar", 6), 0xbf9cf968);
    ck_assert_uint_eq(ner_hash(ner_hash(NER_HASH_START, "foo", 3), "bar", 3), 0xbf9cf968);
}
END_TEST

START_TEST(NumbersFollowTheFirstSight) {
    ner_strings strings = {0};
    ck_assert_uint_eq(ner_strings_find(&strings, "a", 1), NER_STRINGS_NONE);
    ck_assert_uint_eq(ner_strings_add(&strings, "b", 1), 0);
    ck_assert_uint_eq(ner_strings_add(&strings, "a", 1), 1);
    ck_assert_uint_eq(ner_strings_add(&strings, "b", 1), 0);
    ck_assert_uint_eq(ner_strings_add(&strings, "bc", 1), 0); /* the bytes count, not the end */
    ck_assert_uint_eq(ner_strings_add(&strings, "", 0), 2);
    ck_assert_uint_eq(strings.n, 3);
    ck_assert_uint_eq(strings.count[0], 3);
    ck_assert_str_eq(strings.text[1], "a");
    ner_strings_clear(&strings);
    ck_assert_uint_eq(strings.n, 0);
}
END_TEST

START_TEST(ManyStringsAreFoundAgain) {
    ner_strings strings = {0};
    char text[24];
    for (size_t i = 0; i < 20000; i++)
        ck_assert_uint_eq(ner_strings_add(&strings, text, (size_t)snprintf(text, sizeof text, "w%zu", i)), i);
    for (size_t i = 0; i < 20000; i++)
        ck_assert_uint_eq(ner_strings_find(&strings, text, (size_t)snprintf(text, sizeof text, "w%zu", i)), i);
    ck_assert_uint_eq(ner_strings_find(&strings, "w20000", 6), NER_STRINGS_NONE);
    ner_strings_clear(&strings);
}
END_TEST

int main(void) {
    return run_tests("strings", TESTS(HashIsFnv1a, NumbersFollowTheFirstSight, ManyStringsAreFoundAgain));
}

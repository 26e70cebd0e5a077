/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Words of failures. */
#include "examples/ner/error.h"
#include "tests/examples/ner/kit.h"

START_TEST(StatusComesBackAndWordsAreKept) {
    ner_error error = {""};
    ck_assert_int_eq(ner_fail(&error, HL_FORMAT, "%s:%d: bad", "file", 3), HL_FORMAT);
    ck_assert_str_eq(error.text, "file:3: bad");
    ck_assert_int_eq(ner_fail_memory(&error), HL_OUT_OF_MEMORY);
    ck_assert_str_eq(error.text, "out of memory");
}
END_TEST

START_TEST(LongWordsAreCutAndNoErrorIsFine) {
    ner_error error;
    ck_assert_int_eq(ner_fail(&error, HL_SYSTEM, "%1000d", 1), HL_SYSTEM);
    ck_assert_uint_eq(strlen(error.text), NER_ERROR_TEXT - 1);
    ck_assert_int_eq(ner_fail(NULL, HL_SYSTEM, "nobody asks"), HL_SYSTEM);
}
END_TEST

START_TEST(TextOfAUsersIsShownCutAndWithoutControlCharacters) {
    char shown[NER_SHOWN];
    ck_assert_str_eq(ner_shown("B-PER and more", 5, shown), "B-PER");
    ck_assert_str_eq(ner_shown("a\x1b[1m\0b\x7f", 8, shown), "a\\x1B[1m\\x00b\\x7F");
    ck_assert_str_eq(ner_shown("0123456789012345678901234567890123456789", 40, shown),
                     "0123456789012345678901234567890123456789");
    ck_assert_str_eq(ner_shown("01234567890123456789012345678901234567\xE2\x82\xAC", 41, shown),
                     "01234567890123456789012345678901234567..."); /* not through the last code point */
    char bytes[60];
    memset(bytes, 1, sizeof bytes);
    ck_assert_uint_eq(strlen(ner_shown(bytes, sizeof bytes, shown)), 40 * strlen("\\x01") + 3);
}
END_TEST

int main(void) {
    return run_tests("error", TESTS(StatusComesBackAndWordsAreKept, LongWordsAreCutAndNoErrorIsFine,
                                    TextOfAUsersIsShownCutAndWithoutControlCharacters));
}

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

int main(void) { return run_tests("error", TESTS(StatusComesBackAndWordsAreKept, LongWordsAreCutAndNoErrorIsFine)); }

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Copies of strings and arrays that grow. */
#include <stdint.h>
#include <string.h>

#include "runtime/memory.h"
#include "tests/support/suite.h"

START_TEST(StringsAreCopied) {
    static const char *const texts[] = {"", "a", "a name with spaces and \"quotes\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *copy = hl__copy_string(texts[i]);
        ck_assert_ptr_nonnull(copy);
        ck_assert_ptr_ne(copy, texts[i]);
        ck_assert_str_eq(copy, texts[i]);
        hl__release(copy);
    }
}
END_TEST

START_TEST(GrowingKeepsWhatIsUsed) {
    uint32_t *array = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert(hl__grow(&array, &capacity, i, i + 1, sizeof *array));
        ck_assert_uint_ge(capacity, i + 1);
        array[i] = i * 7;
    }
    for (uint32_t i = 0; i < 1000; i++) ck_assert_uint_eq(array[i], i * 7);
    hl__release(array);
}
END_TEST

START_TEST(CapacityAtLeastDoubles) {
    char *array = NULL;
    size_t capacity = 0, n_growths = 0;
    for (size_t i = 0; i < 5000; i++) {
        size_t before = capacity;
        ck_assert(hl__grow(&array, &capacity, i, i + 1, 1));
        if (capacity == before) continue;
        ck_assert_uint_ge(capacity, 2 * before);
        n_growths++;
    }
    ck_assert_uint_le(n_growths, 13); /* 1, 2, 4 .. 8192 at the slowest, but the first is larger */
    hl__release(array);
}
END_TEST

START_TEST(FailedGrowthChangesNothing) {
    uint64_t *array = NULL;
    size_t capacity = 0;
    ck_assert(hl__grow(&array, &capacity, 0, 4, sizeof *array));
    array[3] = 99;
    uint64_t *before = array;
    size_t capacity_before = capacity;
    ck_assert(!hl__grow(&array, &capacity, 4, SIZE_MAX / 4, sizeof *array));
    ck_assert_ptr_eq(array, before);
    ck_assert_uint_eq(capacity, capacity_before);
    ck_assert_uint_eq(array[3], 99);
    hl__release(array);
}
END_TEST

int main(void) {
    return run_tests("memory_copy", TESTS(StringsAreCopied, GrowingKeepsWhatIsUsed, CapacityAtLeastDoubles,
                                          FailedGrowthChangesNothing));
}

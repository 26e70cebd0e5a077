/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Types, shapes and statuses. */
#include "headloom/types.h"

#include <string.h>

#include "tests/support/suite.h"

START_TEST(EveryStatusHasItsOwnWords) {
    const hl_status all[] = {
#define STATUS(name, value, text) name,
        HL_STATUS_LIST(STATUS)
#undef STATUS
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (size_t j = 0; j < i; j++) ck_assert_str_ne(hl_status_string(all[i]), hl_status_string(all[j]));
    ck_assert_str_eq(hl_status_string(HL_OK), "success");
}
END_TEST

START_TEST(ANumberThatIsNoStatusHasWordsToo) {
    ck_assert_str_eq(hl_status_string((hl_status)999), "not a status of this library");
}
END_TEST

START_TEST(TypesHaveSizesAndNames) {
    ck_assert_uint_eq(hl_dtype_bytes(HL_F32), sizeof(float));
    ck_assert_uint_eq(hl_dtype_bytes(HL_I32), sizeof(int32_t));
    ck_assert_uint_eq(hl_dtype_bytes(HL_NONE), 0);
    ck_assert_uint_eq(hl_dtype_bytes((hl_dtype)77), 0);
    ck_assert_str_eq(hl_dtype_name(HL_F32), "f32");
    ck_assert_str_eq(hl_dtype_name(HL_I32), "i32");
    ck_assert_str_eq(hl_dtype_name(HL_NONE), "none");
    ck_assert_str_eq(hl_dtype_name((hl_dtype)77), "unknown");
}
END_TEST

START_TEST(ElementsAreTheProductOfTheExtents) {
    ck_assert_uint_eq(hl_shape_elements(&HL_SHAPE(4, 512, 768)), 4 * 512 * 768);
    ck_assert_uint_eq(hl_shape_elements(&HL_SCALAR), 1);
    ck_assert_uint_eq(hl_shape_elements(&HL_SHAPE(4, 0, 768)), 0);
}
END_TEST

START_TEST(AProductThatDoesNotFitIsZero) {
    ck_assert_uint_eq(hl_shape_elements(&HL_SHAPE(SIZE_MAX / 2, 3)), 0);
    ck_assert_uint_eq(hl_shape_elements(&HL_SHAPE(SIZE_MAX, 1)), SIZE_MAX);
}
END_TEST

START_TEST(ShapesAreWrittenInBrackets) {
    char text[HL_SHAPE_TEXT];
    ck_assert_str_eq(hl_shape_text(&HL_SHAPE(4, 512, 768), text, sizeof text), "[4, 512, 768]");
    ck_assert_str_eq(hl_shape_text(&HL_SHAPE(7), text, sizeof text), "[7]");
    ck_assert_str_eq(hl_shape_text(&HL_SCALAR, text, sizeof text), "[]");
    hl_shape widest = HL_SHAPE(SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX);
    hl_shape_text(&widest, text, sizeof text);
    ck_assert_int_eq(text[strlen(text) - 1], ']');
}
END_TEST

START_TEST(TextThatDoesNotFitIsCutAndTerminated) {
    const char *whole = "[12, 345]";
    for (size_t size = 1; size <= 10; size++) {
        char text[16];
        memset(text, 'x', sizeof text);
        hl_shape_text(&HL_SHAPE(12, 345), text, size);
        ck_assert_uint_eq(strlen(text), size - 1);
        ck_assert_int_eq(memcmp(text, whole, size - 1), 0);
        ck_assert_int_eq(text[size], 'x');
    }
    char untouched = 'x';
    ck_assert_ptr_eq(hl_shape_text(&HL_SCALAR, &untouched, 0), &untouched);
    ck_assert_int_eq(untouched, 'x');
}
END_TEST

int main(void) {
    return run_tests("types", TESTS(EveryStatusHasItsOwnWords, ANumberThatIsNoStatusHasWordsToo, TypesHaveSizesAndNames,
                                    ElementsAreTheProductOfTheExtents, AProductThatDoesNotFitIsZero,
                                    ShapesAreWrittenInBrackets, TextThatDoesNotFitIsCutAndTerminated));
}

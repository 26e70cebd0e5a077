/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The version at run time is that of the headers it was built with. */
#include "headloom/version.h"

#include <stdio.h>

#include "tests/support/suite.h"

START_TEST(TheLibraryHasTheVersionOfItsHeaders) {
    int major = -1, minor = -1, patch = -1;
    hl_version(&major, &minor, &patch);
    ck_assert_int_eq(major, HL_VERSION_MAJOR);
    ck_assert_int_eq(minor, HL_VERSION_MINOR);
    ck_assert_int_eq(patch, HL_VERSION_PATCH);
}
END_TEST

START_TEST(EachPartMayBeLeftOut) {
    int minor = -1;
    hl_version(NULL, &minor, NULL);
    ck_assert_int_eq(minor, HL_VERSION_MINOR);
    hl_version(NULL, NULL, NULL);
}
END_TEST

START_TEST(TheStringIsMadeOfTheNumbers) {
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", HL_VERSION_MAJOR, HL_VERSION_MINOR, HL_VERSION_PATCH);
    ck_assert_str_eq(HL_VERSION_STRING, text);
    ck_assert_str_eq(hl_version_string(), text);
}
END_TEST

int main(void) {
    return run_tests("graph/version",
                     TESTS(TheLibraryHasTheVersionOfItsHeaders, EachPartMayBeLeftOut, TheStringIsMadeOfTheNumbers));
}

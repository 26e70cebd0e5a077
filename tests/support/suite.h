/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every test executable shares: a test file defines its cases with Check's START_TEST and ends with
 *
 *     int main(void) {
 *         return run_tests("softmax", TESTS(RowsSumToOne, MaskedRowsAreZero));
 *     }
 *
 * Cases run in the process itself: Check would fork for each, and a forked child of a process with an OpenMP team
 * hangs. Its 4-second timeouts go with the forks; ctest sets the timeout of each executable. */
#ifndef HL_TESTS_SUPPORT_SUITE_H
#define HL_TESTS_SUPPORT_SUITE_H

#include <check.h>

/* The cases of a file, ended by NULL. */
#define TESTS(...) ((const TTest *const[]){__VA_ARGS__, NULL})

/* Runs the cases in order, or only the one that the environment variable CK_RUN_CASE names. The exit code of main. */
int run_tests(const char *name, const TTest *const *tests);

/* The same for cases that a kind of files has in common, then those of one file (NULL: none). */
int run_tests_of_kind(const char *name, const TTest *const *common, const TTest *const *own);

#endif

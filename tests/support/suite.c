/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The frame of every test executable. */
#include "tests/support/suite.h"

#include <stdlib.h>

static void add_tests(Suite *suite, const TTest *const *tests) {
    for (; *tests; tests++) {
        TCase *test = tcase_create((*tests)->name);
        tcase_set_timeout(test, 0);
        tcase_add_test(test, *tests);
        suite_add_tcase(suite, test);
    }
}

int run_tests_of_kind(const char *name, const TTest *const *common, const TTest *const *own) {
    Suite *suite = suite_create(name);
    add_tests(suite, common);
    if (own) add_tests(suite, own);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int n_run = srunner_ntests_run(runner);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_run > 0 && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE; /* a run of no test is a failure, too */
}

int run_tests(const char *name, const TTest *const *tests) { return run_tests_of_kind(name, tests, NULL); }

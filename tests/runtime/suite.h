/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every test of runtime/ starts with: one suite in this process. Nothing is forked, since a child of a process
 * with a team of threads has none of them; time limits come from ctest. */
#ifndef HL_TESTS_RUNTIME_SUITE_H
#define HL_TESTS_RUNTIME_SUITE_H

#include <check.h>
#include <stdlib.h>

#define TESTS(...) ((const TTest *[]){__VA_ARGS__, NULL})

static inline int run_tests(const char *name, const TTest *const *tests) {
    Suite *suite = suite_create(name);
    TCase *all = tcase_create(name);
    tcase_set_timeout(all, 0);
    for (; *tests; tests++) tcase_add_test(all, *tests);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif

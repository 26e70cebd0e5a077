/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of sums over the axes of hl_axes_config share: oracles that find by division and remainder which
 * elements belong together, the shapes and axes that each is run on, and the cases that every one of them has. */
#ifndef HL_TESTS_SUPPORT_SUM_CHECK_H
#define HL_TESTS_SUPPORT_SUM_CHECK_H

#include "tests/support/op_check.h"
#include "tests/support/suite.h"

/* y = sum of f(x). */
void oracle_sum(const op_case *c, const double *const in[], double *const out[], double (*f)(double));

/* dx = factor * dy for each of the elements that make one of y. */
void oracle_sum_slopes(const op_case *c, const double *const d_out[], double *const d_in[], double factor);

/* Elements of x that make one of y. */
size_t oracle_summed(const op_case *c);

/* Runs the cases that every sum has, then the file's own (NULL: none):
 *
 *   ExtremesAreAsInDouble                op_extremes with these slopes, over all axes, the first and the last
 *   AnyAxesKeptOrDropped                 all, the first, the last, inner and single axes
 *   LongSumsKeepTheirDigits              sums of up to a million elements, within the same bound
 *   IntegersAndAxesThatAreNoneAreRefused
 *
 * The case's bound of values is that of what happens to the sum, whose two roundings come on top here; whole numbers
 * are added up without. The case lives until this returns the exit code of main. */
int run_sum_tests(const char *name, const op_case *any, op_slopes *slopes, const TTest *const *own);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums of up to a million terms: how exact they must be, and the terms that show it. */
#ifndef HL_TESTS_SUPPORT_LONG_SUMS_H
#define HL_TESTS_SUPPORT_LONG_SUMS_H

#include <float.h>
#include <math.h>

#include "tests/support/op_check.h"

/* Roundings of a sum that is made in double precision, in parts: half a unit for each part, half for the whole. */
#define SUMMED 1.01

#define LONG_SUM ((size_t)1 << 20)

/* Terms of a long sum: equal ones, whose roundings all go one way within a binade, or random ones. 0x1.fe06p0 is the
 * number whose sums of 512, one by one, are the farthest off of all: by 128.5 units of 2^-24. */
static const struct {
    double low, high;
} long_sum_terms[] = {{(double)0.1f, (double)0.1f}, {0x1.fe06p0, 0x1.fe06p0}, {0, 1}, {-1, 1}};

#define LONG_SUM_TERMS (sizeof long_sum_terms / sizeof *long_sum_terms)

/* A sum of n terms is off by at most 1e-6 log2 n of the sum of their sizes, in units of FLT_EPSILON: as little as where
 * halves are summed apart and each of the log2 n sums of sums is rounded some ten times. One by one, n equal terms are
 * off by up to n / 4 units of 2^-24: ten times the bound for 2^15 terms. */
static inline op_bound long_sum_bound(size_t n) {
    return (op_bound){.relative = 1e-6 * log2((double)(n > 2 ? n : 2)) / (double)FLT_EPSILON};
}

/* Checks the gradients of a case as sums of n terms, which are those of dy alone if the inputs are 1. */
static inline void long_sum_check(op_case *c, size_t n, size_t which) {
    c->d_low = long_sum_terms[which].low;
    c->d_high = long_sum_terms[which].high;
    c->gradient = long_sum_bound(n);
    c->unwatched = true;
    c->samples = 2;
    c->seed = which;
    op_check(c);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Curves of efficiency over the size of tasks, and where they pass a share. */
#ifndef HL_BENCH_GRANULARITY_H
#define HL_BENCH_GRANULARITY_H

#include <stddef.h>

typedef struct granularity { /* of tasks of one size */
    double ns;               /* mean time of a task: wall x workers / tasks */
    double rate;             /* of useful work, in any unit */
} granularity;

/* The largest rate of a curve; n >= 1. */
double granularity_best(const granularity *curve, size_t n);

/* curve: from small tasks to large ones, n >= 1. The time of a task where the rate falls below `share` of the best one,
 * coming from the largest tasks; between two sizes the share is taken to be a straight line over the logarithm of the
 * time. Where it never falls below, the time of the smallest tasks. */
double granularity_least(const granularity *curve, size_t n, double share);

#endif

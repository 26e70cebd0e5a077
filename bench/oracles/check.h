/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether a piece of work gives the right numbers: asked before it is timed. */
#ifndef HL_BENCH_CHECK_H
#define HL_BENCH_CHECK_H

#include "bench/instruments/work.h"

typedef struct bench_errors { /* worst errors, as fractions of their bounds: infinity for what is no number */
    double forward, gradient;
    size_t rows; /* of y that were compared */
} bench_errors;

/* Compares y with the subject's oracle on some rows, and the gradients with the oracle's central difference in a random
 * direction. Leaves r as it was. False, with words on stderr, where something cannot be run. */
bool bench_check(bench_work *work, bench_errors *errors);

/* The worst |value - oracle| of n, as a fraction of unit * magnitude. */
double bench_worst_error(const float *value, const double *oracle, const double *magnitude, size_t n, double unit);

/* Prints what was found. False, with words on stderr, where an error is beyond its bound. */
bool bench_check_print(const bench_errors *errors);

/* dot product of n */
double bench_dot(const double *a, const double *b, size_t n);

/* score: n, -infinity where a mask hides a key, but not everywhere; becomes its softmax. */
void bench_softmax(double *score, size_t n);

#endif

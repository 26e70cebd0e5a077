/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Timing. Machines are shared and noisy and change their clock, so that two things are compared only by measuring them
 * in turn, repetition by repetition, within one run. */
#ifndef HL_BENCH_MEASURE_H
#define HL_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_measurement {
    const char *what;
    double (*run)(void *context); /* does the work once; milliseconds, or a negative number where it failed */
    void *context;
    double flops; /* of one repetition */

    double ms_min, ms_median; /* filled by bench_measure */
} bench_measurement;

/* Milliseconds of a monotonic clock. */
double bench_now_ms(void);

/* Runs everything once unmeasured, then `repetitions` times in turn. False where a repetition failed or there is no
 * memory (with words on stderr then). */
bool bench_measure(bench_measurement *measurements, size_t n, size_t repetitions);

/* What `whole` takes beyond `part`, with which it begins: the difference of the medians, and that of the minima where
 * it lies between 0 and the former, as it does but for noise. A difference repetition by repetition would be as small
 * as the noise allows at its minimum. */
bench_measurement bench_difference(const char *what, const bench_measurement *whole, const bench_measurement *part);

/* Sorts values; the mean of the two in the middle where n is even. n >= 1. */
double bench_median(double *values, size_t n);

/* GFLOP/s at the median; 0 where flops are not known. */
double bench_gflops(const bench_measurement *measurement);

#endif

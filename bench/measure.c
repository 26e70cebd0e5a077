/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Interleaved repetitions, and what is said of them: minimum and median. */
#include "bench/measure.h"

#include <stdlib.h>
#include <time.h>

double bench_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n) {
    qsort(values, n, sizeof values[0], compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

bool bench_measure(bench_measurement *measurements, size_t n, size_t repeat) {
    double *ms = calloc(n * repeat, sizeof ms[0]);
    bool good = ms != NULL && repeat > 0;
    for (size_t i = 0; good && i < n; i++) good = measurements[i].run(measurements[i].context) >= 0;
    for (size_t r = 0; r < repeat; r++) {
        for (size_t i = 0; good && i < n; i++) {
            double taken = measurements[i].run(measurements[i].context);
            good = taken >= 0;
            ms[i * repeat + r] = taken;
        }
    }
    for (size_t i = 0; good && i < n; i++) {
        measurements[i].ms_median = bench_median(ms + i * repeat, repeat);
        measurements[i].ms_min = ms[i * repeat]; /* sorted by now */
    }
    free(ms);
    return good;
}

double bench_gflops(const bench_measurement *measurement) {
    return measurement->ms_median > 0 ? measurement->flops / measurement->ms_median * 1e-6 : 0;
}

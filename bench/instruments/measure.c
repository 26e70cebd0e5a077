/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Interleaved repetitions, and what is said of them: minimum and median. */
#include "bench/instruments/measure.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
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

bool bench_measure(bench_measurement *measurements, size_t n, size_t repetitions) {
    double *ms = n > 0 && repetitions <= SIZE_MAX / n ? calloc(n * repetitions, sizeof ms[0]) : NULL;
    if (!ms) fprintf(stderr, "hl-bench: no memory for %zu repetitions\n", repetitions);
    bool good = ms != NULL && repetitions > 0;
    for (size_t i = 0; good && i < n; i++) good = measurements[i].run(measurements[i].context) >= 0;
    for (size_t r = 0; good && r < repetitions; r++) {
        for (size_t i = 0; good && i < n; i++) {
            double taken = measurements[i].run(measurements[i].context);
            good = taken >= 0;
            ms[i * repetitions + r] = taken;
        }
    }
    for (size_t i = 0; good && i < n; i++) {
        measurements[i].ms_median = bench_median(ms + i * repetitions, repetitions);
        measurements[i].ms_min = ms[i * repetitions]; /* sorted by now */
    }
    free(ms);
    return good;
}

bench_measurement bench_difference(const char *what, const bench_measurement *whole, const bench_measurement *part) {
    double median = fmax(whole->ms_median - part->ms_median, 0);
    return (bench_measurement){.what = what,
                               .flops = whole->flops - part->flops,
                               .ms_min = fmin(fmax(whole->ms_min - part->ms_min, 0), median),
                               .ms_median = median};
}

double bench_gflops(const bench_measurement *measurement) {
    return measurement->ms_median > 0 ? measurement->flops / measurement->ms_median * 1e-6 : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Efficiency is measured beside the best rate of the curve itself, whatever size it is reached at: beside the rate of
 * the largest tasks alone, noise there would flatter all others. */
#include "bench/instruments/granularity.h"

#include <math.h>

double granularity_best(const granularity *curve, size_t n) {
    double best = 0;
    for (size_t i = 0; i < n; i++) best = fmax(best, curve[i].rate);
    return best;
}

double granularity_least(const granularity *curve, size_t n, double share) {
    double needed = share * granularity_best(curve, n);
    size_t i = n - 1; /* the smallest size that is efficient, with all that are larger */
    if (curve[i].rate < needed) return curve[i].ns;
    while (i > 0 && curve[i - 1].rate >= needed) i--;
    if (i == 0) return curve[0].ns;
    const granularity *above = &curve[i], *below = &curve[i - 1];
    double part = (needed - below->rate) / (above->rate - below->rate);
    return below->ns * pow(above->ns / below->ns, part);
}

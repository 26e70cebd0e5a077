/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fp32 peak that every other measurement is compared with: the larger of an FMA loop and of a block product that
 * stays in cache, one thread a core, all at once. */
#ifndef HL_BENCH_PEAK_H
#define HL_BENCH_PEAK_H

#include "bench/instruments/team.h"
#include "bench/subjects/fma.h"
#include "bench/subjects/product.h"

enum { BENCH_PEAK_ONE_FMA, BENCH_PEAK_ONE_PRODUCT, BENCH_PEAK_ALL_FMA, BENCH_PEAK_ALL_PRODUCT, BENCH_N_PEAKS };

typedef struct bench_peak {
    hl__gemm product;
    bench_team team[BENCH_N_PEAKS];
} bench_peak_teams;

/* Makes the measurements: one core and `threads` cores. They point into *peak, which stays where it is. False, with
 * words on stderr, where no thread or memory was to be had. */
bool bench_peak_prepare(const bench_machine *machine, size_t threads, bench_peak_teams *peak,
                        bench_measurement measurements[BENCH_N_PEAKS]);

/* The loop of the chosen instruction set. */
const bench_fma *bench_fma_chosen(void);

/* GFLOP/s once they are measured, at the medians. */
double bench_peak_one(const bench_measurement measurements[BENCH_N_PEAKS]);
double bench_peak_all(const bench_measurement measurements[BENCH_N_PEAKS]);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bare FMA loop of each instruction set: what a core's arithmetic units can do when nothing else is asked of them.
 */
#ifndef HL_BENCH_FMA_H
#define HL_BENCH_FMA_H

#include <stddef.h>

typedef struct bench_fma {
    double (*run)(size_t rounds); /* the result is there so that the work cannot be left out */
    double flops_per_round;
} bench_fma;

extern const bench_fma bench_fma_baseline;
#ifdef __x86_64__
extern const bench_fma bench_fma_avx2;
extern const bench_fma bench_fma_avx512;
#endif

#endif

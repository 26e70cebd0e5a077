/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The FMA loop, compiled once for each instruction set. This is the only file that lets the compiler contract a * x + y
 * into one instruction: it measures units, no result depends on it. */
#include "bench/subjects/fma.h"

#ifndef BENCH_ISA
#error "compiled once per instruction set, with -DBENCH_ISA=..."
#endif
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES (VECTOR_BYTES / sizeof(float))

/* Two units of latency 4 to 5 need 8 to 10 independent chains; 12 and the two constants fit 16 registers. */
#define CHAINS 12

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

static double run(size_t rounds) {
    vector zero = {0}, x = zero + 0.999f, y = zero + 0.001f; /* the chains tend to 1: no denormals, no infinities */
    vector chain[CHAINS];
    for (size_t i = 0; i < CHAINS; i++) chain[i] = zero + (float)i;
    for (size_t round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (size_t i = 0; i < CHAINS; i++) chain[i] = chain[i] * x + y;
    }
    /* Chains first, two by two: a sum over all of them in turn takes as long as hundreds of rounds. */
    vector sums = ((chain[0] + chain[1]) + (chain[2] + chain[3])) + ((chain[4] + chain[5]) + (chain[6] + chain[7])) +
                  ((chain[8] + chain[9]) + (chain[10] + chain[11]));
    double sum = 0;
    for (size_t lane = 0; lane < LANES; lane++) sum += (double)sums[lane];
    return sum;
}

const bench_fma PASTE(bench_fma, BENCH_ISA) = {.run = run, .flops_per_round = 2.0 * CHAINS * (double)LANES};

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The peak, by both kernels, on one core and on all. */
#include "bench/instruments/peak.h"

#include <stdio.h>

#include "ops/ops.h"

/* The tile that attention and dense are made of. */
static const hl__gemm_shape tile = {.m = 64, .n = 64, .k = 256, .lda = 256, .ldb = 64, .ldc = 64};

const bench_fma *bench_fma_chosen(void) {
    switch (hl__isa_chosen()) {
#ifdef __x86_64__
    case HL__ISA_AVX512: return &bench_fma_avx512;
    case HL__ISA_AVX2: return &bench_fma_avx2;
#endif
    default: return &bench_fma_baseline;
    }
}

static double run_fma(const void *context, void *own, size_t rounds) {
    (void)own;
    return ((const bench_fma *)context)->run(rounds);
}

bool bench_peak_prepare(const bench_machine *machine, size_t threads, bench_peak_teams *peak,
                        bench_measurement measurements[BENCH_N_PEAKS]) {
    static const char *const names[BENCH_N_PEAKS] = {"fma_one_core", "product_one_core", "fma_all_cores",
                                                     "product_all_cores"};
    if (hl__gemm_prepare(&machine->code, &tile, &peak->product) != HL_OK) {
        fprintf(stderr, "hl-bench: the block product of the peak cannot be made\n");
        return false;
    }
    const bench_fma *fma = bench_fma_chosen();
    const bench_kernel kernels[2] = {{.context = fma, .run = run_fma, .flops = fma->flops_per_round},
                                     bench_product(&peak->product)};
    for (size_t i = 0; i < BENCH_N_PEAKS; i++) {
        bench_team *team = &peak->team[i];
        *team = (bench_team){.machine = machine, .threads = i < BENCH_PEAK_ALL_FMA ? 1 : threads};
        team->kernel = kernels[i % 2];
        if (i >= BENCH_PEAK_ALL_FMA) team->rounds = peak->team[i - BENCH_PEAK_ALL_FMA].rounds;
        else if (!bench_team_calibrate(team)) return false;
        measurements[i] = bench_team_measurement(names[i], team);
    }
    return true;
}

static double larger(const bench_measurement *a, const bench_measurement *b) {
    double x = bench_gflops(a), y = bench_gflops(b);
    return x > y ? x : y;
}

double bench_peak_one(const bench_measurement measurements[BENCH_N_PEAKS]) {
    return larger(&measurements[BENCH_PEAK_ONE_FMA], &measurements[BENCH_PEAK_ONE_PRODUCT]);
}

double bench_peak_all(const bench_measurement measurements[BENCH_N_PEAKS]) {
    return larger(&measurements[BENCH_PEAK_ALL_FMA], &measurements[BENCH_PEAK_ALL_PRODUCT]);
}

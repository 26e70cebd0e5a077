/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench peak, and the peak that other commands measure beside their own work. */
#include "bench/instruments/peak.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/options.h"
#include "bench/instruments/report.h"
#include "bench/instruments/work.h"
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

static bool print(const bench_machine *machine, const bench_line *line,
                  const bench_measurement measurements[BENCH_N_PEAKS]) {
    bench_report report;
    if (!bench_report_create(&report, "peak", machine, bench_options_describe(line))) return false;
    report.peak_gflops = bench_peak_all(measurements);
    for (size_t i = 0; i < BENCH_N_PEAKS; i++)
        bench_report_add(&report, &measurements[i],
                         i < BENCH_PEAK_ALL_FMA ? bench_peak_one(measurements) : report.peak_gflops);
    bench_report_print(&report);
    printf("\nfp32 peak of one core: %.1f GFLOP/s\nfp32 peak of %zu cores:  %.1f GFLOP/s\n",
           bench_peak_one(measurements), line->common->threads, report.peak_gflops);
    bool good = bench_report_write(&report, line->common->json);
    bench_report_destroy(&report);
    return good;
}

/* Prints what a runtime of so many workers finds and decides. */
static bool describe(size_t workers) {
    hl_runtime *runtime = NULL;
    hl_status status = hl_runtime_create(&(hl_runtime_options){.workers = workers}, &runtime);
    if (status != HL_OK) return bench_complain("runtime", status, hl_runtime_error(NULL));
    size_t bytes = hl_runtime_describe(runtime, NULL, 0) + 1;
    char *text = calloc(bytes, 1);
    if (text) {
        hl_runtime_describe(runtime, text, bytes);
        printf("%s\n", text);
    }
    free(text);
    hl_runtime_destroy(runtime);
    return text || bench_complain("description", HL_OUT_OF_MEMORY, NULL);
}

int bench_peak(int argc, char **argv) {
    bench_options options = {.repetitions = 20};
    bool describes = false;
    const bench_option own = {.name = "describe",
                              .doc = "first say what a runtime with these threads finds here and decides",
                              .kind = BENCH_FLAG,
                              .value = &describes};
    const bench_line line = {
        .doc = "Measures the fp32 peak of one core and of all, as the larger of an FMA loop and a 64 x 64 x 256 block "
               "product, all cores busy at once with one thread a core.",
        .common = &options,
        .own = &own,
        .n_own = 1};
    bench_machine machine;
    if (!bench_options_parse(&line, argc, argv) || (describes && !describe(options.threads)) ||
        !bench_machine_create(&machine))
        return EXIT_FAILURE;
    options.threads = bench_machine_threads(&machine, options.threads);
    bench_peak_teams peak;
    bench_measurement measurements[BENCH_N_PEAKS];
    bool good = bench_peak_prepare(&machine, options.threads, &peak, measurements) &&
                bench_measure(measurements, BENCH_N_PEAKS, options.repetitions) && print(&machine, &line, measurements);
    bench_machine_destroy(&machine);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

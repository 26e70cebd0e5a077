/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench peak, and the peak that other commands measure beside their own work. */
#include "bench/peak.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/fma.h"
#include "bench/options.h"
#include "bench/report.h"
#include "ops/gemm.h"
#include "ops/ops.h"

/* The tile that attention and dense are made of. */
enum { M = 64, N = 64, K = 256 };

#define TARGET_MS 5.0
#define DEFAULT_REPEAT 20

typedef struct member { /* one thread of a repetition */
    const bench_peak_work *work;
    pthread_t thread;
    pthread_barrier_t *start;
    size_t core;
    float *buffer; /* A, B and C of the product */
    double begin_ms, end_ms;
    double result;
    bool good;
} member;

static const bench_fma *chosen_fma(void) {
    switch (hl__isa_chosen()) {
#ifdef __x86_64__
    case HL__ISA_AVX512: return &bench_fma_avx512;
    case HL__ISA_AVX2: return &bench_fma_avx2;
#endif
    default: return &bench_fma_baseline;
    }
}

static double flops_per_round(bool product) { return product ? 2.0 * M * N * K : chosen_fma()->flops_per_round; }

static void *take_part(void *argument) {
    member *self = argument;
    const bench_peak_work *work = self->work;
    bench_machine_pin(work->machine, self->core);
    hl__gemm gemm;
    hl__gemm_shape shape = {.m = M, .n = N, .k = K, .lda = K, .ldb = N, .ldc = N};
    self->good = !work->product || hl__gemm_prepare(&shape, &gemm) == HL_OK;
    float *a = self->buffer, *b = a + M * K, *c = b + K * N;
    for (size_t i = 0; i < M * K + K * N; i++) a[i] = 1.0f / (float)(1 + i % 7); /* touched by its own core */
    if (self->good && work->product) hl__gemm_run(&gemm, a, b, c);

    pthread_barrier_wait(self->start);
    self->begin_ms = bench_now_ms();
    if (self->good && work->product) {
        for (size_t round = 0; round < work->rounds; round++) hl__gemm_run(&gemm, a, b, c);
        self->result = (double)c[0];
    } else if (self->good) {
        self->result = chosen_fma()->run(work->rounds);
    }
    self->end_ms = bench_now_ms();
    return NULL;
}

static void start_members(member *members, size_t n, const bench_peak_work *work, pthread_barrier_t *start) {
    for (size_t i = 0; i < n; i++) {
        members[i] = (member){.work = work, .start = start, .core = i};
        members[i].buffer = aligned_alloc(64, (M * K + K * N + M * N) * sizeof(float));
        /* A barrier that some thread never reaches would hold the others for good. */
        if (!members[i].buffer || pthread_create(&members[i].thread, NULL, take_part, &members[i]) != 0) {
            fprintf(stderr, "hl-bench: no memory or no thread for the peak\n");
            exit(EXIT_FAILURE);
        }
    }
}

/* From the first thread's start to the last one's end. */
static double run_peak(void *context) {
    const bench_peak_work *work = context;
    member *members = calloc(work->threads, sizeof members[0]);
    pthread_barrier_t start;
    if (!members || pthread_barrier_init(&start, NULL, (unsigned)work->threads) != 0) {
        free(members);
        return -1;
    }
    start_members(members, work->threads, work, &start);
    double begin = 0, end = 0;
    bool good = true;
    for (size_t i = 0; i < work->threads; i++) {
        pthread_join(members[i].thread, NULL);
        begin = i == 0 || members[i].begin_ms < begin ? members[i].begin_ms : begin;
        end = i == 0 || members[i].end_ms > end ? members[i].end_ms : end;
        good = good && members[i].good && members[i].result > 0;
        free(members[i].buffer);
    }
    pthread_barrier_destroy(&start);
    free(members);
    return good ? end - begin : -1;
}

/* Rounds that take about TARGET_MS. */
static bool calibrate(bench_peak_work *work) {
    double ms = 0;
    for (work->rounds = 64; ms < TARGET_MS / 4; work->rounds *= 2)
        if ((ms = run_peak(work)) < 0) return false;
    double scale = TARGET_MS / ms;
    work->rounds = (size_t)((double)work->rounds / 2 * scale) + 1;
    return true;
}

bool bench_peak_prepare(const bench_machine *machine, size_t threads, bench_peak_work works[BENCH_N_PEAKS],
                        bench_measurement measurements[BENCH_N_PEAKS]) {
    static const char *const names[BENCH_N_PEAKS] = {"fma_one_core", "product_one_core", "fma_all_cores",
                                                     "product_all_cores"};
    for (size_t i = 0; i < BENCH_N_PEAKS; i++) {
        bool all = i >= BENCH_PEAK_ALL_FMA, product = i == BENCH_PEAK_ONE_PRODUCT || i == BENCH_PEAK_ALL_PRODUCT;
        works[i] = (bench_peak_work){.machine = machine, .threads = all ? threads : 1, .product = product};
        if (!all && !calibrate(&works[i])) return false;
        if (all) works[i].rounds = works[product ? BENCH_PEAK_ONE_PRODUCT : BENCH_PEAK_ONE_FMA].rounds;
        measurements[i] = (bench_measurement){.what = names[i], .run = run_peak, .context = &works[i]};
        measurements[i].flops = (double)works[i].threads * (double)works[i].rounds * flops_per_round(product);
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

static error_t parse(int key, char *word, struct argp_state *state) {
    (void)word;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = state->input;
    return 0;
}

static bool report_peak(const bench_machine *machine, const bench_options *options,
                        const bench_measurement measurements[BENCH_N_PEAKS]) {
    bench_report report;
    json_t *described = json_object();
    bench_options_describe(options, described);
    if (!bench_report_create(&report, "peak", machine, described)) return false;
    report.peak_gflops = bench_peak_all(measurements);
    for (size_t i = 0; i < BENCH_N_PEAKS; i++)
        bench_report_add(&report, &measurements[i],
                         i < BENCH_PEAK_ALL_FMA ? bench_peak_one(measurements) : report.peak_gflops);
    bench_report_print(&report);
    printf("\nfp32 peak of one core: %.1f GFLOP/s\nfp32 peak of %zu cores:  %.1f GFLOP/s\n",
           bench_peak_one(measurements), options->threads, report.peak_gflops);
    bool good = bench_report_write(&report, options->json);
    bench_report_destroy(&report);
    return good;
}

int bench_peak(int argc, char **argv) {
    static const struct argp_child children[] = {{.argp = &bench_common_argp}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .children = children,
        .doc = "Measures the fp32 peak of one core and of all, as the larger of an FMA loop and a 64 x 64 x 256 block "
               "product, all cores busy at once with one thread a core."};
    bench_options options = {.repeat = DEFAULT_REPEAT};
    if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0) return EXIT_FAILURE;

    bench_machine machine;
    if (bench_machine_create(&machine) != 0) {
        fprintf(stderr, "hl-bench: the machine's topology cannot be read\n");
        return EXIT_FAILURE;
    }
    if (options.threads == 0 || options.threads > machine.cores) options.threads = machine.cores;
    bench_peak_work works[BENCH_N_PEAKS];
    bench_measurement measurements[BENCH_N_PEAKS];
    bool good = bench_peak_prepare(&machine, options.threads, works, measurements) &&
                bench_measure(measurements, BENCH_N_PEAKS, options.repeat) &&
                report_peak(&machine, &options, measurements);
    bench_machine_destroy(&machine);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench block: a multi-head attention block, forward and forward + backward, beside the peak and beside one worker.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/block_options.h"
#include "bench/block_work.h"
#include "bench/peak.h"
#include "bench/report.h"

enum { FORWARD, BOTH, ONE_FORWARD, ONE_BOTH, N_WORKS };

typedef struct block_bench {
    block_options options;
    bench_machine machine;
    block_work all, one;
    bench_peak_work peaks[BENCH_N_PEAKS];
    bench_measurement measurements[BENCH_N_PEAKS + N_WORKS];
    size_t n; /* measurements */
} block_bench;

static bool check(block_work *work) {
    block_errors errors;
    if (!block_check(work, &errors)) {
        fprintf(stderr, "hl-bench: the check could not be run\n");
        return false;
    }
    printf("checked against double: %zu rows of y, worst error %.3f of its bound; gradients, %.3f of their bound\n\n",
           errors.rows, errors.forward, errors.gradient);
    if (errors.forward <= 1 && errors.gradient <= 1) return true;
    fprintf(stderr, "hl-bench: wrong results: nothing is timed\n");
    return false;
}

static void add(block_bench *bench, const char *what, hl_program *program, double flops) {
    bench->measurements[bench->n++] =
        (bench_measurement){.what = what, .run = block_run, .context = program, .flops = flops};
}

static bool measure(block_bench *bench) {
    block_options *options = &bench->options;
    hl_runtime_options runtime = {.workers = options->common.threads, .policy = options->common.policy};
    if (!block_work_create(&options->shape, &runtime, &bench->all) || !check(&bench->all)) return false;
    options->common.threads = hl_runtime_workers(bench->all.runtime);
    if (!bench_peak_prepare(&bench->machine, options->common.threads, bench->peaks, bench->measurements)) return false;
    bench->n = BENCH_N_PEAKS;
    double flops = block_flops(&options->shape);
    add(bench, "forward", bench->all.forward, flops);
    add(bench, "forward_backward", bench->all.both, 3 * flops);
    if (!options->no_scaling && options->common.threads > 1) {
        runtime.workers = 1;
        if (!block_work_create(&options->shape, &runtime, &bench->one)) return false;
        add(bench, "forward_1_worker", bench->one.forward, flops);
        add(bench, "forward_backward_1_worker", bench->one.both, 3 * flops);
    }
    return bench_measure(bench->measurements, bench->n, options->common.repeat);
}

static bool report_block(const block_bench *bench) {
    const block_options *options = &bench->options;
    const bench_measurement *works = bench->measurements + BENCH_N_PEAKS;
    size_t n_works = bench->n - BENCH_N_PEAKS;
    bench_report report;
    if (!bench_report_create(&report, "block", &bench->machine, block_options_describe(options))) return false;
    report.peak_gflops = bench_peak_all(bench->measurements);
    for (size_t i = 0; i < n_works; i++)
        bench_report_add(&report, &works[i],
                         i < ONE_FORWARD ? report.peak_gflops : bench_peak_one(bench->measurements));
    bench_report_print(&report);
    if (n_works == N_WORKS)
        printf("\n%zu workers against 1 (medians): forward %.2f times faster, forward + backward %.2f times\n",
               options->common.threads, works[ONE_FORWARD].ms_median / works[FORWARD].ms_median,
               works[ONE_BOTH].ms_median / works[BOTH].ms_median);
    bool good = bench_report_write(&report, options->common.json);
    bench_report_destroy(&report);
    return good;
}

int bench_block(int argc, char **argv) {
    block_bench bench = {0};
    if (!block_options_parse(argc, argv, &bench.options,
                             "Measures a multi-head attention block: the projections q, k and v, score, softmax, "
                             "weight, concat and dense. Forward makes y from x; forward_backward also makes the "
                             "gradients of all weights and of x, from sum of y * r. GFLOP/s count products alone, the "
                             "backward ones twice the forward ones."))
        return EXIT_FAILURE;
    if (bench_machine_create(&bench.machine) != 0) {
        fprintf(stderr, "hl-bench: the machine's topology cannot be read\n");
        return EXIT_FAILURE;
    }
    bool good = measure(&bench) && report_block(&bench);
    block_work_destroy(&bench.one);
    block_work_destroy(&bench.all);
    bench_machine_destroy(&bench.machine);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

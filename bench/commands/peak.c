/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench peak: the peak that other commands measure beside their own work, alone. */
#include "bench/instruments/peak.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/options.h"
#include "bench/instruments/report.h"
#include "bench/instruments/work.h"

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

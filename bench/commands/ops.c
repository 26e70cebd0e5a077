/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench ops: where the time of the attention block goes, pass by pass, read from a trace of forward + backward. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/commands/block_options.h"
#include "bench/instruments/peak.h"
#include "bench/instruments/report.h"
#include "bench/oracles/check.h"

typedef struct pass_time {
    char name[96];
    double *ms; /* of each repetition, over all workers */
    size_t tiles;
} pass_time;

typedef struct pass_table {
    pass_time *passes;
    size_t n, n_repeats;
} pass_table;

static pass_time *find_pass(pass_table *table, const char *name) {
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->passes[i].name, name) == 0) return &table->passes[i];
    pass_time *grown = realloc(table->passes, (table->n + 1) * sizeof grown[0]);
    double *ms = calloc(table->n_repeats, sizeof ms[0]);
    if (grown) table->passes = grown;
    if (!grown || !ms) {
        free(ms);
        return NULL;
    }
    pass_time *pass = &grown[table->n++];
    *pass = (pass_time){.ms = ms};
    snprintf(pass->name, sizeof pass->name, "%s", name);
    return pass;
}

/* Adds the complete events ("ph": "X", durations in microseconds) of a trace file to repetition r. */
static bool add_trace(pass_table *table, const char *path, size_t r) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    json_t *events = json_is_array(root) ? root : json_object_get(root, "traceEvents"), *event;
    bool good = json_is_array(events);
    if (!good) fprintf(stderr, "hl-bench: the trace cannot be read: %s\n", error.text);
    size_t i;
    json_array_foreach(events, i, event) {
        const char *kind = json_string_value(json_object_get(event, "ph"));
        const char *name = json_string_value(json_object_get(event, "name"));
        if (!kind || !name || strcmp(kind, "X") != 0) continue;
        pass_time *pass = find_pass(table, name);
        if (!pass) {
            good = false;
            break;
        }
        pass->ms[r] += json_number_value(json_object_get(event, "dur")) * 1e-3;
        if (r == 0) pass->tiles++;
    }
    json_decref(root);
    return good;
}

static bool record(bench_work *work, pass_table *table, const char *path, bench_measurement *whole) {
    double *ms = calloc(table->n_repeats, sizeof ms[0]);
    bool good = ms && bench_run_program(work->both) >= 0;
    for (size_t r = 0; good && r < table->n_repeats; r++) {
        ms[r] = bench_trace_program(work->runtime, work->both, path);
        good = ms[r] >= 0 && add_trace(table, path, r);
    }
    if (good) {
        whole->ms_median = bench_median(ms, table->n_repeats);
        whole->ms_min = ms[0];
    }
    free(ms);
    return good;
}

static int slower_first(const void *a, const void *b) {
    double x = ((const bench_measurement *)a)->ms_median, y = ((const bench_measurement *)b)->ms_median;
    return (x < y) - (x > y);
}

static bool report_passes(pass_table *table, const bench_measurement *whole, double peak, const block_options *options,
                          const bench_machine *machine) {
    bench_report report;
    bench_measurement *rows = calloc(table->n, sizeof rows[0]);
    if (!rows || !bench_report_create(&report, "ops", machine, bench_options_describe(&options->line))) {
        free(rows);
        return false;
    }
    double busy = 0;
    for (size_t i = 0; i < table->n; i++) {
        rows[i] = (bench_measurement){.what = table->passes[i].name,
                                      .ms_median = bench_median(table->passes[i].ms, table->n_repeats)};
        rows[i].ms_min = table->passes[i].ms[0];
        busy += rows[i].ms_median;
    }
    qsort(rows, table->n, sizeof rows[0], slower_first);
    report.peak_gflops = peak;
    bench_report_add(&report, whole, peak);
    for (size_t i = 0; i < table->n; i++) bench_report_add(&report, &rows[i], peak);
    bench_report_print(&report);
    printf("\npasses: milliseconds of all workers together; busy %.1f of %zu x %.1f ms\n", busy,
           options->common.threads, whole->ms_median);
    bool good = bench_report_write(&report, options->common.json);
    bench_report_destroy(&report);
    free(rows);
    return good;
}

static bool measure_peak(const bench_machine *machine, const bench_options *options, double *gflops) {
    bench_peak_teams peak;
    bench_measurement measurements[BENCH_N_PEAKS];
    if (!bench_peak_prepare(machine, bench_machine_threads(machine, options->threads), &peak, measurements) ||
        !bench_measure(measurements, BENCH_N_PEAKS, options->repetitions))
        return false;
    *gflops = bench_peak_all(measurements);
    return true;
}

static bool trace_block(block_options *options, const bench_machine *machine, const char *path) {
    bench_subject subject = block_subject(&options->shape);
    bench_work work;
    bench_errors errors;
    pass_table table = {.n_repeats = options->common.repetitions};
    bench_measurement whole = {.what = "forward_backward", .flops = subject.forward_flops + subject.backward_flops};
    bench_runtime_options runtime = {
        .workers = options->common.threads, .policy = options->common.policy, .trace_events = BENCH_TRACE_EVENTS};
    double peak = 0;
    bool good = bench_work_create(&subject, &runtime, &work);
    if (good) options->common.threads = hl_runtime_workers(work.runtime);
    good = good && bench_check(&work, &errors) && bench_check_print(&errors) &&
           measure_peak(machine, &options->common, &peak) && record(&work, &table, path, &whole) &&
           report_passes(&table, &whole, peak, options, machine);
    for (size_t i = 0; i < table.n; i++) free(table.passes[i].ms);
    free(table.passes);
    bench_work_destroy(&work);
    return good;
}

int bench_ops(int argc, char **argv) {
    block_options options;
    bench_machine machine;
    if (!block_options_parse(
            argc, argv,
            "Shows where the time of the attention block goes: for each pass of forward + backward, the "
            "milliseconds that its tiles took on all workers together.",
            false, &options) ||
        !bench_machine_create(&machine))
        return EXIT_FAILURE;
    char path[64];
    int file = memfd_create("hl-bench trace", MFD_CLOEXEC); /* nothing is left behind, however the process ends */
    if (file < 0) fprintf(stderr, "hl-bench: no file in memory for the trace\n");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    bool good = file >= 0 && trace_block(&options, &machine, path);
    if (file >= 0) close(file);
    bench_machine_destroy(&machine);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A subject, checked, then measured on all workers and on one, beside the peak. */
#include "bench/instruments/speed.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/instruments/peak.h"
#include "bench/instruments/profile.h"
#include "bench/instruments/report.h"
#include "bench/oracles/check.h"

enum { FORWARD, BOTH, ONE_FORWARD, ONE_BOTH, N_RUNS };

typedef struct speed {
    const bench_subject *subject;
    const bench_line *line;
    bench_machine machine;
    bench_work all, one;
    bench_peak_teams peak;
    bench_measurement measurements[BENCH_N_PEAKS + N_RUNS]; /* those of the peak first */
    size_t n;
} speed;

static bool check(bench_work *work) {
    bench_errors errors;
    return bench_check(work, &errors) && bench_check_print(&errors);
}

static void add(speed *s, const char *what, hl_program *program, double flops) {
    s->measurements[s->n++] = bench_program_measurement(what, program, flops);
}

static bool measure(speed *s) {
    bench_options *options = s->line->common;
    bench_runtime_options runtime = {.workers = options->threads, .policy = options->policy};
    if (!bench_work_create(s->subject, &runtime, &s->all) || !check(&s->all)) return false;
    options->threads = hl_runtime_workers(s->all.runtime);
    if (!bench_peak_prepare(&s->machine, bench_machine_threads(&s->machine, options->threads), &s->peak,
                            s->measurements))
        return false;
    s->n = BENCH_N_PEAKS;
    double forward = s->subject->forward_flops, both = forward + s->subject->backward_flops;
    add(s, "forward", s->all.forward, forward);
    add(s, "forward_backward", s->all.both, both);
    if (!options->no_scaling && options->threads > 1) {
        runtime.workers = 1;
        if (!bench_work_create(s->subject, &runtime, &s->one)) return false;
        add(s, "forward_1_worker", s->one.forward, forward);
        add(s, "forward_backward_1_worker", s->one.both, both);
    }
    return bench_measure(s->measurements, s->n, options->repetitions);
}

/* entries: of forward and of forward_backward; between them comes what the latter takes beyond the former. */
static void add_runs(bench_report *report, const bench_measurement runs[2], const char *backward,
                     const bench_work *work, double peak, json_t *entries[2]) {
    bench_measurement difference = bench_difference(backward, &runs[1], &runs[0]);
    entries[0] = bench_report_add(report, &runs[0], peak);
    bench_report_add(report, &difference, peak);
    entries[1] = bench_report_add(report, &runs[1], peak);
    bench_report_add_sizes(entries[0], work->forward);
    bench_report_add_sizes(entries[1], work->both);
}

static void print_memory(const speed *s) {
    hl_program_sizes forward, both;
    if (hl_program_measure(s->all.forward, &forward) == HL_OK && hl_program_measure(s->all.both, &both) == HL_OK)
        printf("\nmemory of the programs: forward %.1f MB, forward + backward %.1f MB\n",
               (double)forward.arena_bytes * 1e-6, (double)both.arena_bytes * 1e-6);
}

static bool print(const speed *s) {
    bench_report report;
    const bench_options *options = s->line->common;
    if (!bench_report_create(&report, s->subject->name, &s->machine, bench_options_describe(s->line))) return false;
    report.peak_gflops = bench_peak_all(s->measurements);
    const bench_measurement *runs = s->measurements + BENCH_N_PEAKS;
    bool scaling = s->n == BENCH_N_PEAKS + N_RUNS;
    json_t *all[2], *one[2];
    add_runs(&report, &runs[FORWARD], "backward", &s->all, report.peak_gflops, all);
    if (scaling) {
        add_runs(&report, &runs[ONE_FORWARD], "backward_1_worker", &s->one, bench_peak_one(s->measurements), one);
        bench_report_add_speedup(all[0], runs[ONE_FORWARD].ms_median);
        bench_report_add_speedup(all[1], runs[ONE_BOTH].ms_median);
    }
    bench_report_print(&report);
    print_memory(s);
    bool good = !options->profile || bench_profile(s->all.both, options->repetitions, all[1]);
    good = good && bench_report_write(&report, options->json);
    bench_report_destroy(&report);
    return good;
}

int bench_speed(const bench_subject *subject, const bench_line *line) {
    speed s = {.subject = subject, .line = line};
    if (!bench_machine_create(&s.machine)) return EXIT_FAILURE;
    bool good = measure(&s) && print(&s);
    bench_work_destroy(&s.one);
    bench_work_destroy(&s.all);
    bench_machine_destroy(&s.machine);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

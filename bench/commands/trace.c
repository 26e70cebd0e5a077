/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench trace: what it costs to record a task, as the difference between graphs of empty tasks with and without a
 * trace, or a profile. In chains a task waits for the one before alone; in a stencil for three, which other workers may
 * have run. Times are settled when they are written or asked for (runtime/trace.h), which is not measured here. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/options.h"
#include "bench/instruments/peak.h"
#include "bench/instruments/report.h"
#include "bench/instruments/work.h"
#include "bench/subjects/grid_graph.h"

#define WARM_UPS 3

/* name, suffix of results, words */
#define TRACE_KIND_LIST(X)          \
    X(PLAIN, "", "nothing")         \
    X(TRACED, "_traced", "a trace") \
    X(PROFILED, "_profiled", "a profile")

/* name, prefix of results, pattern, whether on all workers */
#define TRACE_CASE_LIST(X)                           \
    X(CHAINS_ONE, "chains_1", GRID_CHAINS, false)    \
    X(STENCIL_ONE, "stencil_1", GRID_STENCIL, false) \
    X(CHAINS_ALL, "chains", GRID_CHAINS, true)       \
    X(STENCIL_ALL, "stencil", GRID_STENCIL, true)

#define TRACE_KIND(name, suffix, words) TRACE_##name,
#define TRACE_CASE(name, prefix, pattern, all) TRACE_##name,
enum { TRACE_KIND_LIST(TRACE_KIND) N_KINDS };
enum { TRACE_CASE_LIST(TRACE_CASE) N_CASES };
#undef TRACE_KIND
#undef TRACE_CASE

static const char *const kind_suffix[] = {
#define TRACE_SUFFIX(name, suffix, words) suffix,
    TRACE_KIND_LIST(TRACE_SUFFIX)
#undef TRACE_SUFFIX
};
static const char *const kind_words[] = {
#define TRACE_WORDS(name, suffix, words) words,
    TRACE_KIND_LIST(TRACE_WORDS)
#undef TRACE_WORDS
};
static const struct {
    const char *prefix;
    grid_pattern pattern;
    bool all;
} cases[] = {
#define TRACE_ROW(name, prefix, pattern, all) {prefix, pattern, all},
    TRACE_CASE_LIST(TRACE_ROW)
#undef TRACE_ROW
};

typedef struct trace_run {
    char what[32];
    hl_runtime *runtime;
    bool traced;
    grid_graph graph;
    bench_measurement *measurement;
} trace_run;

typedef struct trace_bench {
    const bench_line *line;
    grid_shape shape; /* but for the pattern */
    size_t n_cases;
    bench_machine machine;
    bench_peak_teams peak;
    trace_run run[N_CASES][N_KINDS];
    bench_measurement measurements[BENCH_N_PEAKS + N_CASES * N_KINDS];
    size_t n;
} trace_bench;

/* One run behind others that warm up: caches, and a core that other measurements have left asleep. */
static double run_warm(void *context) {
    trace_run *run = context;
    hl_status status = run->traced ? hl_runtime_trace_clear(run->runtime) : HL_OK;
    if (status != HL_OK) {
        bench_complain("trace", status, hl_runtime_error(run->runtime));
        return -1;
    }
    for (size_t i = 0; i < WARM_UPS; i++)
        if (bench_run_program(run->graph.program) < 0) return -1;
    return bench_run_program(run->graph.program);
}

static bool add(trace_bench *bench, size_t which, size_t kind, size_t workers) {
    trace_run *run = &bench->run[which][kind];
    grid_shape shape = bench->shape;
    shape.pattern = cases[which].pattern;
    bench_runtime_options options = {.workers = workers,
                                     .policy = bench->line->common->policy,
                                     .trace_events = kind == TRACE_TRACED ? (WARM_UPS + 1) * grid_tasks(&shape) : 0};
    hl_status status = bench_runtime_create(&options, &run->runtime);
    if (status != HL_OK) return bench_complain("runtime", status, hl_runtime_error(NULL));
    if (!grid_graph_check(run->runtime, &shape) || !grid_graph_create(run->runtime, &shape, GRID_EMPTY, &run->graph))
        return false;
    if (kind == TRACE_PROFILED && (status = hl_program_profile_start(run->graph.program)) != HL_OK)
        return bench_complain("profile", status, hl_program_error(run->graph.program));
    run->traced = kind == TRACE_TRACED;
    snprintf(run->what, sizeof run->what, "%s%s", cases[which].prefix, kind_suffix[kind]);
    run->measurement = &bench->measurements[bench->n++];
    *run->measurement = (bench_measurement){.what = run->what, .run = run_warm, .context = run};
    return true;
}

static bool prepare(trace_bench *bench) {
    bench_options *options = bench->line->common;
    hl_runtime *runtime = NULL;
    hl_status status = hl_runtime_create(&(hl_runtime_options){.workers = options->threads}, &runtime);
    if (status != HL_OK) return bench_complain("runtime", status, hl_runtime_error(NULL));
    options->threads = hl_runtime_workers(runtime);
    hl_runtime_destroy(runtime);
    if (!bench_peak_prepare(&bench->machine, bench_machine_threads(&bench->machine, options->threads), &bench->peak,
                            bench->measurements))
        return false;
    bench->n = BENCH_N_PEAKS;
    bench->n_cases = options->threads == 1 ? TRACE_CHAINS_ALL : N_CASES;
    for (size_t which = 0; which < bench->n_cases; which++)
        for (size_t kind = 0; kind < N_KINDS; kind++)
            if (!add(bench, which, kind, cases[which].all ? options->threads : 1)) return false;
    return true;
}

/* Of the difference to the plain run: wall x workers / tasks, at the medians. */
static double ns_per_event(const trace_run *plain, const trace_run *run) {
    double workers = (double)hl_runtime_workers(run->runtime), tasks = (double)grid_tasks(&run->graph.shape);
    return (run->measurement->ms_median - plain->measurement->ms_median) * 1e6 * workers / tasks;
}

static void report_run(bench_report *report, const trace_run *plain, const trace_run *run) {
    json_t *entry = bench_report_add(report, run->measurement, 0);
    json_object_set_new(entry, "workers", json_integer((json_int_t)hl_runtime_workers(run->runtime)));
    json_object_set_new(entry, "tasks", json_integer((json_int_t)grid_tasks(&run->graph.shape)));
    if (run != plain) json_object_set_new(entry, "ns_per_event", json_real(ns_per_event(plain, run)));
}

static void print_events(const trace_bench *bench) {
    printf("\nthe times of a task take (wall x workers / tasks, of the difference to runs with nothing)\n");
    for (size_t which = 0; which < bench->n_cases; which++) {
        const trace_run *plain = &bench->run[which][TRACE_PLAIN];
        size_t workers = hl_runtime_workers(plain->runtime);
        for (size_t kind = TRACE_PLAIN + 1; kind < N_KINDS; kind++)
            printf("  %6.1f ns for %s, in %s at %zu worker%s\n", ns_per_event(plain, &bench->run[which][kind]),
                   kind_words[kind], cases[which].pattern == GRID_CHAINS ? "chains" : "a stencil", workers,
                   workers == 1 ? "" : "s");
    }
}

static bool print(const trace_bench *bench) {
    bench_report report;
    if (!bench_report_create(&report, "trace", &bench->machine, bench_options_describe(bench->line))) return false;
    report.peak_gflops = bench_peak_all(bench->measurements);
    for (size_t which = 0; which < bench->n_cases; which++)
        for (size_t kind = 0; kind < N_KINDS; kind++)
            report_run(&report, &bench->run[which][TRACE_PLAIN], &bench->run[which][kind]);
    bench_report_print(&report);
    print_events(bench);
    bool good = bench_report_write(&report, bench->line->common->json);
    bench_report_destroy(&report);
    return good;
}

static void destroy(trace_bench *bench) {
    for (size_t i = 0; i < N_CASES * N_KINDS; i++) {
        trace_run *run = &bench->run[i / N_KINDS][i % N_KINDS];
        grid_graph_destroy(&run->graph);
        hl_runtime_destroy(run->runtime);
    }
    bench_machine_destroy(&bench->machine);
}

int bench_trace(int argc, char **argv) {
    bench_options common = {.repetitions = 20};
    trace_bench bench = {.shape = {.width = 64, .rows = 1000}};
    const bench_option own[] = {BENCH_SIZE_OPTION("width", &bench.shape.width, "tasks of a step"),
                                BENCH_SIZE_OPTION("steps", &bench.shape.rows, "steps, each behind the last"),
                                BENCH_POLICY_OPTION(&common)};
    const bench_line line = {.doc = "Measures what a trace and a profile cost: graphs of empty tasks are run with and "
                                    "without, in turn, and the difference is shared out among the tasks. In chains "
                                    "each task waits for one of the step before, in a stencil for three.",
                             .common = &common,
                             .own = own,
                             .n_own = sizeof own / sizeof own[0],
                             .agree = grid_shape_agrees,
                             .context = &bench.shape};
    bench.line = &line;
    if (!bench_options_parse(&line, argc, argv) || !bench_machine_create(&bench.machine)) return EXIT_FAILURE;
    bool good = prepare(&bench) && bench_measure(bench.measurements, bench.n, common.repetitions) && print(&bench);
    destroy(&bench);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

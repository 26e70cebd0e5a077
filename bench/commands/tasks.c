/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench tasks: what a task costs that does nothing, in a graph where each waits for three. With --idle, what the
 * runtime costs while there is none. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/options.h"
#include "bench/instruments/peak.h"
#include "bench/instruments/report.h"
#include "bench/instruments/work.h"
#include "bench/subjects/grid_graph.h"
#include "bench/subjects/idle.h"

#define IDLE_WINDOW_MS 1000

enum { TASKS_ALL, TASKS_ONE, TASKS_BARRIER, N_TASKS };

/* A graph on a runtime. */
typedef struct grid_run {
    const char *what;
    hl_runtime *runtime;
    grid_graph graph;
    bench_measurement *measurement; /* NULL: was not asked for */
} grid_run;

typedef struct tasks_bench {
    const bench_line *line;
    grid_shape shape;
    bool idle;
    size_t n_wakes;
    bench_machine machine;
    bench_peak_teams peak;
    grid_run run[N_TASKS];
    idle_figures figures;
    bench_measurement measurements[BENCH_N_PEAKS + N_TASKS];
    size_t n;
} tasks_bench;

static bool create_runtime(const bench_options *options, size_t workers, hl_runtime **runtime) {
    hl_status status =
        bench_runtime_create(&(bench_runtime_options){.workers = workers, .policy = options->policy}, runtime);
    return status == HL_OK || bench_complain("runtime", status, hl_runtime_error(NULL));
}

/* Checks and makes one graph; the runtime is there. */
static bool add(tasks_bench *bench, size_t which, const char *what, const grid_shape *shape) {
    grid_run *run = &bench->run[which];
    run->what = what;
    if (!grid_graph_check(run->runtime, shape) || !grid_graph_create(run->runtime, shape, GRID_EMPTY, &run->graph))
        return false;
    run->measurement = &bench->measurements[bench->n++];
    *run->measurement = bench_program_measurement(what, run->graph.program, 0);
    return true;
}

static bool prepare(tasks_bench *bench) {
    bench_options *options = bench->line->common;
    grid_run *run = bench->run;
    if (!create_runtime(options, options->threads, &run[TASKS_ALL].runtime)) return false;
    options->threads = hl_runtime_workers(run[TASKS_ALL].runtime);
    if (!bench_peak_prepare(&bench->machine, bench_machine_threads(&bench->machine, options->threads), &bench->peak,
                            bench->measurements))
        return false;
    bench->n = BENCH_N_PEAKS;
    if (!add(bench, TASKS_ALL, "tasks", &bench->shape)) return false;
    if (options->policy == BENCH_POLICY_LEVELS) {
        grid_shape level = {.pattern = GRID_STENCIL, .width = options->threads, .rows = bench->shape.rows};
        run[TASKS_BARRIER].runtime = run[TASKS_ALL].runtime;
        if (!add(bench, TASKS_BARRIER, "levels", &level)) return false;
    }
    return options->no_scaling || options->threads == 1 ||
           (create_runtime(options, 1, &run[TASKS_ONE].runtime) &&
            add(bench, TASKS_ONE, "tasks_1_worker", &bench->shape));
}

/* Idle figures come behind a last run: in between, sleeping was up to another runtime's runs, too. */
static bool measure(tasks_bench *bench) {
    if (!prepare(bench) || !bench_measure(bench->measurements, bench->n, bench->line->common->repetitions))
        return false;
    return !bench->idle ||
           (bench_run_program(bench->run[TASKS_ALL].graph.program) >= 0 &&
            idle_measure(bench->run[TASKS_ALL].runtime, IDLE_WINDOW_MS, bench->n_wakes, &bench->figures));
}

/* wall x workers / tasks, at the median */
static double report_tasks(bench_report *report, const grid_run *run) {
    if (!run->measurement) return 0;
    double workers = (double)hl_runtime_workers(run->runtime), tasks = (double)grid_tasks(&run->graph.shape);
    double ns = run->measurement->ms_median * 1e6 * workers / tasks;
    json_t *entry = bench_report_add(report, run->measurement, 0);
    json_object_set_new(entry, "workers", json_integer((json_int_t)workers));
    json_object_set_new(entry, "tasks", json_integer((json_int_t)tasks));
    json_object_set_new(entry, "edges", json_integer((json_int_t)grid_edges(&run->graph.shape)));
    json_object_set_new(entry, "ns_per_task", json_real(ns));
    json_object_set_new(entry, "ns_per_level",
                        json_real(run->measurement->ms_median * 1e6 / (double)run->graph.shape.rows));
    return ns;
}

static void report_idle(bench_report *report, const idle_figures *figures) {
    bench_measurement idle = {.what = "idle", .ms_min = figures->cpu_ms, .ms_median = figures->cpu_ms};
    json_object_set_new(bench_report_add(report, &idle, 0), "percent_of_wall", json_real(idle_cpu_percent(figures)));
    bench_measurement wake = {
        .what = "wake", .ms_min = figures->wake_min_us * 1e-3, .ms_median = figures->wake_p50_us * 1e-3};
    json_t *entry = bench_report_add(report, &wake, 0);
    json_object_set_new(entry, "p50_us", json_real(figures->wake_p50_us));
    json_object_set_new(entry, "p99_us", json_real(figures->wake_p99_us));
}

static bool print(const tasks_bench *bench) {
    bench_report report;
    const grid_run *run = bench->run;
    size_t workers = bench->line->common->threads;
    if (!bench_report_create(&report, "tasks", &bench->machine, bench_options_describe(bench->line))) return false;
    report.peak_gflops = bench_peak_all(bench->measurements);
    double all = report_tasks(&report, &run[TASKS_ALL]), one = report_tasks(&report, &run[TASKS_ONE]);
    report_tasks(&report, &run[TASKS_BARRIER]);
    if (bench->idle) report_idle(&report, &bench->figures);
    bench_report_print(&report);
    printf("\nevery task ran once a run, behind those that it waits for: %zu tasks, %zu edges\n",
           grid_tasks(&bench->shape), grid_edges(&bench->shape));
    if (run[TASKS_ONE].measurement) printf("a task takes %.1f ns at 1 worker (wall x workers / tasks)\n", one);
    printf("a task takes %.1f ns at %zu worker%s (wall x workers / tasks)\n", all, workers, workers == 1 ? "" : "s");
    if (run[TASKS_BARRIER].measurement)
        printf("a level of %zu empty tasks and its barrier take %.1f ns\n", workers,
               run[TASKS_BARRIER].measurement->ms_median * 1e6 / (double)bench->shape.rows);
    if (bench->idle)
        printf("idle, the process takes %.4f %% of the time; from a call to its first task: p50 %.1f us, p99 %.1f us\n",
               idle_cpu_percent(&bench->figures), bench->figures.wake_p50_us, bench->figures.wake_p99_us);
    bool good = bench_report_write(&report, bench->line->common->json);
    bench_report_destroy(&report);
    return good;
}

static void destroy(tasks_bench *bench) {
    for (size_t i = 0; i < N_TASKS; i++) grid_graph_destroy(&bench->run[i].graph);
    hl_runtime_destroy(bench->run[TASKS_ALL].runtime); /* the barrier's, too */
    hl_runtime_destroy(bench->run[TASKS_ONE].runtime);
    bench_machine_destroy(&bench->machine);
}

int bench_tasks(int argc, char **argv) {
    bench_options common = {.repetitions = 20};
    tasks_bench bench = {.shape = {.pattern = GRID_STENCIL, .width = 64, .rows = 1000}, .n_wakes = 200};
    const bench_option own[] = {
        BENCH_SIZE_OPTION("width", &bench.shape.width, "tasks of a step"),
        BENCH_SIZE_OPTION("steps", &bench.shape.rows, "steps, each behind the last"),
        {.name = "idle",
         .doc = "also what the process takes while nothing runs, and how soon a first task then begins",
         .kind = BENCH_FLAG,
         .value = &bench.idle},
        BENCH_SIZE_OPTION("wakes", &bench.n_wakes, "with --idle: first tasks that are timed"),
        BENCH_POLICY_OPTION(&common),
        BENCH_NO_SCALING_OPTION(&common)};
    const bench_line line = {.doc = "Measures what a task costs that does nothing: task i of a step waits for tasks "
                                    "i - 1, i and i + 1 of the step before. Each step is an operator, run as those "
                                    "that train are. With --policy=levels also what the barrier behind an operator "
                                    "costs.",
                             .common = &common,
                             .own = own,
                             .n_own = sizeof own / sizeof own[0],
                             .agree = grid_shape_agrees,
                             .context = &bench.shape};
    bench.line = &line;
    if (!bench_options_parse(&line, argc, argv) || !bench_machine_create(&bench.machine)) return EXIT_FAILURE;
    bool good = measure(&bench) && print(&bench);
    destroy(&bench);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

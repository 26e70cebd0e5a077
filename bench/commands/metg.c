/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench metg: how small a task may be (Slaughter et al., "Task Bench: a parameterized benchmark for evaluating
 * parallel runtime performance", SC 2020). */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/options.h"
#include "bench/instruments/granularity.h"
#include "bench/instruments/peak.h"
#include "bench/instruments/report.h"
#include "bench/instruments/work.h"
#include "bench/subjects/grid_graph.h"

enum { METG_ALL, METG_ONE, N_TEAMS };

#define MOST_SIZES 24 /* each of twice the rounds of the one before */
#define EFFICIENCY 0.5

typedef struct metg_size { /* one point of a curve */
    grid_graph *graph;
    size_t rounds;
    char what[32];
    bench_measurement *measurement;
} metg_size;

typedef struct metg_team {
    hl_runtime *runtime; /* NULL: was not asked for */
    grid_graph graph;
    metg_size size[MOST_SIZES];
    granularity curve[MOST_SIZES];
    double metg_ns;
} metg_team;

typedef struct metg_bench {
    const bench_line *line;
    grid_shape shape;
    size_t most_rounds, n_sizes;
    bench_machine machine;
    bench_peak_teams peak;
    metg_team team[N_TEAMS];
    bench_measurement measurements[BENCH_N_PEAKS + N_TEAMS * MOST_SIZES];
    size_t n;
} metg_bench;

/* A run of the smallest tasks goes before: whatever was measured last has filled the caches with something else. */
static double run_size(void *context) {
    metg_size *size = context;
    hl_program *program = size->graph->program;
    if (!grid_graph_set_rounds(size->graph, 1) || bench_run_program(program) < 0 ||
        !grid_graph_set_rounds(size->graph, size->rounds))
        return -1;
    return bench_run_program(program);
}

static bool add(metg_bench *bench, metg_team *team, size_t workers, const char *suffix) {
    bench_runtime_options options = {.workers = workers, .policy = bench->line->common->policy};
    hl_status status = bench_runtime_create(&options, &team->runtime);
    if (status != HL_OK) return bench_complain("runtime", status, hl_runtime_error(NULL));
    if (!grid_graph_check(team->runtime, &bench->shape) ||
        !grid_graph_create(team->runtime, &bench->shape, GRID_FMA, &team->graph))
        return false;
    double round = grid_graph_flops_of_round() * (double)grid_tasks(&bench->shape);
    for (size_t i = 0; i < bench->n_sizes; i++) {
        metg_size *size = &team->size[i];
        *size = (metg_size){.graph = &team->graph,
                            .rounds = bench->most_rounds >> (bench->n_sizes - 1 - i),
                            .measurement = &bench->measurements[bench->n++]};
        snprintf(size->what, sizeof size->what, "rounds_%zu%s", size->rounds, suffix);
        *size->measurement = (bench_measurement){
            .what = size->what, .run = run_size, .context = size, .flops = round * (double)size->rounds};
    }
    return true;
}

static void find_metg(const metg_bench *bench, metg_team *team) {
    if (!team->runtime) return;
    double share = (double)hl_runtime_workers(team->runtime) / (double)grid_tasks(&bench->shape);
    for (size_t i = 0; i < bench->n_sizes; i++)
        team->curve[i] = (granularity){.ns = team->size[i].measurement->ms_median * 1e6 * share,
                                       .rate = bench_gflops(team->size[i].measurement)};
    team->metg_ns = granularity_least(team->curve, bench->n_sizes, EFFICIENCY);
}

static bool measure(metg_bench *bench) {
    bench_options *options = bench->line->common;
    for (bench->n_sizes = 0; bench->n_sizes < MOST_SIZES && bench->most_rounds >> bench->n_sizes > 0;) bench->n_sizes++;
    if (!bench_peak_prepare(&bench->machine, bench_machine_threads(&bench->machine, options->threads), &bench->peak,
                            bench->measurements))
        return false;
    bench->n = BENCH_N_PEAKS;
    if (!add(bench, &bench->team[METG_ALL], options->threads, "")) return false;
    options->threads = hl_runtime_workers(bench->team[METG_ALL].runtime);
    if (!options->no_scaling && options->threads > 1 && !add(bench, &bench->team[METG_ONE], 1, "_1_worker"))
        return false;
    if (!bench_measure(bench->measurements, bench->n, options->repetitions)) return false;
    for (size_t i = 0; i < N_TEAMS; i++) find_metg(bench, &bench->team[i]);
    return true;
}

/* The curve, and one entry for its METG: its time is that of the METG itself. */
static void report_team(bench_report *report, const metg_bench *bench, const metg_team *team, const char *what,
                        double peak) {
    if (!team->runtime) return;
    double best = granularity_best(team->curve, bench->n_sizes);
    for (size_t i = 0; i < bench->n_sizes; i++) {
        json_t *entry = bench_report_add(report, team->size[i].measurement, peak);
        json_object_set_new(entry, "ns_per_task", json_real(team->curve[i].ns));
        json_object_set_new(entry, "efficiency", json_real(best > 0 ? team->curve[i].rate / best : 0));
    }
    bench_measurement metg = {.what = what, .ms_min = team->metg_ns * 1e-6, .ms_median = team->metg_ns * 1e-6};
    json_object_set_new(bench_report_add(report, &metg, 0), "metg_ns", json_real(team->metg_ns));
}

static void print_team(const metg_bench *bench, const metg_team *team) {
    if (!team->runtime) return;
    double best = granularity_best(team->curve, bench->n_sizes);
    size_t workers = hl_runtime_workers(team->runtime);
    printf("\n%zu worker%s: ns a task (wall x workers / tasks), efficiency\n", workers, workers == 1 ? "" : "s");
    for (size_t i = 0; i < bench->n_sizes; i++)
        printf("%12.1f  %5.3f\n", team->curve[i].ns, best > 0 ? team->curve[i].rate / best : 0);
    printf("METG(50%%): %.1f ns\n", team->metg_ns);
}

static bool print(const metg_bench *bench) {
    bench_report report;
    if (!bench_report_create(&report, "metg", &bench->machine, bench_options_describe(bench->line))) return false;
    report.peak_gflops = bench_peak_all(bench->measurements);
    report_team(&report, bench, &bench->team[METG_ALL], "metg", report.peak_gflops);
    report_team(&report, bench, &bench->team[METG_ONE], "metg_1_worker", bench_peak_one(bench->measurements));
    bench_report_print(&report);
    printf("\nevery task ran once a run, behind those that it waits for: %zu tasks, %zu edges\n",
           grid_tasks(&bench->shape), grid_edges(&bench->shape));
    print_team(bench, &bench->team[METG_ONE]);
    print_team(bench, &bench->team[METG_ALL]);
    bool good = bench_report_write(&report, bench->line->common->json);
    bench_report_destroy(&report);
    return good;
}

static void destroy(metg_bench *bench) {
    for (size_t i = 0; i < N_TEAMS; i++) {
        grid_graph_destroy(&bench->team[i].graph);
        hl_runtime_destroy(bench->team[i].runtime);
    }
    bench_machine_destroy(&bench->machine);
}

int bench_metg(int argc, char **argv) {
    static const bench_word patterns[] = {
        {"stencil", GRID_STENCIL}, {"nearest5", GRID_NEAREST5}, {"tree", GRID_TREE}, {NULL, 0}};
    bench_options common = {.repetitions = 5};
    metg_bench bench = {.shape = {.width = 64, .rows = 100}, .most_rounds = 8192};
    const bench_option own[] = {{.name = "pattern",
                                 .doc = "whom a task waits for: stencil (3 neighbours), nearest5 (5) or tree (steps of "
                                        "1, 2, 4 up to the width and back: its parent or its two children)",
                                 .kind = BENCH_CHOICE,
                                 .value = &bench.shape.pattern,
                                 .words = patterns},
                                BENCH_SIZE_OPTION("width", &bench.shape.width, "tasks of a step"),
                                BENCH_SIZE_OPTION("steps", &bench.shape.rows, "steps, each behind the last"),
                                BENCH_SIZE_OPTION("rounds", &bench.most_rounds, "of FMAs in the largest tasks"),
                                BENCH_POLICY_OPTION(&common),
                                BENCH_NO_SCALING_OPTION(&common)};
    const bench_line line = {.doc = "Measures the minimum effective task granularity (Slaughter et al. 2020): the "
                                    "smallest mean time of a task at which at least half of the rate of the largest "
                                    "ones is left. Tasks are FMAs alone, and their number is halved from size to size.",
                             .common = &common,
                             .own = own,
                             .n_own = sizeof own / sizeof own[0],
                             .agree = grid_shape_agrees,
                             .context = &bench.shape};
    bench.line = &line;
    if (!bench_options_parse(&line, argc, argv)) return EXIT_FAILURE;
    if (bench.most_rounds > INT32_MAX) bench.most_rounds = INT32_MAX;
    if (!bench_machine_create(&bench.machine)) return EXIT_FAILURE;
    bool good = measure(&bench) && print(&bench);
    destroy(&bench);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

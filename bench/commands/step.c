/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench step: a whole training step (forward, backward, AdamW) of a GPT with random weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/options.h"
#include "bench/instruments/peak.h"
#include "bench/instruments/profile.h"
#include "bench/instruments/report.h"
#include "bench/instruments/work.h"
#include "bench/subjects/gpt.h"

enum { STEP_ALL, STEP_ONE, N_STEPS };

#define CHECKED_WORDS 4 /* of a sequence: the oracle is slow */
#define RATE 1e-4f

/* A model, ready to be trained. */
typedef struct trainee {
    gpt model;
    hl_runtime *runtime;
    hl_state *state;
    hl_program *program, *forward; /* forward: the logits */
    int32_t *words;
} trainee;

typedef struct step_bench {
    const bench_line *line;
    gpt_sizes sizes;
    bench_machine machine;
    bench_peak_teams peak;
    trainee trainee[N_STEPS];
    bench_measurement measurements[BENCH_N_PEAKS + N_STEPS];
    size_t n;
    const char *trace; /* file, or NULL */
} step_bench;

/* ---- a model ---- */

static bool write_words(trainee *t, hl_program *program) {
    size_t n = t->model.sizes.batch * t->model.sizes.tokens, bytes = n * sizeof *t->words;
    hl_status status = hl_program_write(program, t->model.words, t->words, bytes);
    if (status == HL_OK && program == t->program) { /* each word's label is the word behind it */
        status = hl_program_write(program, t->model.labels, t->words + 1, bytes);
        float rate = RATE;
        if (status == HL_OK) status = hl_program_write(program, t->model.rate, &rate, sizeof rate);
    }
    return status == HL_OK || bench_complain("words", status, hl_program_error(program));
}

static bool make_words(trainee *t) {
    size_t n = t->model.sizes.batch * t->model.sizes.tokens + 1;
    t->words = calloc(n, sizeof *t->words);
    float *random = bench_random(n, 7, 1 / sqrt(3)); /* in (-1, 1) */
    bool good = t->words && random;
    for (size_t i = 0; good && i < n; i++) {
        double share = (1 + (double)random[i]) / 2;
        t->words[i] = (int32_t)fmin(share * (double)t->model.sizes.vocabulary, (double)t->model.sizes.vocabulary - 1);
    }
    free(random);
    return good || bench_complain("words", HL_OUT_OF_MEMORY, NULL);
}

static bool create(trainee *t, const gpt_sizes *sizes, const bench_runtime_options *options) {
    hl_graph *g = NULL;
    hl_status status = bench_runtime_create(options, &t->runtime);
    if (status != HL_OK) return bench_complain("runtime", status, hl_runtime_error(NULL));
    status = hl_state_create(&t->state);
    if (status == HL_OK) status = hl_graph_create(&g);
    if (status != HL_OK) return bench_complain("state and graph", status, NULL);
    gpt_build(&t->model, sizes, g);
    hl_tensor *outputs[] = {t->model.loss, t->model.step};
    status = hl_program_create(t->runtime, g, t->state, outputs, 2, &t->program);
    if (status != HL_OK) return bench_complain("program", status, hl_graph_error(g));
    return make_words(t) && write_words(t, t->program);
}

static void destroy(trainee *t) {
    hl_program_destroy(t->forward);
    hl_program_destroy(t->program);
    hl_graph_destroy(t->model.graph);
    hl_state_destroy(t->state);
    hl_runtime_destroy(t->runtime);
    free(t->words);
    *t = (trainee){0};
}

/* ---- checks ---- */

static bool run_forward(trainee *t, float *logits, size_t n) {
    const gpt *model = &t->model;
    hl_status status = hl_program_create(t->runtime, model->graph, t->state, &model->logits, 1, &t->forward);
    if (status != HL_OK) return bench_complain("logits", status, hl_graph_error(model->graph));
    if (!write_words(t, t->forward) || bench_run_program(t->forward) < 0) return false;
    status = hl_program_read(t->forward, model->logits, logits, n * sizeof *logits);
    return status == HL_OK || bench_complain("logits", status, hl_program_error(t->forward));
}

/* The first words of the first sequence. */
static bool check_logits(trainee *t) {
    const gpt_sizes *s = &t->model.sizes;
    size_t words = s->tokens < CHECKED_WORDS ? s->tokens : CHECKED_WORDS, n = s->batch * s->tokens * s->vocabulary;
    float *got = calloc(n, sizeof *got);
    double *want = calloc(words * s->vocabulary, sizeof *want);
    bool good = (got && want) || bench_complain("check", HL_OUT_OF_MEMORY, NULL);
    good = good && run_forward(t, got, n);
    if (good && !gpt_oracle(s, t->state, t->words, words, want))
        good = bench_complain("oracle", HL_OUT_OF_MEMORY, NULL);
    if (good) {
        double error = gpt_worst_error(s, got, want, words);
        printf("logits checked against double: worst error %.3f of its bound\n", error);
        good = error <= 1;
        if (!good) fprintf(stderr, "hl-bench: wrong results: nothing is timed\n");
    }
    free(got);
    free(want);
    return good;
}

/* Gradients and updates are proven by the tests; here they must at least lower the loss of the one batch. */
static bool check_training(trainee *t) {
    float first = 0, last = 0;
    for (int i = 0; i < 4; i++) {
        if (bench_run_program(t->program) < 0) return false;
        hl_status status = hl_program_read(t->program, t->model.loss, i == 0 ? &first : &last, sizeof last);
        if (status != HL_OK) return bench_complain("loss", status, hl_program_error(t->program));
    }
    printf("loss %.4f, three steps later %.4f\n", (double)first, (double)last);
    if (last < first) return true;
    fprintf(stderr, "hl-bench: training does not lower the loss: nothing is timed\n");
    return false;
}

/* ---- measuring ---- */

static void add(step_bench *bench, const char *what, hl_program *program) {
    bench->measurements[bench->n++] = bench_program_measurement(what, program, gpt_flops(&bench->sizes));
}

static bool measure(step_bench *bench) {
    bench_options *options = bench->line->common;
    bench_runtime_options runtime = {.workers = options->threads, .policy = options->policy};
    trainee *all = &bench->trainee[STEP_ALL], *one = &bench->trainee[STEP_ONE];
    if (!create(all, &bench->sizes, &runtime) || !check_logits(all) || !check_training(all)) return false;
    options->threads = hl_runtime_workers(all->runtime);
    if (!bench_peak_prepare(&bench->machine, bench_machine_threads(&bench->machine, options->threads), &bench->peak,
                            bench->measurements))
        return false;
    bench->n = BENCH_N_PEAKS;
    add(bench, "step", all->program);
    if (!options->no_scaling && options->threads > 1) {
        runtime.workers = 1;
        if (!create(one, &bench->sizes, &runtime)) return false;
        add(bench, "step_1_worker", one->program);
    }
    return bench_measure(bench->measurements, bench->n, options->repetitions);
}

/* One step, behind another that warms up, as a trace. */
static bool write_trace(const step_bench *bench) {
    if (!bench->trace) return true;
    trainee traced = {0};
    const bench_options *options = bench->line->common;
    bench_runtime_options runtime = {
        .workers = options->threads, .policy = options->policy, .trace_events = BENCH_TRACE_EVENTS};
    bool good = create(&traced, &bench->sizes, &runtime) && bench_run_program(traced.program) >= 0 &&
                bench_trace_program(traced.runtime, traced.program, bench->trace) >= 0;
    destroy(&traced);
    return good;
}

static bool print(const step_bench *bench) {
    bench_report report;
    const gpt_sizes *s = &bench->sizes;
    const bench_measurement *runs = bench->measurements + BENCH_N_PEAKS;
    if (!bench_report_create(&report, "step", &bench->machine, bench_options_describe(bench->line))) return false;
    report.peak_gflops = bench_peak_all(bench->measurements);
    bool scaling = bench->n == BENCH_N_PEAKS + N_STEPS;
    hl_program_sizes sizes = {0};
    hl_program_measure(bench->trainee[STEP_ALL].program, &sizes);
    json_t *step = bench_report_add(&report, &runs[STEP_ALL], report.peak_gflops);
    bench_report_add_sizes(step, bench->trainee[STEP_ALL].program);
    if (scaling) {
        bench_report_add_sizes(bench_report_add(&report, &runs[STEP_ONE], bench_peak_one(bench->measurements)),
                               bench->trainee[STEP_ONE].program);
        bench_report_add_speedup(step, runs[STEP_ONE].ms_median);
    }
    bench_report_print(&report);
    double tokens = (double)(s->batch * s->tokens);
    printf("\n%.1f M parameters, %.3g GFLOP and %zu tasks a step, %.0f tokens/s, %.1f MB of activations\n",
           (double)gpt_parameters(s) * 1e-6, gpt_flops(s) * 1e-9, sizes.tasks, tokens / runs[STEP_ALL].ms_median * 1e3,
           (double)sizes.arena_bytes * 1e-6);
    const bench_options *options = bench->line->common;
    bool good = !options->profile || bench_profile(bench->trainee[STEP_ALL].program, options->repetitions, step);
    good = good && bench_report_write(&report, options->json);
    bench_report_destroy(&report);
    return good;
}

int bench_step(int argc, char **argv) {
    static const bench_word models[] = {
#define STEP_WORD(id, name, ...) {name, GPT_##id},
        GPT_LIST(STEP_WORD)
#undef STEP_WORD
            {NULL, 0}};
    bench_options common = {.repetitions = 10};
    step_bench bench = {.trace = NULL};
    gpt_model model = GPT_gpt2_124m;
    size_t batch = 0, tokens = 0;
    const bench_option word = {.name = "model", .kind = BENCH_CHOICE, .value = &model, .words = models};
    const bench_option own[] = {BENCH_SIZE_OPTION("batch", &batch, "sequences (default: the model's)"),
                                BENCH_SIZE_OPTION("tokens", &tokens, "tokens of a sequence (default: the model's)"),
                                BENCH_POLICY_OPTION(&common),
                                BENCH_NO_SCALING_OPTION(&common),
                                BENCH_PROFILE_OPTION(&common),
                                {.name = "trace",
                                 .doc = "also write the timeline of a step to FILE (JSON for Perfetto)",
                                 .kind = BENCH_FILE,
                                 .value = &bench.trace}};
    const bench_line line = {.doc = "Measures a whole training step (forward, backward, AdamW) of a GPT with random "
                                    "weights: gpt2-124m, nanogpt (nanoGPT's setting for a CPU) or nano6l (6 layers, "
                                    "width 384). GFLOP/s count products alone, the backward ones twice.",
                             .common = &common,
                             .own = own,
                             .n_own = sizeof own / sizeof own[0],
                             .word = &word};
    bench.line = &line;
    if (!bench_options_parse(&line, argc, argv) || !bench_machine_create(&bench.machine)) return EXIT_FAILURE;
    bench.sizes = gpt_sizes_of(model);
    if (batch == 0) batch = bench.sizes.batch; /* also what the report says */
    if (tokens == 0) tokens = bench.sizes.tokens;
    bench.sizes.batch = batch;
    bench.sizes.tokens = tokens;
    bool good = measure(&bench) && print(&bench) && write_trace(&bench);
    for (size_t i = 0; i < N_STEPS; i++) destroy(&bench.trainee[i]);
    bench_machine_destroy(&bench.machine);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

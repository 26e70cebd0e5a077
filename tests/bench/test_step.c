/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench step, from outside and within, on shapes that take no time: what it reports and traces is a step of the
 * model that was asked for, and what computes wrongly or does not learn is not timed. */
#include <sys/stat.h>

#include "bench/bench.h"
#include "bench/instruments/runtime.h"
#include "tests/bench/gpt_kit.h"

#define TINY "step", "nanogpt", "--batch", "1", "--tokens", "8", "--repetitions", "2"

/* ---- bench_step in this process: what it asks the library for, and lies that it is told ---- */

enum { TOKENS = 3, MOST_RUNTIMES = 3 };

static float add_to_logit, add_to_loss;
static size_t losses;                                 /* that were read */
static bench_runtime_options runtimes[MOST_RUNTIMES]; /* that were made */
static size_t n_runtimes;
static int32_t written[2][TOKENS]; /* words and labels, first of all */
static size_t n_written;

bool __real_gpt_oracle(const gpt_sizes *sizes, hl_state *state, const int32_t *words, size_t n, double *logits);
bool __wrap_gpt_oracle(const gpt_sizes *sizes, hl_state *state, const int32_t *words, size_t n, double *logits);
hl_status __real_hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes);
hl_status __wrap_hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes);
hl_status __real_hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes);
hl_status __wrap_hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes);
hl_status __real_bench_runtime_create(const bench_runtime_options *options, hl_runtime **runtime);
hl_status __wrap_bench_runtime_create(const bench_runtime_options *options, hl_runtime **runtime);

bool __wrap_gpt_oracle(const gpt_sizes *sizes, hl_state *state, const int32_t *words, size_t n, double *logits) {
    bool good = __real_gpt_oracle(sizes, state, words, n, logits);
    logits[n * sizes->vocabulary - 1] += (double)add_to_logit;
    return good;
}

/* The loss is the only scalar that is read; each is that much larger than the one before. */
hl_status __wrap_hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes) {
    hl_status status = __real_hl_program_read(program, tensor, data, bytes);
    if (bytes == sizeof(float)) *(float *)data += (float)losses++ * add_to_loss;
    return status;
}

hl_status __wrap_hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes) {
    if (bytes == sizeof written[0] && n_written < 2) memcpy(written[n_written++], data, bytes);
    return __real_hl_program_write(program, tensor, data, bytes);
}

hl_status __wrap_bench_runtime_create(const bench_runtime_options *options, hl_runtime **runtime) {
    if (n_runtimes < MOST_RUNTIMES) runtimes[n_runtimes++] = *options;
    return __real_bench_runtime_create(options, runtime);
}

/* The exit code. The file of results, opened before anything is measured, stays empty where nothing is. */
static int step_here(const char *threads) {
    char *words[] = {"hl-bench step",   "nanogpt",       "--batch=1", "--tokens=3",        "--policy=levels",
                     "--repetitions=1", (char *)threads, "--json",    (char *)json_path(), NULL};
    losses = n_runtimes = n_written = 0;
    int code = bench_step(sizeof words / sizeof words[0] - 1, words);
    struct stat file;
    ck_assert_int_eq(stat(json_path(), &file), 0);
    ck_assert_int_eq(file.st_size > 0, code == EXIT_SUCCESS);
    unlink(json_path());
    return code;
}

START_TEST(TheRunsHaveThePolicyAndTheWorkersThatWereAskedFor) {
    ck_assert_int_eq(step_here("--threads=2"), EXIT_SUCCESS);
    ck_assert_uint_eq(n_runtimes, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(runtimes[i].policy, BENCH_POLICY_LEVELS);
        ck_assert_uint_eq(runtimes[i].workers, 2 - i);
        ck_assert_uint_eq(runtimes[i].trace_events, 0); /* what is timed is not traced */
    }
}
END_TEST

START_TEST(EachWordIsTheLabelOfTheOneBefore) {
    ck_assert_int_eq(step_here("--threads=1"), EXIT_SUCCESS);
    ck_assert_uint_eq(n_written, 2);
    ck_assert_mem_eq(written[0] + 1, written[1], (TOKENS - 1) * sizeof written[0][0]);
    ck_assert(written[0][0] != written[0][1] && written[0][1] != written[0][2]);
}
END_TEST

START_TEST(WrongLogitsAreNotTimed) {
    add_to_logit = 1e-2f;
    ck_assert_int_eq(step_here("--threads=1"), EXIT_FAILURE);
    add_to_logit = NAN;
    ck_assert_int_eq(step_here("--threads=1"), EXIT_FAILURE);
    add_to_logit = 0;
    ck_assert_uint_eq(losses, 0);
}
END_TEST

START_TEST(ALossThatDoesNotFallIsNotTimed) {
    add_to_loss = 10;
    ck_assert_int_eq(step_here("--threads=1"), EXIT_FAILURE);
    add_to_loss = 0;
    ck_assert_uint_eq(losses, 4);
}
END_TEST

/* ---- from outside ---- */

static gpt_sizes sizes_asked(void) {
    gpt_sizes sizes = gpt_sizes_of(GPT_nanogpt);
    sizes.batch = 1;
    sizes.tokens = 8;
    return sizes;
}

static void check_step(const json_t *report, const char *what, const gpt_sizes *sizes) {
    const json_t *entry = result_of(report, what);
    double flops = number_of(entry, "gflops") * number_of(entry, "ms_median") * 1e6;
    ck_assert_double_eq_tol(flops, gpt_flops(sizes), 2 * WRITTEN * gpt_flops(sizes));
    ck_assert_double_gt(number_of(entry, "arena_bytes"), 0);
    ck_assert_double_gt(number_of(entry, "unplanned_bytes"), number_of(entry, "arena_bytes"));
}

START_TEST(AStepOfTheModelThatWasAskedForIsReported) {
    gpt_sizes sizes = sizes_asked();
    json_t *report = run_report(WORDS(TINY, "--threads", "2"));
    const json_t *options = key_of(report, "options");
    ck_assert_str_eq(json_string_value(key_of(options, "model")), "nanogpt");
    ck_assert_str_eq(json_string_value(key_of(options, "policy")), "dataflow");
    ck_assert(number_of(options, "batch") == 1 && number_of(options, "tokens") == 8);
    ck_assert(number_of(options, "threads") == 2 && number_of(options, "repetitions") == 2);
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 2);
    check_step(report, "step", &sizes);
    check_step(report, "step_1_worker", &sizes);
    json_decref(report);
}
END_TEST

START_TEST(OneWorkerIsLeftOutWhereItIsAloneOrNotWished) {
    gpt_sizes sizes = sizes_asked();
    const char *const *const lines[] = {WORDS(TINY, "--threads", "1"),
                                        WORDS(TINY, "--threads", "2", "--policy", "levels", "--no-scaling")};
    for (size_t i = 0; i < 2; i++) {
        json_t *report = run_report(lines[i]);
        ck_assert_uint_eq(json_array_size(key_of(report, "results")), 1);
        check_step(report, "step", &sizes);
        const char *policy = json_string_value(key_of(key_of(report, "options"), "policy"));
        ck_assert_str_eq(policy, i == 0 ? "dataflow" : "levels");
        json_decref(report);
    }
}
END_TEST

START_TEST(SizesThatAreNotGivenAreTheModels) {
    static const char *const given[] = {"--batch", "--tokens"};
    for (size_t i = 0; i < 2; i++) {
        json_t *report = run_report(WORDS("step", "nanogpt", given[i], "1", "--repetitions", "1", "--no-scaling"));
        const json_t *options = key_of(report, "options");
        gpt_sizes sizes = gpt_sizes_of(GPT_nanogpt);
        *(i == 0 ? &sizes.batch : &sizes.tokens) = 1;
        ck_assert(number_of(options, "batch") == (double)sizes.batch);
        ck_assert(number_of(options, "tokens") == (double)sizes.tokens);
        check_step(report, "step", &sizes);
        json_decref(report);
    }
}
END_TEST

/* Tiles are events, joins are none: as many as one step has, and none of the step that warms up. */
START_TEST(TheTraceIsThatOfOneStep) {
    char path[80];
    snprintf(path, sizeof path, P_tmpdir "/hl-bench-test-%ld.trace", (long)getpid());
    json_decref(run_report(WORDS(TINY, "--threads", "2", "--trace", path)));
    json_error_t error;
    json_t *trace = json_load_file(path, JSON_REJECT_DUPLICATES, &error), *event;
    ck_assert_msg(trace != NULL, "%d: %s", error.line, error.text);
    unlink(path);
    size_t i, tiles = 0, updates = 0;
    json_array_foreach(key_of(trace, "traceEvents"), i, event) {
        if (strcmp(json_string_value(key_of(event, "ph")), "X") != 0) continue;
        ck_assert_double_ge(number_of(event, "ts"), 0);
        ck_assert_double_ge(number_of(event, "dur"), 0);
        tiles++;
        updates += strstr(json_string_value(key_of(event, "name")), "adamw") != NULL;
    }
    json_decref(trace);
    gpt_sizes sizes = sizes_asked();
    small_gpt small = open_gpt(&sizes, true);
    hl_program_sizes made;
    CHECK_OK(hl_program_measure(small.program, &made), "sizes");
    ck_assert_uint_eq(tiles, made.tasks - made.joins);
    ck_assert_uint_gt(updates, 0);
    close_gpt(&small);
}
END_TEST

START_TEST(WordsThatAreWrongAreRefused) {
    check_refused(WORDS("step"), "the model is missing: gpt2-124m, nanogpt, nano6l");
    check_refused(WORDS("step", "--batch", "1"), "the model is missing");
    check_refused(WORDS("step", "gpt3"), "model: 'gpt3' is none of gpt2-124m, nanogpt, nano6l");
    check_refused(WORDS("step", "nanogpt", "nano6l"), "Too many arguments");
    check_refused(WORDS("step", "nanogpt", "--batch", "0"), "--batch: '0' is no whole number");
    check_refused(WORDS("step", "nanogpt", "--tokens", "some"), "--tokens: 'some' is no whole number");
    check_refused(WORDS("step", "nanogpt", "--policy", "random"), "--policy: 'random' is none of");
    check_refused(WORDS("step", "nanogpt", "--width", "8"), "unrecognized option '--width'");
    check_refused(WORDS("step", "nanogpt", "--trace", "/no/such/folder/trace"), "cannot be written");
}
END_TEST

START_TEST(WhatCannotBeBuiltIsAFailureInWords) {
    bench_run run = run_bench(WORDS("step", "nanogpt", "--tokens", "4000000000"));
    ck_assert_int_eq(run.code, EXIT_FAILURE);
    ck_assert_msg(strncmp(run.err, "hl-bench: program: ", 19) == 0 && strstr(run.err, "score"), "%s", run.err);
    free_run(&run);
}
END_TEST

int main(void) {
    return run_tests(
        "step", TESTS(TheRunsHaveThePolicyAndTheWorkersThatWereAskedFor, EachWordIsTheLabelOfTheOneBefore,
                      WrongLogitsAreNotTimed, ALossThatDoesNotFallIsNotTimed, AStepOfTheModelThatWasAskedForIsReported,
                      OneWorkerIsLeftOutWhereItIsAloneOrNotWished, SizesThatAreNotGivenAreTheModels,
                      TheTraceIsThatOfOneStep, WordsThatAreWrongAreRefused, WhatCannotBeBuiltIsAFailureInWords));
}

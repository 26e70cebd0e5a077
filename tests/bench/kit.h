/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of hl-bench share: running the executable, and reading what it writes with --json. */
#ifndef HL_TESTS_BENCH_KIT_H
#define HL_TESTS_BENCH_KIT_H

#include <jansson.h>
#include <math.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

#define MOST_WORDS 32

/* A number of a report is off by at most this share of itself, since nine digits of it are written; a product or
 * quotient of n numbers by n times this. */
#define WRITTEN 5.01e-9

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

typedef struct bench_run {
    int code; /* exit code; -1 where a signal ended it */
    char *out, *err;
} bench_run;

static inline char *text_of(FILE *file) {
    long n = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    ck_assert_int_ge(n, 0);
    rewind(file);
    char *text = calloc((size_t)n + 1, 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, (size_t)n, file), (size_t)n);
    fclose(file);
    return text;
}

/* Runs a program with these words; ended by free_run. */
static inline bench_run run_program(const char *program, const char *const words[]) {
    char *argv[MOST_WORDS + 2] = {(char *)program};
    for (size_t i = 0; words[i]; i++) {
        ck_assert_uint_lt(i, MOST_WORDS);
        argv[1 + i] = (char *)words[i];
    }
    FILE *out = tmpfile(), *err = tmpfile();
    ck_assert(out != NULL && err != NULL);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(err), STDERR_FILENO);
    pid_t child;
    ck_assert_int_eq(posix_spawn(&child, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return (bench_run){.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .out = text_of(out), .err = text_of(err)};
}

static inline bench_run run_bench(const char *const words[]) { return run_program(HL_BENCH, words); }

static inline void free_run(bench_run *run) {
    free(run->out);
    free(run->err);
}

/* The words are refused: exit code 2, nothing on stdout, `expected` on stderr. */
static inline void check_refused(const char *const words[], const char *expected) {
    bench_run run = run_bench(words);
    ck_assert_msg(run.code == 2, "exit code %d: %s%s", run.code, run.out, run.err);
    ck_assert_str_eq(run.out, "");
    ck_assert_msg(strstr(run.err, expected) != NULL, "'%s' is not in: %s", expected, run.err);
    free_run(&run);
}

/* A name for a file of this process. */
static inline const char *json_path(void) {
    static char path[64];
    snprintf(path, sizeof path, P_tmpdir "/hl-bench-test-%ld.json", (long)getpid());
    return path;
}

static inline json_t *key_of(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    ck_assert_msg(value != NULL, "no key '%s'", key);
    return value;
}

static inline double number_of(const json_t *object, const char *key) {
    json_t *value = key_of(object, key);
    ck_assert_msg(json_is_number(value), "'%s' is no number", key);
    return json_number_value(value);
}

/* The result of this name. */
static inline json_t *result_of(const json_t *report, const char *what) {
    size_t i;
    json_t *entry;
    json_array_foreach(key_of(report, "results"), i,
                       entry) if (strcmp(json_string_value(key_of(entry, "what")), what) == 0) return entry;
    ck_abort_msg("no result '%s'", what);
    return NULL;
}

static inline void check_result(const json_t *entry) {
    ck_assert(json_is_string(key_of(entry, "what")));
    static const char *const numbers[] = {"ms_min", "ms_median", "gflops", "fraction_of_peak"};
    for (size_t i = 0; i < 4; i++) ck_assert_msg(isfinite(number_of(entry, numbers[i])), "%s", numbers[i]);
    ck_assert_double_ge(number_of(entry, "ms_min"), 0);
    ck_assert_double_ge(number_of(entry, "ms_median"), number_of(entry, "ms_min"));
}

/* Loads what --json wrote, and refuses what is not of the shape that every command shares. */
static inline json_t *load_report(const char *path, const char *bench) {
    json_error_t error;
    json_t *report = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(report != NULL, "%s:%d: %s", path, error.line, error.text);
    ck_assert_str_eq(json_string_value(key_of(report, "bench")), bench);
    ck_assert(json_is_object(key_of(report, "options")));
    const json_t *machine = key_of(report, "machine");
    ck_assert(json_is_string(key_of(machine, "cpu")) && json_is_string(key_of(machine, "isa")));
    ck_assert(json_is_string(key_of(machine, "gemm")));
    ck_assert_double_ge(number_of(machine, "cores"), 1);
    ck_assert_double_ge(number_of(machine, "threads"), number_of(machine, "cores"));
    ck_assert_double_ge(number_of(machine, "numa_nodes"), 1);
    ck_assert_uint_gt(json_string_length(key_of(report, "commit")), 0);
    ck_assert_uint_gt(json_string_length(key_of(machine, "host")), 0);
    ck_assert_uint_eq(json_string_length(key_of(report, "date")), strlen("2024-02-29T12:34:56Z"));
    ck_assert(json_is_boolean(key_of(report, "crowded")));
    static const char *const build[] = {"compiler", "flags", "type", "version"};
    for (size_t i = 0; i < sizeof build / sizeof *build; i++)
        ck_assert_msg(json_string_length(key_of(key_of(report, "build"), build[i])) > 0, "%s", build[i]);
    ck_assert_double_gt(number_of(report, "peak_gflops"), 0);
    size_t i;
    json_t *entry;
    ck_assert_uint_gt(json_array_size(key_of(report, "results")), 0);
    json_array_foreach(key_of(report, "results"), i, entry) check_result(entry);
    return report;
}

/* Runs hl-bench with `words` and --json; the command is the first word. json_decref ends the result. */
static inline json_t *run_report(const char *const words[]) {
    const char *all[MOST_WORDS + 1] = {NULL}, *path = json_path();
    size_t n = 0;
    for (; words[n]; n++) all[n] = words[n];
    ck_assert_uint_lt(n + 2, MOST_WORDS);
    all[n++] = "--json";
    all[n++] = path;
    bench_run run = run_bench(all);
    ck_assert_msg(run.code == 0, "exit code %d: %s%s", run.code, run.out, run.err);
    ck_assert_str_eq(run.err, "");
    ck_assert_ptr_nonnull(strstr(run.out, "GFLOP/s"));
    free_run(&run);
    json_t *report = load_report(path, words[0]);
    unlink(path);
    return report;
}

#endif

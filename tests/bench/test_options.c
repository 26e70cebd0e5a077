/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A table of options: words become values, values become JSON, and what does not fit is refused before anything is
 * measured. The refusals end the process, so that they are seen from outside. */
#include "bench/commands/options.h"
#include "tests/bench/kit.h"
#include "tests/support/policies.h"

typedef enum colour { RED, GREEN = 7 } colour;
static const bench_word colours[] = {{"red", RED}, {"green", GREEN}, {NULL, 0}};

typedef struct values {
    bench_options common;
    size_t size;
    double rate;
    bool flag;
    colour choice;
} values;

/* Parses the words; *described, where wanted, gets the JSON. */
static void parse(const char *const words[], values *v, json_t **described) {
    const bench_option own[] = {
        {.name = "a-size", .doc = "size", .kind = BENCH_SIZE, .value = &v->size, .least = 0},
        {.name = "rate", .doc = "rate", .kind = BENCH_RATE, .value = &v->rate},
        {.name = "flag", .doc = "flag", .kind = BENCH_FLAG, .value = &v->flag},
        {.name = "choice", .doc = "colour", .kind = BENCH_CHOICE, .value = &v->choice, .words = colours},
        BENCH_POLICY_OPTION(&v->common)};
    const bench_line line = {.common = &v->common, .own = own, .n_own = sizeof own / sizeof own[0]};
    char *argv[MOST_WORDS + 2] = {(char *)"test"};
    int argc = 1;
    for (; words[argc - 1]; argc++) argv[argc] = (char *)words[argc - 1];
    ck_assert(bench_options_parse(&line, argc, argv));
    if (described) *described = bench_options_describe(&line);
}

START_TEST(DefaultsStayWhereNothingIsSaid) {
    values v = {.common = {.threads = 3, .repetitions = 4}, .size = 5, .rate = 0.5, .choice = GREEN};
    parse((const char *const[]){NULL}, &v, NULL);
    ck_assert(v.common.threads == 3 && v.common.repetitions == 4 && v.common.policy == BENCH_POLICY_DATAFLOW);
    ck_assert(v.common.json == NULL && v.size == 5 && !v.flag && v.choice == GREEN);
    ck_assert_double_eq(v.rate, 0.5);
}
END_TEST

START_TEST(WordsBecomeValues) {
    values v = {.common.repetitions = 1};
    const char *path = json_path();
    parse(WORDS("--a-size=0", "--rate", "0.25", "--flag", "--choice", "green", "--policy=levels", "--threads", "2",
                "--repetitions", "4294967295", "--json", path),
          &v, NULL);
    unlink(path);
    ck_assert(v.size == 0 && v.flag && v.choice == GREEN && v.common.policy == BENCH_POLICY_LEVELS);
    ck_assert(v.common.threads == 2 && v.common.repetitions == 4294967295u);
    ck_assert_str_eq(v.common.json, path);
    ck_assert_double_eq(v.rate, 0.25);
    parse(WORDS("--policy", "serial", "--rate=0", "--threads", "3"), &v, NULL);
    ck_assert(v.common.policy == BENCH_POLICY_SERIAL && v.rate == 0);
    ck_assert_uint_eq(v.common.threads, 1); /* the others would only sleep */
}
END_TEST

START_TEST(WhatWasSettledIsDescribed) {
    values v = {.common.repetitions = 6};
    json_t *described = NULL;
    parse(WORDS("--a-size", "12", "--rate=0.5", "--policy=levels"), &v, &described);
    json_t *expected = json_pack("{s:i, s:f, s:b, s:s, s:s, s:i, s:i}", "a_size", 12, "rate", 0.5, "flag", 0, "choice",
                                 "red", "policy", "levels", "threads", 0, "repetitions", 6);
    ck_assert_ptr_nonnull(expected);
    ck_assert(json_equal(described, expected));
    json_decref(described);
    json_decref(expected);
}
END_TEST

/* A command may work on one of some things, named by a word without an option. */
START_TEST(AWordWithoutANameIsOneOfTheChoices) {
    values v = {.common.repetitions = 1};
    const bench_option word = {.name = "colour", .kind = BENCH_CHOICE, .value = &v.choice, .words = colours};
    const bench_line line = {.common = &v.common, .word = &word};
    char *argv[] = {(char *)"test", (char *)"--threads=2", (char *)"green", NULL};
    ck_assert(bench_options_parse(&line, 3, argv));
    ck_assert(v.choice == GREEN && v.common.threads == 2);
    json_t *described = bench_options_describe(&line);
    ck_assert_str_eq(json_string_value(key_of(described, "colour")), "green");
    json_decref(described);
    check_refused(WORDS("step"), "hl-bench step: the model is missing: ");
    check_refused(WORDS("step", "gpt7"), "hl-bench step: model: 'gpt7' is none of ");
    check_refused(WORDS("step", "nanogpt", "nanogpt"), "Too many arguments");
}
END_TEST

START_TEST(WhatIsNoNumberInItsRangeIsRefused) {
    static const char *const bad[] = {"0",  "-1",  "",     " 3",         "+3",
                                      "3x", "1.5", "0x10", "4294967296", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char expected[96];
        snprintf(expected, sizeof expected, "hl-bench block: --tokens: '%s' is no whole number from 1 to 4294967295",
                 bad[i]);
        check_refused(WORDS("block", "--tokens", bad[i]), expected);
    }
    static const char *const rates[] = {"1", "-0.1", "nan", "", "0.5x", "1e30"};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        check_refused(WORDS("attention", "--dropout", rates[i]), "is no number in [0, 1)");
    check_refused(WORDS("peak", "--threads", "0"), "--threads: '0' is no whole number");
    check_refused(WORDS("peak", "--repetitions", "0"), "--repetitions: '0' is no whole number");
}
END_TEST

/* The word is the name as the headers spell it, in small letters; OpenMP's scheduler comes last. */
START_TEST(EachPolicyHasItsWord) {
    size_t n = 0;
    while (bench_policies[n].word) n++;
    ck_assert_uint_eq(n, N_POLICIES + 1);
    ck_assert_str_eq(bench_policies[N_POLICIES].word, "tasks");
    ck_assert_uint_eq(bench_policies[N_POLICIES].value, BENCH_POLICY_TASKS);
    for (size_t p = 0; p < N_POLICIES; p++) {
        const bench_word *w = bench_policies;
        while (w->word && w->value != policies[p].policy) w++;
        ck_assert_msg(w->word && strcasecmp(w->word, policies[p].name) == 0, "%s: %s", policies[p].name, w->word);
    }
}
END_TEST

START_TEST(UnknownWordsAreRefusedWithThoseThatAreKnown) {
    check_refused(WORDS("block", "--policy", "fast"), "--policy: 'fast' is none of dataflow, levels, serial, tasks");
    check_refused(WORDS("block", "--policy", "DATAFLOW"), "'DATAFLOW' is none of");
    check_refused(WORDS("block", "--mask", ""), "--mask: '' is none of none, causal, window, causal-window");
}
END_TEST

START_TEST(AFileThatCannotBeWrittenIsRefusedAtOnce) {
    check_refused(WORDS("block", "--json", "/nonexistent/x.json"), "--json: '/nonexistent/x.json' cannot be written");
    check_refused(WORDS("peak", "--json", "/"), "--json: '/' cannot be written");
}
END_TEST

START_TEST(HelpNamesEachDefault) {
    bench_run run = run_bench(WORDS("block", "--help"));
    static const char *const lines[] = {"sequences (default: 4)", "tokens of a sequence (default: 512)",
                                        "features of a token (default: 768)", "causal-window (default:"};
    for (size_t i = 0; i < 4; i++) ck_assert_msg(strstr(run.out, lines[i]) != NULL, "%s: %s", lines[i], run.out);
    free_run(&run);
}
END_TEST

int main(void) {
    return run_tests("options", TESTS(DefaultsStayWhereNothingIsSaid, WordsBecomeValues, WhatWasSettledIsDescribed,
                                      AWordWithoutANameIsOneOfTheChoices, WhatIsNoNumberInItsRangeIsRefused,
                                      EachPolicyHasItsWord, UnknownWordsAreRefusedWithThoseThatAreKnown,
                                      AFileThatCannotBeWrittenIsRefusedAtOnce, HelpNamesEachDefault));
}

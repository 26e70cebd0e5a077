/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Profiles that commands show: those of the runs that were asked for, with all calls and workers, and none where a run
 * or the profile failed. */
#include "bench/instruments/profile.h"
#include "tests/bench/gpt_kit.h"

static bool no_profile;
static size_t runs_left = SIZE_MAX; /* before one fails */

hl_status __real_hl_program_run(hl_program *program);
hl_status __wrap_hl_program_run(hl_program *program);
hl_status __real_hl_program_profile(hl_program *program, hl_profile **profile);
hl_status __wrap_hl_program_profile(hl_program *program, hl_profile **profile);

hl_status __wrap_hl_program_run(hl_program *program) {
    return runs_left-- > 0 ? __real_hl_program_run(program) : HL_BUSY;
}

hl_status __wrap_hl_program_profile(hl_program *program, hl_profile **profile) {
    return no_profile ? HL_OUT_OF_MEMORY : __real_hl_program_profile(program, profile);
}

static double sum_of(const json_t *rows, const char *key) {
    double sum = 0;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) sum += number_of(row, key);
    return sum;
}

static void check_profile(const json_t *profile, double runs) {
    ck_assert_double_eq(number_of(profile, "runs"), runs);
    const json_t *calls = key_of(profile, "calls"), *workers = key_of(profile, "workers"), *worker;
    double wall = number_of(profile, "wall_ns"), last = number_of(profile, "last_ns");
    ck_assert(wall >= last && last >= number_of(profile, "critical_ns"));
    ck_assert_double_eq(sum_of(calls, "tiles"), sum_of(workers, "tiles"));
    ck_assert_double_eq(sum_of(calls, "critical_tiles"), number_of(profile, "critical_tiles"));
    ck_assert_double_le(sum_of(calls, "critical_ns"), number_of(profile, "critical_ns"));
    ck_assert(strchr(json_string_value(key_of(json_array_get(calls, 0), "name")), '.') != NULL);
    ck_assert_uint_gt(json_array_size(workers), 0);
    size_t i;
    json_array_foreach(workers, i, worker) {
        ck_assert_double_eq(
            number_of(worker, "work_ns") + number_of(worker, "idle_ns") + number_of(worker, "overhead_ns"), wall);
        ck_assert_double_ge(number_of(worker, "node"), 0);
        ck_assert(number_of(worker, "steals_near") >= 0 && number_of(worker, "steals_remote") >= 0);
        ck_assert_double_ge(number_of(worker, "sent_home"), 0);
    }
}

START_TEST(TheProfileIsThatOfTheRunsAskedFor) {
    small_gpt small = open_gpt(&tiny[0], true);
    hl_program_sizes sizes;
    CHECK_OK(hl_program_measure(small.program, &sizes), "sizes");
    for (size_t runs = 1; runs <= 3; runs++) {
        json_t *entry = json_object();
        ck_assert(bench_profile(small.program, runs, entry));
        const json_t *profile = key_of(entry, "profile"), *calls = key_of(profile, "calls");
        check_profile(profile, (double)runs);
        ck_assert_uint_eq(json_array_size(calls), sizes.calls);
        ck_assert_uint_eq(json_array_size(key_of(profile, "workers")), 2);
        ck_assert_double_eq(sum_of(calls, "tiles"), (double)((sizes.tasks - sizes.joins) * runs));
        ck_assert_double_eq(sum_of(calls, "flops"), sizes.flops * (double)runs);
        ck_assert_double_eq(sum_of(calls, "bytes"), sizes.bytes * (double)runs);
        json_decref(entry);
        hl_profile *none = NULL; /* the program is not profiled any more */
        ck_assert_int_eq(hl_program_profile(small.program, &none), HL_UNSUPPORTED);
    }
    close_gpt(&small);
}
END_TEST

START_TEST(WhatFailsIsNotShown) {
    small_gpt small = open_gpt(&tiny[0], true);
    json_t *entry = json_object();
    for (runs_left = 0; runs_left < 3;) {
        size_t allowed = runs_left;
        ck_assert(!bench_profile(small.program, 2, entry));
        runs_left = allowed + 1;
    }
    runs_left = SIZE_MAX;
    no_profile = true;
    ck_assert(!bench_profile(small.program, 2, entry));
    no_profile = false;
    ck_assert_uint_eq(json_object_size(entry), 0);
    json_decref(entry);
    close_gpt(&small);
}
END_TEST

START_TEST(CommandsShowItWhereItIsAskedFor) {
    static const char *const calls[][2] = {
        {"step", "step"}, {"block", "forward_backward"}, {"attention", "forward_backward"}};
    const char *const *const words[] = {
        WORDS("step", "nanogpt", "--batch", "1", "--tokens", "4", "--repetitions", "2", "--threads", "2", "--profile"),
        WORDS("block", "--batch", "1", "--tokens", "8", "--width", "8", "--heads", "2", "--repetitions", "2",
              "--profile"),
        WORDS("attention", "--batch", "1", "--tokens", "8", "--heads", "2", "--head-size", "4", "--repetitions", "2",
              "--profile")};
    for (size_t i = 0; i < 3; i++) {
        json_t *report = run_report(words[i]);
        ck_assert(json_is_true(key_of(key_of(report, "options"), "profile")));
        check_profile(key_of(result_of(report, calls[i][1]), "profile"), 2);
        size_t n;
        json_t *entry;
        json_array_foreach(key_of(report, "results"), n, entry) /* and of no other */
            ck_assert((json_object_get(entry, "profile") != NULL) ==
                      (strcmp(json_string_value(key_of(entry, "what")), calls[i][1]) == 0));
        json_decref(report);
    }
}
END_TEST

START_TEST(TheTableNamesCallsWorkersAndThePath) {
    const char *const *const line = WORDS("block", "--batch", "1", "--tokens", "8", "--width", "8", "--heads", "2",
                                          "--repetitions", "3", "--threads", "2", "--no-scaling", "--profile");
    bench_run run = run_bench(line);
    ck_assert_int_eq(run.code, 0);
    static const char *const parts[] = {"profile of 3 runs",
                                        "\ncall (of one worker)",
                                        "project",
                                        ".dw ",
                                        "\nworker ",
                                        "\n1 ",
                                        "critical path of the last run: "};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ck_assert_msg(strstr(run.out, parts[i]) != NULL, "'%s' is not in: %s", parts[i], run.out);
    free_run(&run);
}
END_TEST

int main(void) {
    return run_tests("profile", TESTS(TheProfileIsThatOfTheRunsAskedFor, WhatFailsIsNotShown,
                                      CommandsShowItWhereItIsAskedFor, TheTableNamesCallsWorkersAndThePath));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench itself: it finds its commands, lists them, and refuses what is none. */
#include "bench/bench.h"
#include "tests/bench/kit.h"

static const char *const commands[] = {
#define NAME(name, text) #name,
    BENCH_COMMAND_LIST(NAME)
#undef NAME
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

START_TEST(HelpListsEveryCommand) {
    bench_run run = run_bench(WORDS("--help"));
    ck_assert_int_eq(run.code, 0);
    ck_assert_str_eq(run.err, "");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char line[64];
        snprintf(line, sizeof line, "\n  %s ", commands[i]);
        ck_assert_msg(strstr(run.out, line) != NULL, "%s is not in: %s", commands[i], run.out);
    }
    free_run(&run);
}
END_TEST

START_TEST(EveryCommandSaysHowItIsUsed) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        bench_run run = run_bench(WORDS(commands[i], "--help"));
        ck_assert_int_eq(run.code, 0);
        char usage[64];
        snprintf(usage, sizeof usage, "Usage: hl-bench %s [OPTION...]", commands[i]);
        ck_assert_ptr_null(strstr(run.out, " \n"));
        ck_assert_msg(strncmp(run.out, usage, strlen(usage)) == 0, "%s", run.out);
        static const char *const common[] = {"--threads=N", "--repetitions=N", "--json=FILE"};
        for (size_t j = 0; j < 3; j++) ck_assert_msg(strstr(run.out, common[j]) != NULL, "%s", run.out);
        free_run(&run);
    }
}
END_TEST

START_TEST(WhatIsNoCommandIsRefused) {
    check_refused(WORDS("attentive"), "no command is named 'attentive'");
    check_refused(WORDS("--json"), "unrecognized option");
    check_refused((const char *const[]){NULL}, "a command is missing");
}
END_TEST

START_TEST(EveryCommandRefusesWhatItDoesNotKnow) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        check_refused(WORDS(commands[i], "--hurry"), "unrecognized option '--hurry'");
        check_refused(WORDS(commands[i], "word"), "Try `hl-bench"); /* no command, nor what any of them works on */
        check_refused(WORDS(commands[i], "--threads"), "requires an argument");
    }
}
END_TEST

int main(void) {
    return run_tests("main", TESTS(HelpListsEveryCommand, EveryCommandSaysHowItIsUsed, WhatIsNoCommandIsRefused,
                                   EveryCommandRefusesWhatItDoesNotKnow));
}

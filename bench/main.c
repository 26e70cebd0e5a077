/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench: one program for every measurement. This file only finds the command. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} command;

static const command commands[] = {
#define COMMAND(name, text) {#name, bench_##name, text},
    BENCH_COMMAND_LIST(COMMAND)
#undef COMMAND
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

typedef struct choice {
    const command *command;
    int first; /* index of the command's word in argv */
} choice;

static error_t parse(int key, char *word, struct argp_state *state) {
    choice *chosen = state->input;
    if (key == ARGP_KEY_NO_ARGS) argp_error(state, "a command is missing");
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0) chosen->command = &commands[i];
    if (!chosen->command) argp_error(state, "no command is named '%s'", word);
    chosen->first = state->next - 1;
    state->next = state->argc; /* the rest is the command's */
    return 0;
}

/* Appends the table of commands to --help. argp frees what is returned. */
static char *help(int key, const char *text, void *input) {
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) return (char *)text;
    char *made = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&made, &bytes);
    if (!out) return (char *)text;
    fprintf(out, "Commands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out, "\nhl-bench COMMAND --help lists a command's options.");
    fclose(out);
    return made;
}

int main(int argc, char **argv) {
    static const struct argp argp = {.parser = parse,
                                     .args_doc = "COMMAND [OPTION...]",
                                     .doc = "Measures Headloom. Results are checked before they are timed.\v",
                                     .help_filter = help};
    argp_err_exit_status = BENCH_USAGE;
    choice chosen = {0};
    error_t error = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &chosen);
    if (error) {
        fprintf(stderr, "hl-bench: %s\n", strerror(error));
        return EXIT_FAILURE;
    }
    char name[64];
    snprintf(name, sizeof name, "hl-bench %s", chosen.command->name);
    argv[chosen.first] = name;
    return chosen.command->run(argc - chosen.first, argv + chosen.first);
}

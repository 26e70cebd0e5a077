/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options that every command has, and the parsing that all of them need. */
#ifndef HL_BENCH_OPTIONS_H
#define HL_BENCH_OPTIONS_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include "headloom/headloom.h"

typedef struct bench_options {
    size_t threads; /* workers; 0: what the runtime chooses */
    hl_policy policy;
    size_t repeat;    /* 0: the command's own number */
    const char *json; /* file to write, or NULL */
} bench_options;

/* A child parser: its input is a bench_options. */
extern const struct argp bench_common_argp;

/* A whole number from low up; ends the process with the usual words where it is none. */
size_t bench_parse_size(struct argp_state *state, const char *option, const char *word, size_t low);

const char *bench_policy_name(hl_policy policy);

/* Adds the common options, as they were settled, to a command's. */
void bench_options_describe(const bench_options *options, json_t *object);

#endif

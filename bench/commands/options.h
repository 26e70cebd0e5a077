/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The options of a command as a table: from it follow parsing, the words of --help and what stands in the JSON file.
 * argp does the parsing. */
#ifndef HL_BENCH_OPTIONS_H
#define HL_BENCH_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>

#include "bench/instruments/runtime.h"

typedef enum bench_kind {
    BENCH_SIZE,   /* a whole number: size_t */
    BENCH_RATE,   /* a number in [0, 1): double */
    BENCH_FLAG,   /* given or not: bool */
    BENCH_CHOICE, /* one of some words: an enum */
    BENCH_FILE,   /* a file that will be written: const char *, not described */
} bench_kind;

typedef struct bench_word { /* of a choice */
    const char *word;
    unsigned value;
} bench_word;

typedef struct bench_option {
    const char *name, *doc; /* --help adds the default: what stands at `value`, unless that is zero */
    bench_kind kind;
    void *value;
    size_t least;            /* BENCH_SIZE */
    const bench_word *words; /* BENCH_CHOICE; ended by a NULL */
} bench_option;

/* What every command can be asked. Zeros are defaults, but for repetitions. */
typedef struct bench_options {
    size_t threads; /* 0: what the runtime chooses */
    size_t repetitions;
    const char *json; /* NULL: no file */

    /* Of commands that run programs, which take these options into their own tables. */
    bench_policy policy;
    bool no_scaling;
    bool profile;
} bench_options;

extern const bench_word bench_policies[];

/* A whole number from 1 up. */
#define BENCH_SIZE_OPTION(word, address, text) \
    { .name = (word), .doc = (text), .kind = BENCH_SIZE, .value = (address), .least = 1 }

#define BENCH_POLICY_OPTION(options)                                                                \
    {                                                                                               \
        .name = "policy", .doc = "how tasks are run: dataflow, levels, serial or tasks (OpenMP's)", \
        .kind = BENCH_CHOICE, .value = &(options)->policy, .words = bench_policies                  \
    }
#define BENCH_NO_SCALING_OPTION(options)                                                       \
    {                                                                                          \
        .name = "no-scaling", .doc = "leave the runs with one worker out", .kind = BENCH_FLAG, \
        .value = &(options)->no_scaling                                                        \
    }
#define BENCH_PROFILE_OPTION(options)                                                                 \
    {                                                                                                 \
        .name = "profile", .doc = "also show where the time goes: calls, workers, the critical path", \
        .kind = BENCH_FLAG, .value = &(options)->profile                                              \
    }

typedef struct bench_line { /* a command's words */
    const char *doc;
    bench_options *common;
    const bench_option *own; /* up to BENCH_MAX_OPTIONS */
    size_t n_own;
    /* Where not NULL: called behind the last option; false with words where options contradict each other. */
    bool (*agree)(const void *context, char *words, size_t size);
    const void *context;
    const bench_option *word; /* a BENCH_CHOICE that stands without a name, and must; NULL: there is none */
} bench_line;

#define BENCH_MAX_OPTIONS 16

/* Fills what the tables point to; the policy serial has one thread, whatever was asked for: others would only sleep,
 * and count as if they worked. Ends the process where words are wrong and behind --help; false where there is no
 * memory. */
bool bench_options_parse(const bench_line *line, int argc, char **argv);

/* A new object: "head-size" is "head_size" in it. NULL where there is no memory. */
json_t *bench_options_describe(const bench_line *line);

#endif

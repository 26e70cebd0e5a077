/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options of the commands that work on the attention block. */
#ifndef HL_BENCH_BLOCK_OPTIONS_H
#define HL_BENCH_BLOCK_OPTIONS_H

#include "bench/commands/options.h"
#include "bench/subjects/block_subject.h"

enum { BLOCK_N_OPTIONS = 9 };

typedef struct block_options {
    bench_options common;
    block_shape shape;
    bench_option table[BLOCK_N_OPTIONS];
    bench_line line;
} block_options;

/* Fills options, whatever they held; they point into themselves and must stay where they are. speed: the command
 * is bench_speed's, with --no-scaling and --profile. As bench_options_parse. */
bool block_options_parse(int argc, char **argv, const char *doc, bool speed, block_options *options);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options of the commands that work on the attention block. */
#ifndef HL_BENCH_BLOCK_OPTIONS_H
#define HL_BENCH_BLOCK_OPTIONS_H

#include "bench/block_work.h"
#include "bench/options.h"

typedef struct block_options {
    bench_options common;
    block_shape shape;
    bool no_scaling; /* leave the runs with one worker out */
} block_options;

/* Fills options, whatever they held. Ends the process where the words are wrong; false where there is no memory. */
bool block_options_parse(int argc, char **argv, block_options *options, const char *doc);

/* A new object. */
json_t *block_options_describe(const block_options *options);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options of the commands that work on the attention block. */
#include "bench/commands/block_options.h"

#include <stdio.h>
#include <string.h>

static bool agree(const void *context, char *words, size_t size) {
    const block_shape *shape = context;
    if (shape->width % shape->heads == 0) return bench_mask_agrees(&shape->mask, words, size);
    snprintf(words, size, "%zu heads do not divide the width %zu", shape->heads, shape->width);
    return false;
}

bool block_options_parse(int argc, char **argv, const char *doc, bool speed, block_options *options) {
    *options =
        (block_options){.common = {.repetitions = 10}, .shape = {.batch = 4, .tokens = 512, .width = 768, .heads = 12}};
    block_shape *shape = &options->shape;
    const bench_option table[BLOCK_N_OPTIONS] = {
        BENCH_SIZE_OPTION("batch", &shape->batch, "sequences"),
        BENCH_SIZE_OPTION("tokens", &shape->tokens, "tokens of a sequence"),
        BENCH_SIZE_OPTION("width", &shape->width, "features of a token"),
        BENCH_SIZE_OPTION("heads", &shape->heads, "heads; they divide the width"),
        BENCH_MASK_OPTION(&shape->mask),
        BENCH_WINDOW_OPTION(&shape->mask),
        BENCH_POLICY_OPTION(&options->common),
        BENCH_NO_SCALING_OPTION(&options->common),
        BENCH_PROFILE_OPTION(&options->common)};
    memcpy(options->table, table, sizeof table);
    options->line = (bench_line){.doc = doc,
                                 .common = &options->common,
                                 .own = options->table,
                                 .n_own = speed ? BLOCK_N_OPTIONS : BLOCK_N_OPTIONS - 2,
                                 .agree = agree,
                                 .context = shape};
    return bench_options_parse(&options->line, argc, argv);
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options of the commands that work on the attention block. */
#include "bench/block_options.h"

#include <string.h>

enum { KEY_BATCH = 'b', KEY_TOKENS = 'l', KEY_WIDTH = 'w', KEY_HEADS = 'h', KEY_MASK = 'm', KEY_NO_SCALING = 0x200 };

static hl_mask parse_mask(struct argp_state *state, const char *word) {
    if (strcmp(word, "none") == 0) return HL_MASK_NONE;
    if (strcmp(word, "causal") != 0) argp_error(state, "--mask: '%s' is neither none nor causal", word);
    return HL_MASK_CAUSAL;
}

static error_t parse(int key, char *word, struct argp_state *state) {
    block_options *options = state->input;
    block_shape *shape = &options->shape;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case KEY_BATCH: shape->batch = bench_parse_size(state, "batch", word, 1); return 0;
    case KEY_TOKENS: shape->tokens = bench_parse_size(state, "tokens", word, 1); return 0;
    case KEY_WIDTH: shape->width = bench_parse_size(state, "width", word, 1); return 0;
    case KEY_HEADS: shape->heads = bench_parse_size(state, "heads", word, 1); return 0;
    case KEY_MASK: shape->mask = parse_mask(state, word); return 0;
    case KEY_NO_SCALING: options->no_scaling = true; return 0;
    case ARGP_KEY_END:
        if (shape->width % shape->heads != 0)
            argp_error(state, "%zu heads do not divide the width %zu", shape->heads, shape->width);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_list[] = {
    {.name = "batch", .key = KEY_BATCH, .arg = "N", .doc = "sequences (4)"},
    {.name = "tokens", .key = KEY_TOKENS, .arg = "N", .doc = "tokens of a sequence (512)"},
    {.name = "width", .key = KEY_WIDTH, .arg = "N", .doc = "features of a token (768)"},
    {.name = "heads", .key = KEY_HEADS, .arg = "N", .doc = "heads; they divide the width (12)"},
    {.name = "mask", .key = KEY_MASK, .arg = "M", .doc = "none (default) or causal"},
    {.name = "no-scaling", .key = KEY_NO_SCALING, .doc = "leave the runs with one worker out"},
    {0}};

bool block_options_parse(int argc, char **argv, block_options *options, const char *doc) {
    const struct argp_child children[] = {{.argp = &bench_common_argp}, {0}};
    const struct argp argp = {.options = option_list, .parser = parse, .children = children, .doc = doc};
    *options =
        (block_options){.common = {.repeat = 10}, .shape = {.batch = 4, .tokens = 512, .width = 768, .heads = 12}};
    return argp_parse(&argp, argc, argv, 0, NULL, options) == 0;
}

json_t *block_options_describe(const block_options *options) {
    const block_shape *shape = &options->shape;
    json_t *object = json_object();
    json_object_set_new(object, "batch", json_integer((json_int_t)shape->batch));
    json_object_set_new(object, "tokens", json_integer((json_int_t)shape->tokens));
    json_object_set_new(object, "width", json_integer((json_int_t)shape->width));
    json_object_set_new(object, "heads", json_integer((json_int_t)shape->heads));
    json_object_set_new(object, "mask", json_string(shape->mask == HL_MASK_CAUSAL ? "causal" : "none"));
    bench_options_describe(&options->common, object);
    return object;
}

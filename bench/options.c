/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options that every command has. */
#include "bench/options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

enum { KEY_THREADS = 't', KEY_REPEAT = 'n', KEY_POLICY = 0x100, KEY_JSON };

static const struct {
    const char *name;
    hl_policy policy;
} policies[] = {
#define POLICY(name, value, text) {#name, HL_POLICY_##name},
    HL_POLICY_LIST(POLICY)
#undef POLICY
};
#define N_POLICIES (sizeof policies / sizeof policies[0])

size_t bench_parse_size(struct argp_state *state, const char *option, const char *word, size_t low) {
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (errno || end == word || *end || *word == '-' || value < low || value > UINT32_MAX)
        argp_error(state, "--%s: '%s' is no whole number from %zu up", option, word, low);
    return (size_t)value;
}

const char *bench_policy_name(hl_policy policy) {
    for (size_t i = 0; i < N_POLICIES; i++)
        if (policies[i].policy == policy) return policies[i].name;
    return "?";
}

static hl_policy parse_policy(struct argp_state *state, const char *word) {
    for (size_t i = 0; i < N_POLICIES; i++)
        if (strcasecmp(policies[i].name, word) == 0) return policies[i].policy;
    argp_error(state, "--policy: '%s' is no policy (dataflow, levels, serial)", word);
    return HL_POLICY_DATAFLOW;
}

static error_t parse(int key, char *word, struct argp_state *state) {
    bench_options *options = state->input;
    switch (key) {
    case KEY_THREADS: options->threads = bench_parse_size(state, "threads", word, 1); return 0;
    case KEY_REPEAT: options->repeat = bench_parse_size(state, "repeat", word, 1); return 0;
    case KEY_POLICY: options->policy = parse_policy(state, word); return 0;
    case KEY_JSON: options->json = word; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_list[] = {
    {.name = "threads", .key = KEY_THREADS, .arg = "N", .doc = "workers (default: all that this process may use)"},
    {.name = "policy", .key = KEY_POLICY, .arg = "P", .doc = "dataflow (default), levels or serial"},
    {.name = "repeat", .key = KEY_REPEAT, .arg = "N", .doc = "repetitions, interleaved over all that is measured"},
    {.name = "json", .key = KEY_JSON, .arg = "FILE", .doc = "also write the results to FILE"},
    {0}};

const struct argp bench_common_argp = {.options = option_list, .parser = parse};

void bench_options_describe(const bench_options *options, json_t *object) {
    json_object_set_new(object, "threads", json_integer((json_int_t)options->threads));
    json_object_set_new(object, "policy", json_string(bench_policy_name(options->policy)));
    json_object_set_new(object, "repeat", json_integer((json_int_t)options->repeat));
}

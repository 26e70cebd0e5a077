/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a table of options to argp's, and back to JSON. */
#include "bench/commands/options.h"

#include <argp.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_COMMON 3
#define FIRST_KEY 0x200 /* no letter */

const bench_word bench_policies[] = {{"dataflow", BENCH_POLICY_DATAFLOW},
                                     {"levels", BENCH_POLICY_LEVELS},
                                     {"serial", BENCH_POLICY_SERIAL},
                                     {"tasks", BENCH_POLICY_TASKS},
                                     {NULL, 0}};

/* A command's own options and the common ones. */
typedef struct table {
    const bench_line *line;
    bench_option option[BENCH_MAX_OPTIONS + N_COMMON];
    size_t n;
    char args[32]; /* for the usage */
} table;

static table table_of(const bench_line *line) {
    assert(line->n_own <= BENCH_MAX_OPTIONS);
    bench_options *common = line->common;
    const bench_option shared[N_COMMON] = {
        {.name = "threads",
         .doc = "workers (default: all that this process may use)",
         .kind = BENCH_SIZE,
         .value = &common->threads,
         .least = 1},
        {.name = "repetitions",
         .doc = "of each measurement, interleaved",
         .kind = BENCH_SIZE,
         .value = &common->repetitions,
         .least = 1},
        {.name = "json", .doc = "also write the results to FILE", .kind = BENCH_FILE, .value = &common->json}};
    table made = {.line = line, .n = line->n_own + N_COMMON};
    if (line->n_own > 0) memcpy(made.option, line->own, line->n_own * sizeof made.option[0]);
    memcpy(made.option + line->n_own, shared, sizeof shared);
    return made;
}

/* ---- values ---- */

static const char *word_of(const bench_option *option) {
    unsigned value;
    memcpy(&value, option->value, sizeof value); /* an enum of whatever type */
    for (const bench_word *w = option->words; w->word; w++)
        if (w->value == value) return w->word;
    return "?";
}

static void parse_size(const bench_option *option, const char *word, struct argp_state *state) {
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (errno || strspn(word, "0123456789") != strlen(word) || end == word || value < option->least ||
        value > UINT32_MAX)
        argp_error(state, "--%s: '%s' is no whole number from %zu to %lu", option->name, word, option->least,
                   (unsigned long)UINT32_MAX);
    *(size_t *)option->value = (size_t)value;
}

static void parse_rate(const bench_option *option, const char *word, struct argp_state *state) {
    char *end = NULL;
    double value = strtod(word, &end);
    if (end == word || *end || !(value >= 0 && value < 1))
        argp_error(state, "--%s: '%s' is no number in [0, 1)", option->name, word);
    *(double *)option->value = value;
}

static const char *list_words(const bench_option *option, char *words, size_t size) {
    size_t n = 0;
    for (const bench_word *w = option->words; w->word && n < size; w++)
        n += (size_t)snprintf(words + n, size - n, "%s%s", n > 0 ? ", " : "", w->word);
    return words;
}

static bool find_choice(const bench_option *option, const char *word) {
    for (const bench_word *w = option->words; w->word; w++) {
        if (strcmp(w->word, word) != 0) continue;
        memcpy(option->value, &w->value, sizeof w->value);
        return true;
    }
    return false;
}

static void parse_choice(const bench_option *option, const char *word, struct argp_state *state) {
    char words[160];
    if (!find_choice(option, word))
        argp_error(state, "--%s: '%s' is none of %s", option->name, word, list_words(option, words, sizeof words));
}

/* The word without a name. */
static error_t parse_word(const bench_option *option, const char *word, struct argp_state *state) {
    char words[160];
    if (!option || state->arg_num > 0) return ARGP_ERR_UNKNOWN;
    if (!find_choice(option, word))
        argp_error(state, "%s: '%s' is none of %s", option->name, word, list_words(option, words, sizeof words));
    return 0;
}

/* Opened at once, so that a mistake is found before anything is measured. */
static void parse_file(const bench_option *option, const char *word, struct argp_state *state) {
    FILE *file = fopen(word, "ae");
    if (file) fclose(file);
    else argp_error(state, "--%s: '%s' cannot be written: %s", option->name, word, strerror(errno));
    *(const char **)option->value = word;
}

static error_t parse(int key, char *word, struct argp_state *state) {
    const table *all = state->input;
    const bench_line *line = all->line;
    char words[160];
    if (key == ARGP_KEY_ARG) return parse_word(line->word, word, state);
    if (key == ARGP_KEY_NO_ARGS && line->word)
        argp_error(state, "the %s is missing: %s", line->word->name, list_words(line->word, words, sizeof words));
    if (key == ARGP_KEY_END) {
        if (line->agree && !line->agree(line->context, words, sizeof words)) argp_error(state, "%s", words);
        return 0;
    }
    if (key < FIRST_KEY || key >= FIRST_KEY + (int)all->n) return ARGP_ERR_UNKNOWN;
    const bench_option *option = &all->option[key - FIRST_KEY];
    switch (option->kind) {
    case BENCH_SIZE: parse_size(option, word, state); break;
    case BENCH_RATE: parse_rate(option, word, state); break;
    case BENCH_FLAG: *(bool *)option->value = true; break;
    case BENCH_CHOICE: parse_choice(option, word, state); break;
    case BENCH_FILE: parse_file(option, word, state); break;
    }
    return 0;
}

/* ---- words ---- */

/* Adds the default to an option's words. argp frees what is returned. */
static char *help(int key, const char *text, void *input) {
    const table *all = input;
    if (!all || key < FIRST_KEY || key >= FIRST_KEY + (int)all->n) return (char *)text;
    const bench_option *option = &all->option[key - FIRST_KEY];
    char *made = NULL;
    int length = -1;
    if (option->kind == BENCH_SIZE && *(size_t *)option->value > 0)
        length = asprintf(&made, "%s (default: %zu)", text, *(size_t *)option->value);
    else if (option->kind == BENCH_CHOICE) length = asprintf(&made, "%s (default: %s)", text, word_of(option));
    return length < 0 ? (char *)text : made;
}

bool bench_options_parse(const bench_line *line, int argc, char **argv) {
    static const char *const arguments[] = {
        [BENCH_SIZE] = "N", [BENCH_RATE] = "R", [BENCH_FLAG] = NULL, [BENCH_CHOICE] = "WORD", [BENCH_FILE] = "FILE"};
    table all = table_of(line);
    struct argp_option options[BENCH_MAX_OPTIONS + N_COMMON + 1] = {{0}};
    for (size_t i = 0; i < all.n; i++)
        options[i] = (struct argp_option){.name = all.option[i].name,
                                          .key = FIRST_KEY + (int)i,
                                          .arg = arguments[all.option[i].kind],
                                          .doc = all.option[i].doc};
    if (line->word)
        for (size_t i = 0; line->word->name[i] && i + 1 < sizeof all.args; i++)
            all.args[i] = (char)toupper((unsigned char)line->word->name[i]);
    const struct argp argp = {.options = options,
                              .parser = parse,
                              .args_doc = line->word ? all.args : NULL,
                              .doc = line->doc,
                              .help_filter = help};
    if (argp_parse(&argp, argc, argv, 0, NULL, &all) != 0) return false;
    if (line->common->policy == BENCH_POLICY_SERIAL) line->common->threads = 1;
    return true;
}

static json_t *value_of(const bench_option *option) {
    switch (option->kind) {
    case BENCH_SIZE: return json_integer((json_int_t) * (size_t *)option->value);
    case BENCH_RATE: return json_real(*(double *)option->value);
    case BENCH_FLAG: return json_boolean(*(bool *)option->value);
    case BENCH_CHOICE: return json_string(word_of(option));
    case BENCH_FILE: break;
    }
    return NULL;
}

json_t *bench_options_describe(const bench_line *line) {
    table all = table_of(line);
    json_t *object = json_object();
    for (size_t i = 0; object && i < all.n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", all.option[i].name);
        for (char *at = name; *at; at++)
            if (*at == '-') *at = '_';
        if (all.option[i].kind != BENCH_FILE) json_object_set_new(object, name, value_of(&all.option[i]));
    }
    if (object && line->word) json_object_set_new(object, line->word->name, value_of(line->word));
    return object;
}

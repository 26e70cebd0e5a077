/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-ner: trains taggers of persons, places and organisations on real text and shows what they learnt. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "examples/ner/ladder.h"
#include "examples/ner/sentences.h"

static const char USAGE[] =
    "usage: hl-ner ladder [OPTION...]   trains every rung of the ladder and prints the table\n"
    "       hl-ner tag [OPTION...]      trains one rung, then tags the sentences of standard input, one a line\n"
    "\n"
    "  --data DIR       folder of the column files (examples/ner/data)\n"
    "  --rung SIGN      -, a, b, c or d; ladder: only this rung (all of them); tag: this one (d)\n"
    "  --epochs N       passes over the training set (10)\n"
    "  --rate X         of AdamW, at its highest (0.001)\n"
    "  --decay X        of AdamW, on matrices and tables (0.1)\n"
    "  --seed N         of first values, shuffles and dropout (1)\n"
    "  --threads N      workers (one a core)\n"
    "  --draw FILE      .svg or .png: what the heads look at in --sentence, by the last rung trained\n"
    "  --sentence TEXT  that is tagged after the table, and drawn\n"
    "  --quiet          no progress\n"
    "  --help           this text\n";

typedef struct options {
    int ladder; /* else: tag */
    const char *data, *draw, *sentence;
    ner_rung rung; /* NER_RUNGS: all */
    hl_runtime_options runtime;
    ner_ladder_options ladder_options;
} options;

static const char SENTENCE[] = "Angela Merkel met the heads of Siemens and the United Nations in New York on Monday .";

/* ---- options ---- */

__attribute__((noreturn, format(printf, 1, 2))) static void refuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("hl-ner: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\nhl-ner --help lists the options.\n", stderr);
    va_end(arguments);
    exit(2);
}

static unsigned long long whole(const char *name, const char *text, unsigned long long least, unsigned long long most) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < least || value > most) {
        refuse("--%s takes a whole number from %llu to %llu, not '%s'", name, least, most, text);
    }
    return value;
}

static float positive(const char *name, const char *text, float most) {
    char *end;
    float value = strtof(text, &end);
    if (end == text || *end || !(value >= 0 && value <= most)) {
        refuse("--%s takes a number from 0 to %g, not '%s'", name, (double)most, text);
    }
    return value;
}

static void take_option(options *o, const struct option *given, const char *value) {
    ner_ladder_options *ladder = &o->ladder_options;
    switch (given->val) {
    case 'D': o->data = value; break;
    case 'r':
        o->rung = ner_rung_of(value);
        if (o->rung == NER_RUNGS) {
            refuse("--rung is one of -, a, b, c and d, not '%s'", value);
        }
        break;
    case 'e': ladder->train.epochs = whole(given->name, value, 1, 10000); break;
    case 'a': ladder->train.rate = positive(given->name, value, 10); break;
    case 'y': ladder->decay = positive(given->name, value, 10); break;
    case 's': ladder->seed = ladder->train.seed = whole(given->name, value, 0, UINT64_MAX); break;
    case 't': o->runtime.workers = whole(given->name, value, 1, 4096); break;
    case 'p': o->draw = value; break;
    case 'S': o->sentence = value; break;
    case 'q': ladder->train.progress = NULL; break;
    default: fputs(USAGE, stdout); exit(EXIT_SUCCESS);
    }
}

static options parse(int n, char **words) {
    static const struct option known[] = {
        {"data", required_argument, NULL, 'D'},     {"rung", required_argument, NULL, 'r'},
        {"epochs", required_argument, NULL, 'e'},   {"rate", required_argument, NULL, 'a'},
        {"decay", required_argument, NULL, 'y'},    {"seed", required_argument, NULL, 's'},
        {"threads", required_argument, NULL, 't'},  {"draw", required_argument, NULL, 'p'},
        {"sentence", required_argument, NULL, 'S'}, {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},           {0},
    };
    options o = {
        .data = "examples/ner/data",
        .sentence = SENTENCE,
        .rung = NER_RUNGS,
        .ladder_options = {.train = {.epochs = 10, .seed = 1, .rate = 1e-3f, .warm_up = 0.05f, .progress = stderr},
                           .decay = 0.1f,
                           .seed = 1,
                           .table = stdout}};
    opterr = 0;
    for (int got, which = 0; (got = getopt_long(n, words, "", known, &which)) != -1;) {
        if (got == '?') {
            refuse("'%s' is no option, or lacks its value", words[optind - 1]);
        }
        take_option(&o, &known[which], optarg);
    }
    if (optind + 1 != n) {
        refuse("%s", optind == n ? "what to do: ladder or tag?" : "one command at a time: ladder or tag");
    }
    o.ladder = strcmp(words[optind], "ladder") == 0;
    if (!o.ladder && strcmp(words[optind], "tag") != 0) {
        refuse("'%s' is no command: ladder or tag", words[optind]);
    }
    return o;
}

/* ---- work ---- */

static hl_status tag_input(ner_tagger *tagger, int ask, ner_error *error) {
    char *line = NULL;
    size_t room = 0;
    hl_status status = HL_OK;
    if (ask) {
        puts("Type a sentence a line; Ctrl-D ends.");
    }
    for (size_t number = 1; getline(&line, &room, stdin) >= 0; number++) {
        status = ner_sentence_print(tagger, line, stdout, error);
        if (status == HL_OK) {
            continue;
        }
        if (status != HL_FORMAT) { /* else only this line is bad */
            break;
        }
        fprintf(stderr, "hl-ner: line %zu: %s\n", number, error->text);
        status = HL_OK;
    }
    free(line);
    return status;
}

static hl_status show(ner_tagger *tagger, const options *o, ner_error *error) {
    hl_status status = HL_OK;
    if (o->ladder || o->draw) {
        putchar('\n');
        status = ner_sentence_print(tagger, o->sentence, stdout, error);
    }
    if (status == HL_OK && o->draw) {
        status = ner_sentence_draw(tagger, o->sentence, o->draw, error);
        if (status == HL_OK) {
            printf("What each head looks at: %s\n", o->draw);
        }
    }
    int terminal = isatty(STDIN_FILENO);
    return status == HL_OK && (!o->ladder || terminal) ? tag_input(tagger, terminal, error) : status;
}

static hl_status work(const options *o, hl_runtime *runtime, const ner_data *data, ner_error *error) {
    ner_tagger tagger = {0};
    ner_rung first = o->rung, last = o->rung;
    if (o->rung == NER_RUNGS) {
        first = o->ladder ? NER_RUNG_NONE : NER_RUNG_STACKED;
        last = NER_RUNG_STACKED;
    }
    hl_status status = ner_ladder_begin(data, &o->ladder_options, error);
    for (ner_rung rung = first; status == HL_OK && rung <= last; rung++) {
        ner_tagger_clear(&tagger);
        status = ner_ladder_climb(data, runtime, rung, &o->ladder_options, &tagger, error);
    }
    if (status == HL_OK) {
        status = show(&tagger, o, error);
    }
    ner_tagger_clear(&tagger);
    return status;
}

int main(int n, char **words) {
    options o = parse(n, words);
    if (!o.ladder) {
        o.ladder_options.table = stderr; /* standard output is for the tagged sentences */
    }
    ner_error error = {""};
    ner_data data = {0};
    hl_runtime *runtime = NULL;
    hl_status status = ner_data_read(&data, o.data, &error);
    if (status == HL_OK && (status = hl_runtime_create(&o.runtime, &runtime)) != HL_OK) {
        ner_fail(&error, status, "no runtime: %s", hl_status_string(status));
    }
    if (status == HL_OK) {
        status = work(&o, runtime, &data, &error);
    }
    hl_runtime_destroy(runtime);
    ner_data_clear(&data);
    if (status != HL_OK) {
        fprintf(stderr, "hl-ner: %s\n", error.text);
    }
    return status == HL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-ner: trains taggers of persons, places and organisations on real text and shows what they learnt. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examples/ner/draw.h"
#include "examples/ner/ladder.h"
#include "examples/ner/output.h"
#include "examples/ner/sentences.h"

static const char USAGE[] =
    "usage: hl-ner ladder [OPTION...]   trains every rung of the ladder and prints the table\n"
    "       hl-ner tag [OPTION...]      trains one rung, then tags standard input, line by line\n"
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
    "  --help           this text\n"
    "\n"
    "tag writes a line for each line of its input; everything else goes to standard error. The column files are read "
    "and\n"
    "checked before anything is trained. Exit status: 0; 1 where something failed or a line could not be tagged; 2 "
    "for\n"
    "options that are refused.\n";

static const char OUTPUT[] = "standard output";

typedef struct options {
    int ladder; /* else: tag */
    const char *data, *draw, *sentence;
    ner_rung rung; /* NER_RUNGS: all */
    hl_runtime_options runtime;
    ner_ladder_options ladder_options;
} options;

static const char SENTENCE[] = "Angela Merkel met the heads of Siemens and the United Nations in New York on Monday .";

/* ---- the streams that a process begins with ---- */

__attribute__((noreturn)) static void finish(int code) {
    ner_error error = {""};
    if (ner_output_flush(stdout, OUTPUT, &error) != HL_OK || fclose(stdout) != 0) {
        fprintf(stderr, "hl-ner: %s\n", error.text[0] ? error.text : strerror(errno));
        code = code ? code : EXIT_FAILURE;
    }
    exit(code);
}

/* A file that is opened later must not get the number of a stream that was closed. Nothing of the null device can be
 * written by the name of standard output, or read by that of standard input: both are refused where they are needed. */
static void occupy_streams(void) {
    static const int modes[3] = {O_WRONLY, O_RDONLY, O_WRONLY};
    for (int stream = 0; stream < 3; stream++) {
        if (fcntl(stream, F_GETFD) < 0) {
            (void)!open("/dev/null", modes[stream]); /* takes the lowest free number: this one */
        }
    }
}

static hl_status check_input(ner_error *error) {
    struct stat about;
    if ((fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        return ner_fail(error, HL_SYSTEM, "standard input: it cannot be read");
    }
    if (fstat(STDIN_FILENO, &about) == 0 && S_ISDIR(about.st_mode)) {
        return ner_fail(error, HL_SYSTEM, "standard input: %s", strerror(EISDIR));
    }
    return HL_OK;
}

/* ---- options ---- */

/* Beyond all characters, which getopt_long gives for options of one letter: there are none. */
enum {
    OPTION_DATA = 256,
    OPTION_RUNG,
    OPTION_EPOCHS,
    OPTION_RATE,
    OPTION_DECAY,
    OPTION_SEED,
    OPTION_THREADS,
    OPTION_DRAW,
    OPTION_SENTENCE,
    OPTION_QUIET,
    OPTION_HELP
};

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
    errno = 0;
    float value = strtof(text, &end);
    if (end == text || *end || errno || !(value >= 0 && value <= most)) {
        refuse("--%s takes a number from 0 to %g, not '%s'", name, (double)most, text);
    }
    return value;
}

static const char *name_of(const char *name, const char *text) {
    if (!*text) {
        refuse("--%s takes a name, not ''", name);
    }
    return text;
}

static void take_option(options *o, const struct option *given, const char *value) {
    ner_ladder_options *ladder = &o->ladder_options;
    switch (given->val) {
    case OPTION_DATA: o->data = name_of(given->name, value); break;
    case OPTION_RUNG:
        o->rung = ner_rung_of(value);
        if (o->rung == NER_RUNGS) {
            refuse("--rung is one of -, a, b, c and d, not '%s'", value);
        }
        break;
    case OPTION_EPOCHS: ladder->train.epochs = whole(given->name, value, 1, 10000); break;
    case OPTION_RATE: ladder->train.rate = positive(given->name, value, 10); break;
    case OPTION_DECAY: ladder->decay = positive(given->name, value, 10); break;
    case OPTION_SEED: ladder->seed = ladder->train.seed = whole(given->name, value, 0, UINT64_MAX); break;
    case OPTION_THREADS: o->runtime.workers = whole(given->name, value, 1, 4096); break;
    case OPTION_DRAW: o->draw = name_of(given->name, value); break;
    case OPTION_SENTENCE: o->sentence = value; break;
    case OPTION_QUIET: ladder->train.progress = NULL; break;
    default: fputs(USAGE, stdout); finish(EXIT_SUCCESS);
    }
}

static void check_drawing(const options *o) {
    ner_error error = {""};
    if (o->sentence && !o->ladder && !o->draw) {
        refuse("tag needs --draw for --sentence: it tags standard input");
    }
    if (o->sentence && ner_sentence_check(o->sentence, &error) != HL_OK) {
        refuse("--sentence: %s", error.text);
    }
    if (o->draw && o->rung == NER_RUNG_NONE) {
        refuse("--draw: rung '-' has no attention to look at");
    }
    if (o->draw && ner_picture_check(o->draw, &error) != HL_OK) {
        refuse("--draw: %s", error.text);
    }
}

static options parse(int n, char **words) {
    static const struct option known[] = {
        {"data", required_argument, NULL, OPTION_DATA},
        {"rung", required_argument, NULL, OPTION_RUNG},
        {"epochs", required_argument, NULL, OPTION_EPOCHS},
        {"rate", required_argument, NULL, OPTION_RATE},
        {"decay", required_argument, NULL, OPTION_DECAY},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"threads", required_argument, NULL, OPTION_THREADS},
        {"draw", required_argument, NULL, OPTION_DRAW},
        {"sentence", required_argument, NULL, OPTION_SENTENCE},
        {"quiet", no_argument, NULL, OPTION_QUIET},
        {"help", no_argument, NULL, OPTION_HELP},
        {0},
    };
    options o = {
        .data = "examples/ner/data",
        .rung = NER_RUNGS,
        .ladder_options = {.train = {.epochs = 10, .seed = 1, .rate = 1e-3f, .warm_up = 0.05f, .progress = stderr},
                           .decay = 0.1f,
                           .seed = 1,
                           .table = stdout}};
    opterr = 0;
    for (int got, which = 0; (got = getopt_long(n, words, ":", known, &which)) != -1;) {
        if (got == '?' && optopt && optopt < OPTION_DATA) {
            refuse("'-%c' is no option", optopt);
        }
        if (got == '?' || got == ':') {
            refuse("'%s' is no option, lacks its value, or takes none", words[optind - 1]);
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
    if (o.rung == NER_RUNGS && !o.ladder) {
        o.rung = NER_RUNG_STACKED;
    }
    check_drawing(&o);
    o.sentence = o.sentence ? o.sentence : SENTENCE;
    return o;
}

/* ---- work ---- */

static hl_status tag_input(ner_tagger *tagger, int ask, ner_error *error) {
    ner_lines lines = ner_lines_of(stdin, "standard input");
    if (ask) {
        fputs("Type a sentence a line; Ctrl-D ends.\n", stderr);
    }
    hl_status status = ner_sentences_answer(tagger, &lines, stdout, OUTPUT, stderr, error);
    ner_lines_close(&lines);
    return status;
}

static hl_status show(ner_tagger *tagger, const options *o, ner_error *error) {
    FILE *table = o->ladder_options.table;
    hl_status status = HL_OK;
    if (o->ladder || o->draw) {
        fputc('\n', table);
        status = ner_sentence_print(tagger, o->sentence, strlen(o->sentence), table, error);
    }
    if (status == HL_OK && o->draw) {
        status = ner_sentence_draw(tagger, o->sentence, o->draw, error);
        if (status == HL_OK) {
            fprintf(table, "What each head looks at: %s\n", o->draw);
        }
    }
    int terminal = isatty(STDIN_FILENO);
    return status == HL_OK && (!o->ladder || terminal) ? tag_input(tagger, terminal, error) : status;
}

static hl_status work(const options *o, hl_runtime *runtime, const ner_data *data, ner_error *error) {
    ner_tagger tagger = {0};
    ner_rung first = o->rung, last = o->rung;
    if (o->rung == NER_RUNGS) {
        first = NER_RUNG_NONE;
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
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is a failure to write, which is reported */
    occupy_streams();
    options o = parse(n, words);
    if (!o.ladder) {
        o.ladder_options.table = stderr; /* standard output is for the tagged sentences */
    }
    ner_error error = {""};
    ner_data data = {0};
    hl_runtime *runtime = NULL;
    hl_status status = ner_output_ready(stdout, OUTPUT, &error);
    if (status == HL_OK && !o.ladder) {
        status = check_input(&error);
    }
    if (status == HL_OK) {
        status = ner_data_read(&data, o.data, &error);
    }
    if (status == HL_OK && (status = hl_runtime_create(&o.runtime, &runtime)) != HL_OK) {
        ner_fail(&error, status, "no runtime: %s", hl_runtime_error(NULL));
    }
    if (status == HL_OK) {
        status = work(&o, runtime, &data, &error);
    }
    hl_runtime_destroy(runtime);
    ner_data_clear(&data);
    if (status != HL_OK) {
        fprintf(stderr, "hl-ner: %s\n", error.text);
    }
    finish(status == HL_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}

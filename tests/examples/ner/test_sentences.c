/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences of a user's: brackets stand where the tagger found entities, pictures are written, bad lines are named. */
#include "examples/ner/sentences.h"

#include <stdlib.h>

#include "examples/ner/train.h"
#include "tests/examples/ner/small.h"

static ner_tagger trained_tagger(const small_world *world) {
    ner_trained trained;
    ner_tagger tagger = small_tagger(world, NER_RUNG_STACKED);
    ner_train_options options = {.epochs = 40, .seed = 2, .rate = 3e-3f, .warm_up = 0.05f};
    ck_assert_int_eq(ner_train(&tagger, &world->corpus, &options, &trained, NULL), HL_OK);
    return tagger;
}

static void expect_printed(ner_tagger *tagger, const char *line, const char *wanted) {
    char text[400] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert_ptr_nonnull(file);
    ner_error error = {""};
    ck_assert_msg(ner_sentence_print(tagger, line, strlen(line), file, &error) == HL_OK, "%s", error.text);
    fclose(file);
    ck_assert_str_eq(text, wanted);
}

START_TEST(EntitiesStandInBrackets) {
    small_world world = small_open(120);
    ner_tagger tagger = trained_tagger(&world);
    expect_printed(&tagger, "Doctor Ada lives in Rome.\n", "Doctor [PER Ada] lives in [LOC Rome] .\n");
    expect_printed(&tagger, "The Bank of Oslo hired Bela yesterday .",
                   "The [ORG Bank of Oslo] hired [PER Bela] yesterday .\n");
    expect_printed(&tagger, " \n", "\n");
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

enum { ROOM = 8000 };

/* Answers these bytes; out and complaints have room for ROOM. */
static hl_status answer(const char *bytes, size_t n, char *out, char *complaints, ner_error *error) {
    small_world world = small_open(10);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_NONE);
    FILE *in = tmpfile(), *to = fmemopen(out, ROOM, "w"), *about = fmemopen(complaints, ROOM, "w");
    ck_assert(in && to && about);
    fwrite(bytes, 1, n, in);
    rewind(in);
    ner_lines lines = ner_lines_of(in, "input");
    hl_status status = ner_sentences_answer(&tagger, &lines, to, "output", about, error);
    ner_lines_close(&lines);
    fclose(in);
    fclose(to);
    fclose(about);
    ner_tagger_clear(&tagger);
    small_close(&world);
    return status;
}

/* Brackets and types out of a tagged text, which an untrained tagger puts anywhere. */
static void leave_out_entities(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '[') {
            from += strlen("[PER");
        } else if (*from != ']') {
            *to++ = *from;
        }
    }
    *to = '\0';
}

START_TEST(EveryLineIsAnswered) {
    static const char text[] = "\xEF\xBB\xBFOne .\n\n \t \nTwo\0 words\nThree\xFF\r\nFour five\r\nsix";
    char out[ROOM] = "", complaints[ROOM] = "";
    ner_error error = {""};
    ck_assert_int_eq(answer(text, sizeof text - 1, out, complaints, &error), HL_FORMAT);
    leave_out_entities(out);
    ck_assert_str_eq(out, "One .\n\n\n\n\nFour five\nsix\n");
    ck_assert_str_eq(complaints,
                     "hl-ner: line 4: the line holds a NUL byte\nhl-ner: line 5: the line is not UTF-8 text\n");
    ck_assert_str_eq(error.text, "2 of 7 lines were not tagged");
}
END_TEST

START_TEST(LongLinesAreAnsweredByOne) {
    char text[1200] = "", out[ROOM] = "", complaints[ROOM] = "";
    ner_error error = {""};
    for (int i = 0; i < 3 * NER_LONGEST + 7; i++) strcat(text, i ? " w" : "w");
    size_t words = strlen(text);
    strcat(text, "\nlast\n");
    ck_assert_int_eq(answer(text, strlen(text), out, complaints, &error), HL_OK);
    leave_out_entities(out);
    ck_assert_str_eq(out, text);
    ck_assert_mem_eq(out + words, "\nlast\n", 6);
    ck_assert_str_eq(complaints, "");
}
END_TEST

START_TEST(AnswersThatCannotBeWrittenEndIt) {
    small_world world = small_open(10);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_NONE);
    FILE *in = tmpfile(), *full = fopen("/dev/full", "wb");
    ck_assert(in && full);
    fputs("one\ntwo\n", in);
    rewind(in);
    ner_lines lines = ner_lines_of(in, "input");
    ner_error error = {""};
    ck_assert_int_eq(ner_sentences_answer(&tagger, &lines, full, "output", stderr, &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "output: No space left on device");
    ck_assert_uint_eq(lines.number, 1);
    ner_lines_close(&lines);
    fclose(in);
    fclose(full);
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

START_TEST(PicturesAreWritten) {
    small_world world = small_open(20);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_THREE_HEADS);
    char path[64];
    ner_error error = {""};
    name_file(path, ".svg");
    ck_assert_msg(ner_sentence_draw(&tagger, "Doctor Ada lives in Rome .", path, &error) == HL_OK, "%s", error.text);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    char head[16] = "";
    ck_assert_uint_gt(fread(head, 1, sizeof head - 1, file), 4);
    ck_assert_mem_eq(head, "<?xml", 5);
    fclose(file);
    remove(path);
    ck_assert_int_eq(ner_sentence_draw(&tagger, "  ", path, &error), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(ner_sentence_check(" \t", &error), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(ner_sentence_check("Ada\xFF", &error), HL_FORMAT);
    ck_assert_int_eq(ner_sentence_check("Ada", &error), HL_OK);
    ck_assert_int_eq(ner_sentence_draw(&tagger, "Doctor Ada .", "heads.gif", &error), HL_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "heads.gif"));
    ck_assert_int_eq(ner_sentence_draw(&tagger, "Doctor Ada .", "/nowhere/heads.svg", &error), HL_SYSTEM);
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

START_TEST(WhatIsNoTextIsRefused) {
    small_world world = small_open(10);
    ner_tagger tagger = small_tagger(&world, NER_RUNG_NONE);
    ner_error error = {""};
    ck_assert_int_eq(ner_sentence_print(&tagger, "caf\xE9", 4, stdout, &error), HL_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.text, "UTF-8"));
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

int main(void) {
    return run_tests("sentences", TESTS(EntitiesStandInBrackets, EveryLineIsAnswered, LongLinesAreAnsweredByOne,
                                        AnswersThatCannotBeWrittenEndIt, PicturesAreWritten, WhatIsNoTextIsRefused));
}

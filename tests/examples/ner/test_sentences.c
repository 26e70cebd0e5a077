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
    ck_assert_msg(ner_sentence_print(tagger, line, file, &error) == HL_OK, "%s", error.text);
    fclose(file);
    ck_assert_str_eq(text, wanted);
}

START_TEST(EntitiesStandInBrackets) {
    small_world world = small_open(120);
    ner_tagger tagger = trained_tagger(&world);
    expect_printed(&tagger, "Doctor Ada lives in Rome.\n", "Doctor [PER Ada] lives in [LOC Rome] .\n");
    expect_printed(&tagger, "The Bank of Oslo hired Bela yesterday .",
                   "The [ORG Bank of Oslo] hired [PER Bela] yesterday .\n");
    expect_printed(&tagger, " \n", "");
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
    ck_assert_int_eq(ner_sentence_print(&tagger, "caf\xE9", stdout, &error), HL_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.text, "UTF-8"));
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

int main(void) {
    return run_tests("sentences", TESTS(EntitiesStandInBrackets, PicturesAreWritten, WhatIsNoTextIsRefused));
}

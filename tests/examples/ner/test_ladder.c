/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ladder: rows of the table hold what they say, and the shipped data have the known floor. */
#include "examples/ner/ladder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/examples/ner/small.h"

static void read_table(FILE *file, char *text, size_t size) {
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* 44.3 and 50.7 were measured by another program on the same files. */
START_TEST(TheFloorIsTheKnownOne) {
    ner_data data = {0};
    ner_error error = {""};
    ck_assert_msg(ner_data_read(&data, HL_SOURCE_DIR "/examples/ner/data", &error) == HL_OK, "%s", error.text);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ner_ladder_begin(&data, &(ner_ladder_options){.table = file}, &error), HL_OK);
    char text[1000], sign[16], f1[32];
    read_table(file, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "dev F1"));
    const char *row = strstr(text, "\nfloor");
    ck_assert_ptr_nonnull(row);
    ck_assert_int_eq(sscanf(row, "%15s", sign), 1);
    snprintf(f1, sizeof f1, "%7.1f %8.1f", 44.3, 50.7);
    ck_assert_msg(strstr(row, f1) != NULL, "'%s' does not hold '%s'", row, f1);
    ner_data_clear(&data);
}
END_TEST

START_TEST(ARungThatKnowsItsSentencesScoresThem) {
    small_world world = small_open(120);
    ner_data data = {.train = world.corpus, .dev = world.corpus, .test = world.corpus, .vocabulary = world.vocabulary};
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ner_ladder_options options = {
        .train = {.epochs = 80, .rate = 3e-3f, .warm_up = 0.05f}, .decay = 0.01f, .seed = 1, .table = file};
    ner_tagger tagger;
    ner_error error = {""};
    hl_status status = ner_ladder_climb(&data, world.runtime, NER_RUNG_THREE_HEADS, &options, &tagger, &error);
    ck_assert_msg(status == HL_OK, "%s", error.text);
    char text[400];
    read_table(file, text, sizeof text);
    ck_assert_mem_eq(text, "c ", 2);
    size_t parameters = 0;
    double dev = 0, test = 0, rate = 0, seconds = 0;
    const char *figures = text + 7 + 52;
    ck_assert_int_eq(sscanf(figures, "%zu %lf %lf %lf %lf", &parameters, &dev, &test, &rate, &seconds), 5);
    ck_assert_uint_eq(parameters, ner_tagger_parameters(&tagger));
    ck_assert_double_ge(dev, 90);
    ck_assert_double_eq(dev, test);
    ck_assert_double_gt(rate, 0);
    ner_tagger_clear(&tagger);
    small_close(&world);
}
END_TEST

START_TEST(ATableThatCannotBeWrittenIsAFailure) {
    small_world world = small_open(20);
    ner_data data = {.train = world.corpus, .dev = world.corpus, .test = world.corpus, .vocabulary = world.vocabulary};
    FILE *full = fopen("/dev/full", "wb");
    ck_assert_ptr_nonnull(full);
    ner_error error = {""};
    ck_assert_int_eq(ner_ladder_begin(&data, &(ner_ladder_options){.table = full}, &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "the table: No space left on device");
    fclose(full);
    small_close(&world);
}
END_TEST

START_TEST(AMissingFileIsNamed) {
    ner_data data = {0};
    ner_error error = {""};
    ck_assert_int_eq(ner_data_read(&data, "/nowhere", &error), HL_SYSTEM);
    ck_assert_ptr_nonnull(strstr(error.text, "/nowhere/en_ewt-ud-train.iob2"));
    ck_assert_uint_eq(data.train.n_tokens, 0);
    char folder[5000];
    memset(folder, 'x', sizeof folder);
    folder[sizeof folder - 1] = '\0';
    ck_assert_int_eq(ner_data_read(&data, folder, &error), HL_INVALID_ARGUMENT);
}
END_TEST

int main(void) {
    return run_tests("ladder", TESTS(TheFloorIsTheKnownOne, ARungThatKnowsItsSentencesScoresThem,
                                     ATableThatCannotBeWrittenIsAFailure, AMissingFileIsNamed));
}

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The progress line says what it should. */
#include "examples/ner/progress.h"
#include "tests/examples/ner/kit.h"

START_TEST(LineHoldsRateAndTimeLeft) {
    ner_progress progress;
    char text[200];
    ner_progress_begin(&progress, NULL, "d", 4, 400);
    ner_progress_now now = {.epoch = 1, .step = 100, .tokens = 50000, .loss = 0.25};
    size_t n = ner_progress_text(&progress, &now, 25000000000u, text, sizeof text);
    /* 100 of 400 steps in 25 s: 75 s left */
    ck_assert_str_eq(text, "d  epoch 2/4  step 100/400  loss 0.2500  2.0k tokens/s  1:15 left");
    ck_assert_uint_eq(n, strlen(text));
}
END_TEST

START_TEST(NoStepAndNoTimeAreNoDivision) {
    ner_progress progress;
    char text[200], small[10];
    ner_progress_begin(&progress, NULL, "d", 1, 10);
    ner_progress_now now = {0};
    ner_progress_text(&progress, &now, 0, text, sizeof text);
    ck_assert_str_eq(text, "d  epoch 1/1  step 0/10  loss 0.0000  0.0k tokens/s  0:00 left");
    ck_assert_uint_eq(ner_progress_text(&progress, &now, 0, small, sizeof small), sizeof small - 1);
}
END_TEST

START_TEST(FilesGetOneLineAnEpochAndNobodyNothing) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ner_progress progress;
    ner_progress_now now = {.epoch = 1, .step = 5, .tokens = 10, .loss = 1};
    ner_progress_begin(&progress, file, "d", 2, 10);
    ner_progress_step(&progress, &now);
    ner_progress_epoch(&progress, &now);
    ner_progress_end(&progress);
    rewind(file);
    char line[200] = "";
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_int_eq(strncmp(line, "d  epoch 1/2  step 5/10  loss 1.0000  ", 38), 0);
    ck_assert_ptr_null(fgets(line, sizeof line, file));
    fclose(file);

    ner_progress_begin(&progress, NULL, "d", 2, 10);
    ner_progress_step(&progress, &now);
    ner_progress_epoch(&progress, &now);
    ner_progress_end(&progress);
}
END_TEST

START_TEST(TheClockDoesNotGoBack) {
    uint64_t first = ner_now_ns();
    ck_assert_uint_ge(ner_now_ns(), first);
}
END_TEST

int main(void) {
    return run_tests("progress", TESTS(LineHoldsRateAndTimeLeft, NoStepAndNoTimeAreNoDivision,
                                       FilesGetOneLineAnEpochAndNobodyNothing, TheClockDoesNotGoBack));
}

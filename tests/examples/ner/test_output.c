/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Output that cannot be written is noticed: before anything is written where the system knows, else when it is. */
#include "examples/ner/output.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "tests/examples/ner/kit.h"

START_TEST(WhatCanBeWrittenIsReady) {
    FILE *file = tmpfile();
    ner_error error = {""};
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ner_output_ready(file, "it", &error), HL_OK);
    fputs("text", file);
    ck_assert_int_eq(ner_output_flush(file, "it", &error), HL_OK);
    ck_assert_int_eq(ftell(file), 4);
    fclose(file);
}
END_TEST

START_TEST(FilesOpenForReadingAreNotReady) {
    FILE *file = fopen("/dev/null", "rb");
    ner_error error = {""};
    ck_assert_int_eq(ner_output_ready(file, "it", &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "it: it is open for reading only");
    fclose(file);
}
END_TEST

START_TEST(PipesWithoutReaderAreNotReady) {
    int ends[2];
    ner_error error = {""};
    ck_assert_int_eq(pipe(ends), 0);
    FILE *file = fdopen(ends[1], "wb");
    ck_assert_int_eq(ner_output_ready(file, "it", &error), HL_OK);
    close(ends[0]);
    ck_assert_int_eq(ner_output_ready(file, "it", &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "it: Broken pipe");
    fclose(file);
}
END_TEST

START_TEST(FullDisksAreNoticed) {
    FILE *file = fopen("/dev/full", "wb");
    ner_error error = {""};
    ck_assert_ptr_nonnull(file);
    fputs("text", file);
    ck_assert_int_eq(ner_output_flush(file, "it", &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "it: No space left on device");
    ck_assert_int_eq(ner_output_flush(file, "it", NULL), HL_SYSTEM); /* what failed once stays failed */
    fclose(file);
}
END_TEST

START_TEST(FilesThatMayBeMadeAreNotMade) {
    char path[64];
    ner_error error = {""};
    name_file(path, ".out");
    ck_assert_int_eq(ner_output_may_make(path, &error), HL_OK);
    ck_assert_int_ne(access(path, F_OK), 0);
    FILE *file = fopen(path, "wb");
    fputs("kept", file);
    fclose(file);
    ck_assert_int_eq(ner_output_may_make(path, &error), HL_OK);
    struct stat about;
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(about.st_size, 4);
    remove(path);
}
END_TEST

START_TEST(FilesThatCannotBeMadeAreNamed) {
    ner_error error = {""};
    ck_assert_int_eq(ner_output_may_make("/nowhere/x.svg", &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "/nowhere/x.svg: No such file or directory");
    ck_assert_int_eq(ner_output_may_make("/tmp", &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "/tmp: Is a directory");
}
END_TEST

int main(void) {
    return run_tests("output",
                     TESTS(WhatCanBeWrittenIsReady, FilesOpenForReadingAreNotReady, PipesWithoutReaderAreNotReady,
                           FullDisksAreNoticed, FilesThatMayBeMadeAreNotMade, FilesThatCannotBeMadeAreNamed));
}

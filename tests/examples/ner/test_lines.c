/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every line of a text is read, whatever is in it and however long it is, and has its number. */
#include "examples/ner/lines.h"

#include "tests/examples/ner/kit.h"

static ner_lines lines_of(const char *bytes, size_t n) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    rewind(file);
    return ner_lines_of(file, "text");
}

static void close_lines(ner_lines *lines) {
    FILE *file = lines->file;
    ner_lines_close(lines);
    fclose(file); /* the caller's, and still open */
}

static void expect_line(ner_lines *lines, const char *bytes, size_t n) {
    int more = 0;
    ck_assert_int_eq(ner_lines_next(lines, &more, NULL), HL_OK);
    ck_assert_int_eq(more, 1);
    ck_assert_uint_eq(lines->bytes, n);
    ck_assert_mem_eq(lines->text, bytes, n + 1); /* and the '\0' behind it */
}

static void expect_end(ner_lines *lines, size_t number) {
    int more = 1;
    ck_assert_int_eq(ner_lines_next(lines, &more, NULL), HL_OK);
    ck_assert_int_eq(more, 0);
    ck_assert_uint_eq(lines->number, number);
    close_lines(lines);
}

START_TEST(LinesEndInNewlinesAndTheLastOneMayNot) {
    static const char text[] = "one\ntwo\r\n\n\0\nfo\0ur\r\r\nfive";
    ner_lines lines = lines_of(text, sizeof text - 1);
    expect_line(&lines, "one", 3);
    expect_line(&lines, "two", 3);
    expect_line(&lines, "", 0);
    expect_line(&lines, "\0", 1);
    expect_line(&lines, "fo\0ur\r", 6);
    ck_assert_uint_eq(lines.number, 5);
    expect_line(&lines, "five", 4);
    expect_end(&lines, 6);
    lines = lines_of("\n", 1);
    expect_line(&lines, "", 0);
    expect_end(&lines, 1);
    lines = lines_of("", 0);
    expect_end(&lines, 0);
}
END_TEST

START_TEST(AByteOrderMarkIsLeftOutBeforeLine1Alone) {
    static const char text[] = "\xEF\xBB\xBF"
                               "a\n\xEF\xBB\xBF"
                               "b\n";
    ner_lines lines = lines_of(text, sizeof text - 1);
    expect_line(&lines, "a", 1);
    expect_line(&lines,
                "\xEF\xBB\xBF"
                "b",
                4);
    expect_end(&lines, 2);
}
END_TEST

START_TEST(LinesMayBeOfAnyLength) {
    enum { MOST = 3000000 };
    char *text = malloc(MOST);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', MOST);
    text[MOST - 2] = '\n';
    ner_lines lines = lines_of(text, MOST);
    text[MOST - 2] = '\0';
    expect_line(&lines, text, MOST - 2);
    expect_line(&lines, "x", 1);
    expect_end(&lines, 2);
    free(text);
}
END_TEST

START_TEST(LongerLinesThanAskedForAreRefused) {
    char path[64];
    ner_lines lines;
    ner_error error = {""};
    int more = 0;
    name_file(path, ".txt");
    FILE *file = fopen(path, "wb");
    fputs("1234\n12345\n", file);
    fclose(file);
    ck_assert_int_eq(ner_lines_open(&lines, path, 4, &error), HL_OK);
    remove(path);
    ck_assert_int_eq(ner_lines_next(&lines, &more, &error), HL_OK);
    ck_assert_str_eq(lines.text, "1234");
    ck_assert_int_eq(ner_lines_next(&lines, &more, &error), HL_FORMAT);
    char words[120];
    snprintf(words, sizeof words, "%s:2: the line is longer than 4 bytes", path);
    ck_assert_str_eq(error.text, words);
    ner_lines_close(&lines);
}
END_TEST

START_TEST(LongNamesKeepTheirEnd) {
    char path[600];
    memset(path, 'x', sizeof path);
    strcpy(path + sizeof path - 11, "/file.iob2");
    ner_lines lines;
    ner_error error = {""};
    ck_assert_int_eq(ner_lines_open(&lines, path, 0, &error), HL_SYSTEM);
    ck_assert_mem_eq(error.text, "...x", 4);
    ck_assert_ptr_nonnull(strstr(error.text, "x/file.iob2: ")); /* and what the system says */
    ner_lines_close(&lines);
}
END_TEST

START_TEST(WhatCannotBeReadIsASystemError) {
    ner_lines lines;
    ner_error error = {""};
    int more = 0;
    ck_assert_int_eq(ner_lines_open(&lines, "/", 0, &error), HL_OK); /* opens */
    ck_assert_int_eq(ner_lines_next(&lines, &more, &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "/: Is a directory");
    ner_lines_close(&lines);
}
END_TEST

START_TEST(TextIsUtf8WithoutNul) {
    ck_assert_ptr_null(ner_text_fault("", 0));
    ck_assert_ptr_null(ner_text_fault("na\xC3\xAFve \xF0\x9F\x98\x80", 11));
    ck_assert_ptr_nonnull(ner_text_fault("a\0b", 3));
    ck_assert_ptr_nonnull(ner_text_fault("\xC3", 1));
    ck_assert_ptr_nonnull(ner_text_fault("\xF4\x90\x80\x80", 4)); /* beyond U+10FFFF */
}
END_TEST

int main(void) {
    return run_tests("lines", TESTS(LinesEndInNewlinesAndTheLastOneMayNot, AByteOrderMarkIsLeftOutBeforeLine1Alone,
                                    LinesMayBeOfAnyLength, LongerLinesThanAskedForAreRefused, LongNamesKeepTheirEnd,
                                    WhatCannotBeReadIsASystemError, TextIsUtf8WithoutNul));
}

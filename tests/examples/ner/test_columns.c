/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Column files are read as they are meant, and refused with file and line where they are damaged. */
#include "examples/ner/columns.h"
#include "tests/examples/ner/kit.h"

static void read_text(ner_corpus *corpus, const char *text) {
    char path[64];
    ner_error error = {""};
    ck_assert_msg(corpus_of(corpus, text, strlen(text), path, &error) == HL_OK, "%s", error.text);
}

/* The words must be "file:line: " and then the rest. */
static void refuse_bytes(const char *bytes, size_t n, int line, const char *rest) {
    ner_corpus corpus = {0};
    ner_error error = {""};
    char path[64], words[400];
    ck_assert_int_eq(corpus_of(&corpus, bytes, n, path, &error), HL_FORMAT);
    snprintf(words, sizeof words, "%s:%d: %s", path, line, rest);
    ck_assert_str_eq(error.text, words);
    ck_assert_uint_eq(corpus.n_tokens, 0);
    ck_assert_ptr_null(corpus.text);
}

static void refuse(const char *text, int line, const char *rest) { refuse_bytes(text, strlen(text), line, rest); }

START_TEST(SentencesAndLabelsAreRead) {
    ner_corpus corpus = {0};
    read_text(&corpus, "# text = A comment\n1\tNew\tB-LOC\t-\tx\n2\tYork\tI-LOC\t-\tx\n\n\n"
                       "1\t#\tO\t-\t-\n2\tAda\tB-PER\t-\t-\n3\tUN\tB-ORG\t-\t-\n4\tx\tI-ORG\t-\t-\n\n");
    ck_assert_uint_eq(corpus.n_sentences, 2);
    ck_assert_uint_eq(corpus.n_tokens, 6);
    ck_assert_uint_eq(ner_corpus_length(&corpus, 0), 2);
    ck_assert_uint_eq(ner_corpus_length(&corpus, 1), 4);
    ck_assert_str_eq(ner_corpus_token(&corpus, 0), "New");
    ck_assert_str_eq(ner_corpus_token(&corpus, 2), "#");
    static const int32_t labels[6] = {NER_B_LOC, NER_I_LOC, NER_O, NER_B_PER, NER_B_ORG, NER_I_ORG};
    ck_assert_mem_eq(corpus.labels, labels, sizeof labels);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(OtherEntitiesAreNone) {
    ner_corpus corpus = {0};
    read_text(&corpus, "1\ta\tB-OTH\t-\t-\n2\tb\tI-OTH\t-\t-\n");
    ck_assert_int_eq(corpus.labels[0], NER_O);
    ck_assert_int_eq(corpus.labels[1], NER_O);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(LastNewlineMayBeMissingAndLinesMayEndInCrLf) {
    ner_corpus corpus = {0};
    read_text(&corpus, "1\ta\tO\t-\t-\r\n\r\n1\tb\tB-PER\t-\t-");
    ck_assert_uint_eq(corpus.n_sentences, 2);
    ck_assert_str_eq(ner_corpus_token(&corpus, 1), "b");
    ck_assert_int_eq(corpus.labels[1], NER_B_PER);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(DamagedLinesAreRefusedWithFileAndLine) {
    refuse("1\ta\tO\t-\t-\n2 b O - -\n", 2, "expected 5 columns separated by tabs, found 1");
    refuse("1\ta\tO\t-\n", 1, "expected 5 columns separated by tabs, found 4");
    refuse("1\ta\tO\t-\t-\t-\n", 1, "expected 5 columns separated by tabs, found 6");
    refuse("#\ta\tO\t-\t-\n", 1, "expected token number 1, found '#'");
    refuse("1\ta\tO\t-\t-\t\n", 1, "expected 5 columns separated by tabs, found 6");
    refuse(" 1\ta\tO\t-\t-\n", 1, "expected token number 1, found ' 1'");
    refuse("01\ta\tO\t-\t-\n", 1, "expected token number 1, found '01'");
    refuse("1-2\ta\tO\t-\t-\n", 1, "expected token number 1, found '1-2'");
    refuse("1\ta\tO\t-\t-\r1\tb\tO\t-\t-\r", 1, "a carriage return within the line");
    refuse("1\ta\tO\t-\t-\n\n\xEF\xBB\xBF"
           "1\ta\tO\t-\t-\n",
           3, "a byte order mark elsewhere than at the beginning of the file");
    refuse("# c\n1\ta\tO\t-\t-\n3\tb\tO\t-\t-\n", 3, "expected token number 2, found '3'");
    refuse("1\ta\tO\t-\t-\n\n2\tb\tO\t-\t-\n", 3, "expected token number 1, found '2'");
    refuse("x\ta\tO\t-\t-\n", 1, "expected token number 1, found 'x'");
    refuse("1\t\tO\t-\t-\n", 1, "the token is empty");
    refuse("1\ta\tB-MISC\t-\t-\n", 1, "unknown tag 'B-MISC'");
    refuse("1\ta\tPER\t-\t-\n", 1, "unknown tag 'PER'");
    refuse("1\ta\t\t-\t-\n", 1, "unknown tag ''");
    refuse("1\t \tO\t-\t-\n", 1, "the token is empty");
    refuse("1\ta\tB-\t-\t-\n", 1, "unknown tag 'B-'");
    refuse("1\ta\tM-PER\t-\t-\n", 1, "unknown tag 'M-PER'");
    refuse("1\ta\tb-per\t-\t-\n", 1, "unknown tag 'b-per'");
    refuse("1\ta\tB-PER \t-\t-\n", 1, "unknown tag 'B-PER '");
    refuse("1\ta\tO\x1b[2J\t-\t-\n", 1, "unknown tag 'O\\x1B[2J'");
    refuse("# only a comment\n\n", 2, "the file has no sentence");
    refuse("", 0, "the file has no sentence");
}
END_TEST

START_TEST(BytesThatAreNoTextAreRefused) {
    refuse("1\ta\xff\tO\t-\t-\n", 1, "the line is not UTF-8 text");
    refuse("1\ta\tO\t-\t-\n\n# caf\xE9\n", 3, "the line is not UTF-8 text");
    refuse("1\t\xC0\xAF\tO\t-\t-\n", 1, "the line is not UTF-8 text");     /* a longer form than is needed */
    refuse("1\t\xED\xA0\x80\tO\t-\t-\n", 1, "the line is not UTF-8 text"); /* half of a surrogate pair */
    refuse_bytes("1\ta\0b\tO\t-\t-\n", 13, 1, "the line holds a NUL byte");
    refuse_bytes("1\ta\tO\t-\t-\n\0\n", 13, 2, "the line holds a NUL byte");
    refuse_bytes("1\ta\tO\t-\t-\n# \0\n", 15, 2, "the line holds a NUL byte");
    refuse_bytes("\xFF\xFE"
                 "1\0\t\0a\0",
                 8, 1, "the file is UTF-16; UTF-8 is expected");
    refuse_bytes("\xFE\xFF\0"
                 "1\0\t\0a",
                 8, 1, "the file is UTF-16; UTF-8 is expected");
}
END_TEST

/* Reads the text and expects these labels. */
static void expect_labels(const char *text, size_t n_sentences, const int32_t *labels, size_t n) {
    ner_corpus corpus = {0};
    read_text(&corpus, text);
    ck_assert_uint_eq(corpus.n_sentences, n_sentences);
    ck_assert_uint_eq(corpus.n_tokens, n);
    ck_assert_mem_eq(corpus.labels, labels, n * sizeof *labels);
    ner_corpus_clear(&corpus);
}

START_TEST(AByteOrderMarkBeginsNoToken) {
    static const int32_t labels[1] = {NER_B_PER};
    expect_labels("\xEF\xBB\xBF"
                  "1\ta\tB-PER\t-\t-\n",
                  1, labels, 1);
    expect_labels("\xEF\xBB\xBF# a comment\n1\ta\tB-PER\t-\t-\n", 1, labels, 1);
    expect_labels("\xEF\xBB\xBF\r\n1\ta\tB-PER\t-\t-\n", 1, labels, 1);
    refuse("\xEF\xBB\xBF", 1, "the file has no sentence");
}
END_TEST

START_TEST(WhiteSpaceEndsASentence) {
    static const char *const blanks[] = {"", "\t", " ", " \t ", "\r", "\t\r", "\t\t\t\t", "\f"};
    static const int32_t labels[2] = {NER_B_PER, NER_B_PER};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s\n1\ta\tB-PER\t-\t-\n%s\n1\tb\tB-PER\t-\t-\n%s", blanks[i], blanks[i],
                 blanks[i]);
        expect_labels(text, 2, labels, 2);
    }
}
END_TEST

START_TEST(DocumentLinesAreNoTokens) {
    static const int32_t labels[2] = {NER_B_PER, NER_B_LOC};
    expect_labels("-DOCSTART- -X- -X- O\n\n1\ta\tB-PER\t-\t-\n-DOCSTART-\n1\tb\tB-LOC\t-\t-\n", 2, labels, 2);
    expect_labels("1\t-DOCSTART-\tO\t-\t-\n\n1\ta\tB-PER\t-\t-\n\n1\t-DOCSTART-\tO\t-\t-\n1\tb\tB-LOC\t-\t-\n", 2,
                  labels, 2);
    refuse("1\ta\tO\t-\t-\n2\t-DOCSTART-\tO\t-\t-\n", 2, "-DOCSTART- within a sentence");
    refuse("-DOCSTART-\tO\n\n", 2, "the file has no sentence");
    refuse("1\t-DOCSTART-\tO\t-\t-\n2\ta\tO\t-\t-\n", 2, "expected token number 1, found '2'");
}
END_TEST

START_TEST(CommentsAreSkipped) {
    static const int32_t labels[2] = {NER_B_PER, NER_I_PER};
    expect_labels("# a\tb\n#\n#comment\n1\t#\tB-PER\t-\t-\n# within\n2\tb\tI-PER\t-\t-\n# last", 1, labels, 2);
}
END_TEST

/* The entities Ada B, C, D E F, G (others, of no type that is learnt), H, and O beside them. */
START_TEST(EverySchemeGivesTheSameLabels) {
    static const int32_t labels[11] = {NER_B_PER, NER_I_PER, NER_B_PER, NER_B_LOC, NER_I_LOC, NER_I_LOC,
                                       NER_O,     NER_O,     NER_O,     NER_B_LOC, NER_O};
    static const char *const tags[][11] = {
        {"B-PER", "I-PER", "B-PER", "B-LOC", "I-LOC", "I-LOC", "B-OTH", "I-OTH", "B-OTH", "B-LOC", "O"},
        {"I-PER", "I-PER", "B-PER", "I-LOC", "I-LOC", "I-LOC", "I-OTH", "I-OTH", "B-OTH", "I-LOC", "O"},
        {"B-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "B-OTH", "E-OTH", "S-OTH", "S-LOC", "O"},
        {"B-PER", "L-PER", "U-PER", "B-LOC", "I-LOC", "L-LOC", "B-OTH", "L-OTH", "U-OTH", "U-LOC", "O"}};
    for (size_t scheme = 0; scheme < 4; scheme++) {
        char text[600] = "";
        for (int i = 0; i < 11; i++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%d\tw\t%s\t-\t-\n", i + 1, tags[scheme][i]);
        }
        expect_labels(text, 1, labels, 11);
    }
}
END_TEST

/* What decides stands in the last sentence. */
START_TEST(SchemesAreToldFromTheWholeFile) {
    refuse("1\ta\tI-PER\t-\t-\n\n1\tb\tO\t-\t-\n2\tc\tB-LOC\t-\t-\n", 4,
           "B-LOC begins an entity as in IOB2, but as in IOB1 does I-PER at line 1");
    refuse("1\ta\tB-PER\t-\t-\n2\tb\tI-LOC\t-\t-\n", 2,
           "I-LOC begins an entity as in IOB1, but as in IOB2 does B-PER at line 1");
    refuse("1\ta\tI-PER\t-\t-\n\n\n1\tb\tS-LOC\t-\t-\n", 1,
           "I-PER follows no B-PER or I-PER, as BIOES has it, the scheme of S-LOC at line 4");
}
END_TEST

START_TEST(SentencesOfUpToTheMostTokensAreRead) {
    char text[20 * (NER_LONGEST + 2)] = "# first\n";
    int32_t labels[NER_LONGEST];
    for (int i = 0; i < NER_LONGEST; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%d\tw\tO\t-\t-\n", i + 1);
        labels[i] = NER_O;
    }
    expect_labels(text, 1, labels, NER_LONGEST);
    strcat(text, "161\tw\tO\t-\t-\n");
    refuse(text, 162, "the sentence that begins at line 2 has more than 160 tokens");
}
END_TEST

START_TEST(TokensMayBeLong) {
    static char text[200000];
    size_t most = 100000;
    ner_corpus corpus = {0};
    strcpy(text, "1\t");
    memset(text + 2, 'x', most);
    strcpy(text + 2 + most, "\tB-PER\t-\t-\n");
    read_text(&corpus, text);
    ck_assert_uint_eq(strlen(ner_corpus_token(&corpus, 0)), most);
    ner_corpus_clear(&corpus);
}
END_TEST

START_TEST(LinesWithoutEndAreRefused) {
    ner_corpus corpus = {0};
    ner_error error = {""};
    ck_assert_int_eq(ner_columns_read(&corpus, "/dev/zero", &error), HL_FORMAT);
    ck_assert_str_eq(error.text, "/dev/zero:1: the line is longer than 1048576 bytes");
}
END_TEST

START_TEST(FileThatIsNotThereIsASystemError) {
    ner_corpus corpus = {0};
    ner_error error = {""};
    ck_assert_int_eq(ner_columns_read(&corpus, "/nonexistent/x.iob2", &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "/nonexistent/x.iob2: No such file or directory");
    ck_assert_int_eq(ner_columns_read(&corpus, "/", &error), HL_SYSTEM); /* opens, and cannot be read */
}
END_TEST

START_TEST(ShippedDataHasThePublishedNumbers) {
    static const char *const parts[3] = {"train", "dev", "test"};
    static const size_t sentences[3] = {12543, 2001, 2077}, tokens[3] = {204579, 25149, 25097};
    static const size_t entities[3][NER_TYPES] = {{2873, 2698, 1434}, {343, 399, 224}, {449, 317, 322}};
    for (size_t part = 0; part < 3; part++) {
        ner_corpus corpus = {0};
        read_data(&corpus, parts[part]);
        size_t found[NER_TYPES] = {0};
        for (size_t i = 0; i < corpus.n_tokens; i++)
            if (ner_label_begins(corpus.labels[i])) found[ner_label_type(corpus.labels[i])]++;
        ck_assert_uint_eq(corpus.n_sentences, sentences[part]);
        ck_assert_uint_eq(corpus.n_tokens, tokens[part]);
        for (size_t type = 0; type < NER_TYPES; type++) ck_assert_uint_eq(found[type], entities[part][type]);
        ner_corpus_clear(&corpus);
    }
}
END_TEST

int main(void) {
    return run_tests("columns",
                     TESTS(SentencesAndLabelsAreRead, OtherEntitiesAreNone, LastNewlineMayBeMissingAndLinesMayEndInCrLf,
                           AByteOrderMarkBeginsNoToken, WhiteSpaceEndsASentence, DocumentLinesAreNoTokens,
                           CommentsAreSkipped, EverySchemeGivesTheSameLabels, DamagedLinesAreRefusedWithFileAndLine,
                           BytesThatAreNoTextAreRefused, SchemesAreToldFromTheWholeFile,
                           SentencesOfUpToTheMostTokensAreRead, TokensMayBeLong, LinesWithoutEndAreRefused,
                           FileThatIsNotThereIsASystemError, ShippedDataHasThePublishedNumbers));
}

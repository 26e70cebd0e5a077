/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Column files are read as they are meant, and refused with file and line where they are damaged. */
#include "examples/ner/corpus.h"
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
    refuse("#comment\n", 1, "expected 5 columns separated by tabs, found 1");
    refuse("# c\n1\ta\tO\t-\t-\n3\tb\tO\t-\t-\n", 3, "expected token number 2, found '3'");
    refuse("1\ta\tO\t-\t-\n\n2\tb\tO\t-\t-\n", 3, "expected token number 1, found '2'");
    refuse("x\ta\tO\t-\t-\n", 1, "expected token number 1, found 'x'");
    refuse("1\t\tO\t-\t-\n", 1, "the token is empty");
    refuse("1\ta\tB-MISC\t-\t-\n", 1, "unknown tag 'B-MISC'");
    refuse("1\ta\tPER\t-\t-\n", 1, "unknown tag 'PER'");
    refuse("1\ta\t\t-\t-\n", 1, "unknown tag ''");
    refuse("1\ta\xff\tO\t-\t-\n", 1, "the token is no UTF-8 text");
    refuse_bytes("1\ta\0b\tO\t-\t-\n", 13, 1, "the token is no UTF-8 text");
    refuse("# only a comment\n\n", 2, "the file has no sentence");
    refuse("", 0, "the file has no sentence");
}
END_TEST

START_TEST(FileThatIsNotThereIsASystemError) {
    ner_corpus corpus = {0};
    ner_error error = {""};
    ck_assert_int_eq(ner_corpus_read(&corpus, "/nonexistent/x.iob2", &error), HL_SYSTEM);
    ck_assert_str_eq(error.text, "/nonexistent/x.iob2: No such file or directory");
    ck_assert_int_eq(ner_corpus_read(&corpus, "/", &error), HL_SYSTEM); /* opens, and cannot be read */
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

START_TEST(LabelsHaveTheirTagsAndTypes) {
    ck_assert_str_eq(ner_label_tag(NER_O), "O");
    ck_assert_str_eq(ner_label_tag(NER_I_ORG), "I-ORG");
    ck_assert_str_eq(ner_label_tag(NER_LABELS), "?");
    ck_assert_str_eq(ner_label_tag(-1), "?");
    ck_assert_str_eq(ner_type_name(NER_LOC), "LOC");
    ck_assert_str_eq(ner_type_name(NER_TYPES), "?");
    ck_assert(ner_label_begins(NER_B_LOC) && !ner_label_begins(NER_I_LOC) && !ner_label_begins(NER_O));
    ck_assert(!ner_label_continues(NER_B_LOC) && ner_label_continues(NER_I_LOC) && !ner_label_continues(NER_O));
    ck_assert_uint_eq(ner_label_type(NER_I_ORG), NER_ORG);
}
END_TEST

int main(void) {
    return run_tests("corpus",
                     TESTS(SentencesAndLabelsAreRead, OtherEntitiesAreNone, LastNewlineMayBeMissingAndLinesMayEndInCrLf,
                           DamagedLinesAreRefusedWithFileAndLine, FileThatIsNotThereIsASystemError,
                           ShippedDataHasThePublishedNumbers, LabelsHaveTheirTagsAndTypes));
}

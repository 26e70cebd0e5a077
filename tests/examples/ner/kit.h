/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of examples/ner share: files with given bytes, corpora from text, and the shipped data. */
#ifndef HL_TESTS_EXAMPLES_NER_KIT_H
#define HL_TESTS_EXAMPLES_NER_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "examples/ner/columns.h"
#include "tests/support/suite.h"

#define NER_DATA HL_SOURCE_DIR "/examples/ner/data/en_ewt-ud-"

/* The name of a file that no other process uses; path: at least 64 bytes. Remove the file. */
static inline void name_file(char *path, const char *ending) {
    snprintf(path, 64, "/tmp/headloom-ner-%ld%s", (long)getpid(), ending);
}

/* Reads a corpus from these bytes; path: at least 64 bytes, the name of the file that was read (removed again). */
static inline hl_status corpus_of(ner_corpus *corpus, const char *bytes, size_t n, char *path, ner_error *error) {
    name_file(path, ".iob2");
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
    hl_status status = ner_columns_read(corpus, path, error);
    remove(path);
    return status;
}

/* One of the shipped files: "train", "dev" or "test". */
static inline void read_data(ner_corpus *corpus, const char *part) {
    char path[512];
    ner_error error = {""};
    snprintf(path, sizeof path, "%s%s.iob2", NER_DATA, part);
    ck_assert_msg(ner_columns_read(corpus, path, &error) == HL_OK, "%s", error.text);
}

#endif

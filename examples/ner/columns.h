/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reader of column files: index in the sentence, token, tag, "-" and annotator, separated by tabs. Everything that
 * is wrong with a file is found here, before anything is made of it, and named by file and line. */
#ifndef NER_COLUMNS_H
#define NER_COLUMNS_H

#include "examples/ner/corpus.h"

/* Reads a column file into an empty corpus.
 *
 * Lines end in "\n" or "\r\n", the last one may lack its end. A line of white space alone ends a sentence, and so does
 * a line that begins with -DOCSTART-, which is no token, neither by itself nor as the first token of a sentence. Lines
 * that begin with "# ", or with "#" and hold no tab, are comments. Tags may be of any scheme that scheme.h tells apart.
 *
 * HL_SYSTEM: the file cannot be read. HL_FORMAT: a damaged line, a sentence of more than NER_LONGEST tokens, a file
 * without a sentence; the message is "file:line: what is wrong". The corpus is empty after a failure. */
hl_status ner_columns_read(ner_corpus *corpus, const char *path, ner_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences of a user's: tagged in words, and in a picture of what the heads look at. */
#ifndef NER_SENTENCES_H
#define NER_SENTENCES_H

#include <stdio.h>

#include "examples/ner/tagger.h"

/* Tags a line of plain text and writes it with its entities in brackets: "[PER Angela Merkel] went to [LOC Rome] .".
 * A line without words writes nothing. HL_FORMAT: the line is no UTF-8 text. */
hl_status ner_sentence_print(ner_tagger *tagger, const char *line, FILE *file, ner_error *error);

/* Draws the line's first sentence with what each head of the last attention looks at, see draw.h. */
hl_status ner_sentence_draw(ner_tagger *tagger, const char *line, const char *path, ner_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences of a user's: tagged in words, and in a picture of what the heads look at. */
#ifndef NER_SENTENCES_H
#define NER_SENTENCES_H

#include <stdio.h>

#include "examples/ner/lines.h"
#include "examples/ner/tagger.h"

/* Tags a line of plain text and writes it as one line, with its entities in brackets: "[PER Angela Merkel] went to [LOC
 * Rome] .". A line without words is answered by an empty one. More than NER_LONGEST tokens are tagged in pieces of so
 * many. HL_FORMAT: the line is no text (ner_text_fault), and nothing is written. */
hl_status ner_sentence_print(ner_tagger *tagger, const char *line, size_t bytes, FILE *file, ner_error *error);

/* Tags every line, and flushes file behind each: as many lines come out as go in. A line that is no text is answered by
 * an empty one and named in complaints; HL_FORMAT at the end says how many there were. HL_SYSTEM: the lines cannot be
 * read, or file not be written; name: file's, for the message. */
hl_status ner_sentences_answer(ner_tagger *tagger, ner_lines *lines, FILE *file, const char *name, FILE *complaints,
                               ner_error *error);

/* Can the line be drawn? HL_FORMAT: it is no text. HL_INVALID_ARGUMENT: there are no words in it. */
hl_status ner_sentence_check(const char *line, ner_error *error);

/* Draws the line's first sentence with what each head of the last attention looks at, see draw.h. */
hl_status ner_sentence_draw(ner_tagger *tagger, const char *line, const char *path, ner_error *error);

#endif

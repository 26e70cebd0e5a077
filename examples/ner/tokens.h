/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Plain text into tokens, near enough to the way in which the training data was cut: at white space, punctuation off
 * the ends of words, 's and n't apart from the word before them. */
#ifndef NER_TOKENS_H
#define NER_TOKENS_H

#include "examples/ner/corpus.h"

/* Adds the tokens of a line as one sentence without labels (O); a line without any adds nothing. Sentences of more than
 * `longest` tokens go on as another one. HL_FORMAT: the line holds a NUL byte, or is not UTF-8 text. */
hl_status ner_tokens_add(ner_corpus *corpus, const char *line, size_t bytes, size_t longest, ner_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The schemes in which column files write entities as tags, and their translation into labels. Which scheme a file
 * uses is said nowhere in it, and follows from all of its tags together:
 *
 *   IOB2          every entity begins with B-
 *   IOB1          an entity begins with I-, and with B- only where it stands directly behind one of its own type
 *   BIOES, IOBES  as IOB2, but the last token of an entity has E-, its only token S-
 *   BILOU         the same with L- and U-
 *
 * IOB1 and IOB2 are told apart by the first token of any entity, BIOES and BILOU by the last one. A file that does not
 * keep to its scheme throughout is refused: it is damaged, or put together from several files. */
#ifndef NER_SCHEME_H
#define NER_SCHEME_H

#include <stddef.h>
#include <stdint.h>

#include "examples/ner/corpus.h"
#include "examples/ner/error.h"

typedef struct ner_tag {
    char part;   /* 'O', or what stands before the dash: B, I, E, S, L or U */
    size_t type; /* NER_PER, ...; NER_TYPES: OTH, other entities, which are annotated in places only; 0 for O */
    size_t line; /* where it stands */
} ner_tag;

/* Reads "O", "B-PER" and so on; tag->line is left alone. 0: it is a tag. */
int ner_tag_read(ner_tag *tag, const char *text, size_t bytes);

/* Labels of all tags of a file. first: sentence s has tags first[s] to first[s + 1] - 1. name: the file's, for
 * messages. Entities of type OTH get the label O. HL_FORMAT: the tags keep to no scheme; the message is "name:line:
 * ..." . */
hl_status ner_scheme_labels(const ner_tag *tags, const size_t *first, size_t n_sentences, const char *name,
                            int32_t *labels, ner_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Output that cannot be written is a failure: what can be known of it is known before anything is trained, the rest
 * when it is written. */
#ifndef NER_OUTPUT_H
#define NER_OUTPUT_H

#include <stdio.h>

#include "examples/ner/error.h"

/* Can this stream be written, as far as is known without writing? It is open for writing, and somebody reads the pipe.
 * name: for the message. HL_SYSTEM: it cannot. */
hl_status ner_output_ready(FILE *file, const char *name, ner_error *error);

/* The same for a file that is yet to be made; nothing is left of the attempt, and a file that is there stays as it is.
 */
hl_status ner_output_may_make(const char *path, ner_error *error);

/* Writes what the stream holds back. HL_SYSTEM: that, or anything before it, could not be written. */
hl_status ner_output_flush(FILE *file, const char *name, ner_error *error);

#endif

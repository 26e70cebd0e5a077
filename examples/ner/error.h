/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words behind a status. Functions of this example return an hl_status and write what went wrong into the caller's
 * ner_error; only main prints it. */
#ifndef NER_ERROR_H
#define NER_ERROR_H

#include <stddef.h>

#include "headloom/status.h"

#define NER_ERROR_TEXT 400

typedef struct ner_error {
    char text[NER_ERROR_TEXT];
} ner_error;

/* Writes the words (error may be NULL) and returns the status, so that a caller can `return ner_fail(...)`. */
hl_status ner_fail(ner_error *error, hl_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The words for memory that could not be had. */
hl_status ner_fail_memory(ner_error *error);

/* Text of a user's as a message shows it: what is longer than some 40 bytes is cut between code points, control
 * characters are written as \xNN. Returns shown. */
enum { NER_SHOWN = 200 };
const char *ner_shown(const char *text, size_t bytes, char shown[NER_SHOWN]);

#endif

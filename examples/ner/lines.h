/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines of a text, one by one, each with its number: what every reader of this example reads from, and what gives its
 * error messages their "file:line: ". */
#ifndef NER_LINES_H
#define NER_LINES_H

#include <stddef.h>
#include <stdio.h>

#include "examples/ner/error.h"

enum { NER_NAME = 120 };

typedef struct ner_lines {
    FILE *file;
    int owned;           /* closed at the end */
    char name[NER_NAME]; /* for messages: the path, of a long one its end */
    size_t most;         /* bytes of a line; 0: any number */
    size_t number;       /* of the line read last, from 1; 0 before the first one */
    char *text;          /* that line without its end ("\n" or "\r\n"); a '\0' follows, and may also stand within */
    size_t bytes;
    size_t capacity;
} ner_lines;

/* Opens a file, which ner_lines_close closes again. HL_SYSTEM: it cannot be opened. */
hl_status ner_lines_open(ner_lines *lines, const char *path, size_t most, ner_error *error);

/* Reads from a file that is open already, and stays so. */
ner_lines ner_lines_of(FILE *file, const char *name);
void ner_lines_close(ner_lines *lines);

/* Reads the next line; *more becomes 0 where there is none. A byte order mark before line 1 is left out. HL_FORMAT: the
 * line is too long. HL_SYSTEM: the file cannot be read. */
hl_status ner_lines_next(ner_lines *lines, int *more, ner_error *error);

/* HL_FORMAT with "name:line: " before the message. */
hl_status ner_lines_fail(const ner_lines *lines, ner_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What keeps these bytes from being a line of text, in words: a NUL byte, or anything but UTF-8. NULL: nothing. */
const char *ner_text_fault(const char *text, size_t bytes);

#endif

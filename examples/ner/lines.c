/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading lines of any length, up to a limit that keeps a file without line ends from filling the memory. */
#include "examples/ner/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

static const char MARK[] = "\xEF\xBB\xBF"; /* U+FEFF, the byte order mark */

static void set_name(ner_lines *lines, const char *path) {
    size_t bytes = strlen(path);
    if (bytes < sizeof lines->name) {
        memcpy(lines->name, path, bytes + 1);
        return;
    }
    const char *rest = path + bytes - (sizeof lines->name - sizeof "...");
    while (((unsigned char)*rest & 0xC0) == 0x80) { /* no cut through a code point */
        rest++;
    }
    snprintf(lines->name, sizeof lines->name, "...%s", rest);
}

hl_status ner_lines_open(ner_lines *lines, const char *path, size_t most, ner_error *error) {
    *lines = (ner_lines){.file = fopen(path, "rb"), .owned = 1, .most = most};
    set_name(lines, path);
    return lines->file ? HL_OK : ner_fail(error, HL_SYSTEM, "%s: %s", lines->name, strerror(errno));
}

ner_lines ner_lines_of(FILE *file, const char *name) {
    ner_lines lines = {.file = file};
    set_name(&lines, name);
    return lines;
}

void ner_lines_close(ner_lines *lines) {
    free(lines->text);
    if (lines->owned && lines->file) {
        fclose(lines->file);
    }
    *lines = (ner_lines){.file = NULL};
}

/* Room for one byte more and the '\0' behind it. */
static int grow(ner_lines *lines) {
    if (lines->bytes + 1 < lines->capacity) {
        return 0;
    }
    size_t capacity = lines->capacity ? 2 * lines->capacity : 256;
    char *text = realloc(lines->text, capacity);
    if (!text) {
        return -1;
    }
    lines->text = text;
    lines->capacity = capacity;
    return 0;
}

static void leave_out_mark(ner_lines *lines) {
    size_t bytes = sizeof MARK - 1;
    if (lines->bytes >= bytes && memcmp(lines->text, MARK, bytes) == 0) {
        lines->bytes -= bytes;
        memmove(lines->text, lines->text + bytes, lines->bytes);
    }
}

hl_status ner_lines_next(ner_lines *lines, int *more, ner_error *error) {
    int c;
    lines->bytes = 0;
    lines->number++;
    errno = 0;
    while ((c = getc_unlocked(lines->file)) != EOF && c != '\n') {
        if (lines->most > 0 && lines->bytes == lines->most) {
            return ner_lines_fail(lines, error, "the line is longer than %zu bytes", lines->most);
        }
        if (grow(lines) != 0) {
            return ner_fail_memory(error);
        }
        lines->text[lines->bytes++] = (char)c;
    }
    if (ferror(lines->file)) {
        return ner_fail(error, HL_SYSTEM, "%s: %s", lines->name, strerror(errno));
    }
    *more = c == '\n' || lines->bytes > 0;
    if (!*more) {
        lines->number--;
        return HL_OK;
    }
    if (grow(lines) != 0) { /* an empty line has no room yet */
        return ner_fail_memory(error);
    }
    if (lines->bytes > 0 && lines->text[lines->bytes - 1] == '\r') {
        lines->bytes--;
    }
    if (lines->number == 1) {
        leave_out_mark(lines);
    }
    lines->text[lines->bytes] = '\0';
    return HL_OK;
}

hl_status ner_lines_fail(const ner_lines *lines, ner_error *error, const char *format, ...) {
    char message[NER_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return ner_fail(error, HL_FORMAT, "%s:%zu: %s", lines->name, lines->number, message);
}

const char *ner_text_fault(const char *text, size_t bytes) {
    if (memchr(text, '\0', bytes)) {
        return "the line holds a NUL byte";
    }
    return u8_check((const uint8_t *)text, bytes) ? "the line is not UTF-8 text" : NULL;
}

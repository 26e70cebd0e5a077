/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing the words of a failure. */
#include "examples/ner/error.h"

#include <stdarg.h>
#include <stdio.h>

hl_status ner_fail(ner_error *error, hl_status status, const char *format, ...) {
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

hl_status ner_fail_memory(ner_error *error) { return ner_fail(error, HL_OUT_OF_MEMORY, "out of memory"); }

const char *ner_shown(const char *text, size_t bytes, char shown[NER_SHOWN]) {
    enum { MOST = 40 };
    size_t n = 0, end = bytes < MOST ? bytes : MOST;
    while (end < bytes && end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80) {
        end--;
    }
    for (size_t i = 0; i < end; i++) {
        unsigned char byte = (unsigned char)text[i];
        const char *format = byte < 0x20 || byte == 0x7F ? "\\x%02X" : "%c";
        n += (size_t)snprintf(shown + n, NER_SHOWN - n, format, byte);
    }
    snprintf(shown + n, NER_SHOWN - n, "%s", end < bytes ? "..." : "");
    return shown;
}

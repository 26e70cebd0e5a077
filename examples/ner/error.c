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

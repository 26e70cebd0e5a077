/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words behind a runtime's last failure. */
#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/atomic.h"

hl_status hl__error_set(hl__error *error, hl_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&error->mutex);
    char *words = error->words[error->n_written++ % HL__ERROR_BUFFERS];
    vsnprintf(words, HL__ERROR_BYTES, format, arguments);
    /* release: who reads the pointer reads the words. */
    hl__atomic_store(error_set, &error->last, words, release);
    pthread_mutex_unlock(&error->mutex);
    va_end(arguments);
    return status;
}

const char *hl__error_words(const hl__error *error) {
    const char *words = hl__atomic_load(error_words, &error->last, acquire); /* pairs with the release above */
    return words ? words : "";
}

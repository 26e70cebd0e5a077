/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words behind a runtime's last failure. */
#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/atomic.h"

/* Of the calling thread: why it has no runtime. There is no handle that could keep it, and words that all threads share
 * would be another's as often as one's own. Within the first threads' own block, so that no look at it allocates. */
static _Thread_local char unmade[HL__UNMADE_BYTES] __attribute__((tls_model("initial-exec")));

hl_status hl__error_set_unmade(hl_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(unmade, sizeof unmade, format, arguments);
    va_end(arguments);
    return status;
}

const char *hl__error_unmade(void) { return unmade; }

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

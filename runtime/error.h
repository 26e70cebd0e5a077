/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words behind the last failure of a runtime, to make one, or to make a program. A few buffers in turn, so that
 * words that were handed out stay whole while other threads fail. */
#ifndef HL_RUNTIME_ERROR_H
#define HL_RUNTIME_ERROR_H

#include <pthread.h>
#include <stdatomic.h>

#include "headloom/status.h"

#define HL__ERROR_BYTES 640
#define HL__ERROR_BUFFERS 8
#define HL__UNMADE_BYTES 256 /* of each thread, also where the library is loaded by a running program */

typedef struct hl__error {
    pthread_mutex_t mutex;    /* writers */
    const char *_Atomic last; /* NULL: none yet */
    unsigned n_written;
    char words[HL__ERROR_BUFFERS][HL__ERROR_BYTES];
} hl__error;

/* Keeps the words and returns status. */
hl_status hl__error_set(hl__error *error, hl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *hl__error_words(const hl__error *error);

/* The same where there is no handle to keep the words: they are the calling thread's, until its next such failure. */
hl_status hl__error_set_unmade(hl_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *hl__error_unmade(void);

#endif

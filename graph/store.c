/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Chunks of geometrically growing size, filled from the front. */
#include "graph/store.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/memory.h"

#define FIRST_CHUNK ((size_t)4096)
#define LARGEST_CHUNK ((size_t)1 << 20)
#define LINE ((size_t)64)

typedef struct hl__chunk {
    struct hl__chunk *next;
    size_t bytes; /* of the whole chunk, this header included */
    size_t used;
} hl__chunk;

static size_t round_up(size_t value, size_t step) { return (value + step - 1) / step * step; }

static hl__chunk *add_chunk(hl__store *store, size_t needed) {
    size_t bytes = store->chunks ? store->chunks->bytes * 2 : FIRST_CHUNK;
    if (bytes > LARGEST_CHUNK) bytes = LARGEST_CHUNK;
    if (bytes < needed) bytes = needed;
    hl__chunk *chunk = hl__allocate(1, bytes);
    if (!chunk) return NULL;
    *chunk = (hl__chunk){.next = store->chunks, .bytes = bytes, .used = LINE};
    store->chunks = chunk;
    return chunk;
}

bool hl__store_reserve(hl__store *store, size_t bytes) { return add_chunk(store, bytes + 2 * LINE) != NULL; }

void *hl__store_take(hl__store *store, size_t count, size_t size) {
    if (size && count > (SIZE_MAX / 2) / size) return NULL;
    size_t bytes = count * size;
    size_t alignment = bytes >= LINE ? LINE : 16;
    hl__chunk *chunk = store->chunks;
    if (!chunk || chunk->bytes - chunk->used < bytes + alignment) chunk = add_chunk(store, bytes + 2 * LINE);
    if (!chunk) return NULL;
    size_t at = round_up(chunk->used, alignment);
    chunk->used = at + bytes;
    return (char *)chunk + at;
}

void *hl__store_copy(hl__store *store, const void *data, size_t bytes) {
    void *copy = hl__store_take(store, 1, bytes);
    if (copy && bytes) memcpy(copy, data, bytes);
    return copy;
}

char *hl__store_string(hl__store *store, const char *text) { return hl__store_copy(store, text, strlen(text) + 1); }

char *hl__store_format(hl__store *store, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) return NULL;
    char *text = hl__store_take(store, (size_t)length + 1, 1);
    if (!text) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void hl__store_clear(hl__store *store) {
    while (store->chunks) {
        hl__chunk *chunk = store->chunks;
        store->chunks = chunk->next;
        hl__release(chunk);
    }
}

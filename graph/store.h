/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A store: memory that is taken piece by piece and freed at once. Graphs and programs keep their nodes, names and plans
 * in one, so that unwinding after a failure is one call. */
#ifndef HL_GRAPH_STORE_H
#define HL_GRAPH_STORE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct hl__store {
    struct hl__chunk *chunks; /* newest first */
} hl__store;

/* Takes memory for about so many bytes at once, which is cheaper than in chunks where they are many. False where there
 * is none. */
bool hl__store_reserve(hl__store *store, size_t bytes);

/* count * size zeroed bytes, 64-byte aligned where size >= 64, else 16; they live until hl__store_clear. NULL where
 * there is no memory. Earlier pieces never move. */
void *hl__store_take(hl__store *store, size_t count, size_t size);
void *hl__store_copy(hl__store *store, const void *data, size_t bytes);
char *hl__store_string(hl__store *store, const char *text);
char *hl__store_format(hl__store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hl__store_clear(hl__store *store);

#endif

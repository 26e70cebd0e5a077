/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Generated code: pieces of executable memory, known by the key that they were generated from. All programs of a
 * runtime share them; a piece is freed with the last program that holds it, and all together they have a bound. Whoever
 * gets no piece must do without: the system may forbid executable memory, or have no more of it. */
#ifndef HL_RUNTIME_CODE_H
#define HL_RUNTIME_CODE_H

#include <stddef.h>

#include "headloom/runtime.h"

#define HL__CODE_BYTES ((size_t)64 << 20) /* of a runtime, counted in whole pages */
#define HL__CODE_PIECE ((size_t)64 << 10) /* room for one piece while it is generated */

typedef struct hl__code hl__code;

/* What one program holds. Zeros but for code: nothing. A lease is used by one thread at a time. */
typedef struct hl__code_lease {
    hl__code *code;
    struct hl__code_piece **pieces;
    size_t n, room;
} hl__code_lease;

/* Writes at most `bytes` of code for a key to buffer, which is not where it will run, and returns how many they are; 0
 * where it cannot. */
typedef size_t hl__code_generator(const void *key, void *buffer, size_t bytes);

/* NULL where there is no memory. */
hl__code *hl__code_create(size_t most_bytes);

/* No lease may hold anything. NULL is harmless. */
void hl__code_destroy(hl__code *code);

/* The entry of the piece with this key, generated where it is not there; it stays until hl__code_end. lease is a
 * hl__code_lease. NULL where there is none to be had. Thread-safe for different leases of one hl__code. */
const void *hl__code_place(void *lease, const void *key, size_t key_bytes, hl__code_generator *generate);

/* Gives everything back. Nothing of it may be running. */
void hl__code_end(hl__code_lease *lease);

/* Why there was no piece, the last time. */
typedef enum hl__code_lack {
    HL__CODE_NO_LACK,
    HL__CODE_FULL,      /* the bound is reached */
    HL__CODE_NO_MEMORY, /* the system has no more */
    HL__CODE_FORBIDDEN, /* memory may not become executable; the runtime does not ask again */
    HL__CODE_NOT_TO_BE_GENERATED,
} hl__code_lack;

typedef struct hl__code_counts {
    size_t pieces, bytes; /* now */
    size_t most_bytes;
    size_t lacks; /* how often there was none */
    hl__code_lack lack;
    int error; /* errno, where the system refused */
} hl__code_counts;

/* Works in a forked child, too. */
hl__code_counts hl__code_count(const hl__code *code);

hl__code *hl__runtime_code(const hl_runtime *runtime);

#endif
